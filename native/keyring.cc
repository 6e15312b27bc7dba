// Keys in the kernel's memory (keyrings(7), linux/keyctl.h): given once, never readable again, never swapped
// out, and gone with this process at the latest.
#include "keyring.h"

#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "error.h"
#include "exports.h"

namespace diskferry {

namespace {

// From include/linux/key.h, which is not among the headers for programs: everything for who reaches the key
// through a keyring of his own; for other threads of our user, to see, find and link it.
constexpr unsigned long permissions = 0x3f000000 | 0x00010000 | 0x00080000 | 0x00100000;

long keyctl(int command, unsigned long first, unsigned long second) {
  return syscall(SYS_keyctl, command, first, second, 0, 0);
}

}  // namespace

KeyInThread::KeyInThread(int32_t serial) : serial_(serial) {
  if (serial_ == 0) return;
  checked(static_cast<int>(keyctl(KEYCTL_LINK, serial_, KEY_SPEC_THREAD_KEYRING)), "keyctl(KEYCTL_LINK)");
}

KeyInThread::~KeyInThread() {
  if (serial_ != 0) keyctl(KEYCTL_UNLINK, serial_, KEY_SPEC_THREAD_KEYRING);
}

// Of the type "logon", which no program can read back. The key belongs to the process keyring of the calling
// thread: one of the same description that is there already gets the new payload.
Napi::Value keyAdd(const Napi::CallbackInfo& info) {
  std::string description = info[0].As<Napi::String>();
  auto payload = info[1].As<Napi::Uint8Array>();
  long serial = syscall(SYS_add_key, "logon", description.c_str(), payload.Data(), payload.ByteLength(),
                        KEY_SPEC_PROCESS_KEYRING);
  checked(static_cast<int>(serial), "add_key", description);
  checked(static_cast<int>(keyctl(KEYCTL_SETPERM, serial, permissions)), "keyctl(KEYCTL_SETPERM)", description);
  return Napi::Number::New(info.Env(), static_cast<double>(serial));
}

Napi::Value keyRemove(const Napi::CallbackInfo& info) {
  int32_t serial = info[0].As<Napi::Number>();
  checked(static_cast<int>(keyctl(KEYCTL_UNLINK, serial, KEY_SPEC_PROCESS_KEYRING)), "keyctl(KEYCTL_UNLINK)");
  return info.Env().Undefined();
}

}  // namespace diskferry
