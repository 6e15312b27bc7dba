// FUSE without libfuse: /dev/fuse is mounted over a file; its descriptor then speaks the protocol.
#include <sys/mount.h>

#include <string>

#include "error.h"
#include "exports.h"

namespace diskferry {

// Mounting over a regular file makes the FUSE root that file: rootmode is its type and permissions in octal
// (fs/fuse/inode.c, fuse_parse_param). Without allow_other only the mounting user's processes get in, and the
// kernel's loop threads with that user's credentials.
Napi::Value fuseMount(const Napi::CallbackInfo& info) {
  Napi::Object options = info[0].As<Napi::Object>();
  std::string path = options.Get("path").As<Napi::String>();
  std::string name = options.Get("name").As<Napi::String>();
  uint32_t maxReadBytes = options.Get("maxReadBytes").As<Napi::Number>();

  int deviceFd = options.Get("deviceFd").As<Napi::Number>();

  std::string data = "rootmode=100600,user_id=0,group_id=0,fd=" + std::to_string(deviceFd) +
                     ",max_read=" + std::to_string(maxReadBytes);
  unsigned long flags = MS_NOSUID | MS_NODEV;
  checked(mount(name.c_str(), path.c_str(), "fuse.diskferry", flags, data.c_str()), "mount", path);
  return info.Env().Undefined();
}

// With MNT_DETACH the name goes at once and the file system when its last user does (umount2(2)).
Napi::Value unmountDetach(const Napi::CallbackInfo& info) {
  std::string path = info[0].As<Napi::String>();
  checked(umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW), "umount2", path);
  return info.Env().Undefined();
}

// With MNT_FORCE a FUSE connection is aborted, whoever holds its descriptor (fs/fuse/inode.c, fuse_umount_begin):
// who waits gets errors. The unmount itself may well be refused then.
Napi::Value unmountForce(const Napi::CallbackInfo& info) {
  std::string path = info[0].As<Napi::String>();
  int result = umount2(path.c_str(), MNT_FORCE | UMOUNT_NOFOLLOW);
  if (result < 0 && errno != EBUSY) checked(result, "umount2", path);
  return info.Env().Undefined();
}

}  // namespace diskferry
