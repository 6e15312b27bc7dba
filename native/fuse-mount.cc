// FUSE without libfuse: open /dev/fuse and mount it over a file; the descriptor then speaks the protocol.
#include <fcntl.h>
#include <sys/mount.h>

#include <string>

#include "error.h"
#include "exports.h"
#include "fd.h"

namespace diskferry {

// Mounting over a regular file makes the FUSE root that file: rootmode is its type and permissions in octal
// (fs/fuse/inode.c, fuse_parse_param). Without allow_other only the mounting user's processes get in, and the
// kernel's loop threads with that user's credentials. The descriptor is non-blocking: a blocking read in
// flight keeps later ones of the ring waiting.
Napi::Value fuseMount(const Napi::CallbackInfo& info) {
  Napi::Object options = info[0].As<Napi::Object>();
  std::string path = options.Get("path").As<Napi::String>();
  std::string name = options.Get("name").As<Napi::String>();
  uint32_t maxReadBytes = options.Get("maxReadBytes").As<Napi::Number>();

  Fd device(checked(open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC), "open", "/dev/fuse"));
  std::string data = "rootmode=100600,user_id=0,group_id=0,fd=" + std::to_string(device.get()) +
                     ",max_read=" + std::to_string(maxReadBytes);
  unsigned long flags = MS_NOSUID | MS_NODEV;
  checked(mount(name.c_str(), path.c_str(), "fuse.diskferry", flags, data.c_str()), "mount", path);
  return Napi::Number::New(info.Env(), device.release());
}

// With MNT_DETACH the name goes at once and the file system when its last user does (umount2(2)).
Napi::Value unmountDetach(const Napi::CallbackInfo& info) {
  std::string path = info[0].As<Napi::String>();
  checked(umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW), "umount2", path);
  return info.Env().Undefined();
}

}  // namespace diskferry
