// Keys in the kernel's memory (keyrings(7), linux/keyctl.h). Ours are given once, never readable again, never
// swapped out, and gone with this process at the latest; those of others are found and read.
#include "keyring.h"

#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
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

// As the kernel limits a key of the type "user" (user_preparse in security/keys/user_defined.c).
constexpr size_t userKeyBytesMax = 32767;

long readKey(long serial, uint8_t* payload, size_t length) {
  return syscall(SYS_keyctl, KEYCTL_READ, serial, payload, length, 0);
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

// Of the type "user", found as cryptsetup finds it: in the keyrings of the thread, the process and the session.
// The kernel copies it into the array itself, so there is no other copy to wipe.
Napi::Value keyRead(const Napi::CallbackInfo& info) {
  std::string description = info[0].As<Napi::String>();
  long serial = syscall(SYS_request_key, "user", description.c_str(), nullptr, 0);
  checked(static_cast<int>(serial), "request_key", description);
  long length = readKey(serial, nullptr, 0);
  checked(static_cast<int>(length), "keyctl(KEYCTL_READ)", description);
  auto payload = Napi::Uint8Array::New(info.Env(), std::min(static_cast<size_t>(length), userKeyBytesMax));
  length = readKey(serial, payload.Data(), payload.ByteLength());
  checked(static_cast<int>(length), "keyctl(KEYCTL_READ)", description);
  // Somebody has changed it in between.
  if (static_cast<size_t>(length) != payload.ByteLength()) throw Napi::Error::New(info.Env(), "the key has changed");
  return payload;
}

Napi::Value keyRemove(const Napi::CallbackInfo& info) {
  int32_t serial = info[0].As<Napi::Number>();
  checked(static_cast<int>(keyctl(KEYCTL_UNLINK, serial, KEY_SPEC_PROCESS_KEYRING)), "keyctl(KEYCTL_UNLINK)");
  return info.Env().Undefined();
}

}  // namespace diskferry
