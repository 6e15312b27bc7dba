// Small calls on descriptors and memory that Node has no function for.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "error.h"
#include "exports.h"

// Since kernel 6.1; older headers lack them (linux/stat.h).
#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x00002000U
#endif

namespace diskferry {

namespace {

constexpr uintptr_t pageBytes = 4096;
// Where stx_dio_offset_align lies in struct statx (linux/stat.h); the struct has had its 256 bytes from the
// beginning.
constexpr size_t statxDioOffsetAlignAt = 0x9c;
static_assert(sizeof(struct statx) == 256, "struct statx is 256 bytes in every version of linux/stat.h");

// The device number is the kernel's "MAJOR:MINOR" in two numbers; the mode leaves the node to root, as
// libdevmapper's default does.
Napi::Value makeNode(const Napi::CallbackInfo& info, mode_t type) {
  std::string path = info[0].As<Napi::String>();
  uint32_t major = info[1].As<Napi::Number>();
  uint32_t minor = info[2].As<Napi::Number>();
  checked(mknod(path.c_str(), type | 0600, makedev(major, minor)), "mknod", path);
  return info.Env().Undefined();
}

}  // namespace

Napi::Value misalignmentBytes(const Napi::CallbackInfo& info) {
  auto address = reinterpret_cast<uintptr_t>(info[0].As<Napi::Uint8Array>().Data());
  return Napi::Number::New(info.Env(), static_cast<double>(address % pageBytes));
}

Napi::Value makeBlockNode(const Napi::CallbackInfo& info) { return makeNode(info, S_IFBLK); }

Napi::Value makeCharacterNode(const Napi::CallbackInfo& info) { return makeNode(info, S_IFCHR); }

Napi::Value eventFd(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), checked(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd"));
}

// fallocate(2) without a mode: room for all of it, read as zeroes until written. False where the file system
// cannot.
Napi::Value allocate(const Napi::CallbackInfo& info) {
  int fd = info[0].As<Napi::Number>();
  int64_t lengthBytes = info[1].As<Napi::Number>();
  int result;
  do result = fallocate(fd, 0, 0, lengthBytes);
  while (result == -1 && errno == EINTR);
  if (result == -1 && errno == EOPNOTSUPP) return Napi::Boolean::New(info.Env(), false);
  checked(result, "fallocate");
  return Napi::Boolean::New(info.Env(), true);
}

// The lock belongs to the open file description: duplicates and children share it (flock(2)).
Napi::Value lockExclusive(const Napi::CallbackInfo& info) {
  int fd = info[0].As<Napi::Number>();
  checked(flock(fd, LOCK_EX | LOCK_NB), "flock");
  return info.Env().Undefined();
}

// statx(2): the field is 0 when the file does not take O_DIRECT, and the mask lacks STATX_DIOALIGN when the
// kernel (before 6.1) or the file system cannot tell.
Napi::Value directIoAlignmentBytes(const Napi::CallbackInfo& info) {
  int fd = info[0].As<Napi::Number>();
  struct statx status = {};
  checked(statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status), "statx");
  uint32_t alignmentBytes = 0;
  if ((status.stx_mask & STATX_DIOALIGN) != 0) {
    auto bytes = reinterpret_cast<const char*>(&status);
    memcpy(&alignmentBytes, bytes + statxDioOffsetAlignAt, sizeof alignmentBytes);
  }
  return Napi::Number::New(info.Env(), alignmentBytes);
}

}  // namespace diskferry
