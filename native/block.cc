// Ioctls of linux/fs.h on block devices and mounted file systems: what they are, and discarding, zeroing and
// dropping what the kernel caches of them.
//
// All but the geometry may take long or wait for whoever serves the device, so they run off the calling
// thread.
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <array>
#include <cstdint>
#include <utility>

#include "error.h"
#include "exports.h"
#include "fd.h"
#include "task.h"

namespace diskferry {

namespace {

// BLKDISCARD and BLKZEROOUT take start and length in bytes (block/ioctl.c: both multiples of the logical
// block, within the device, else EINVAL; the page cache of the range is dropped first).
Napi::Value rangeIoctl(const Napi::CallbackInfo& info, unsigned long request, const char* call) {
  std::array<uint64_t, 2> range = {static_cast<uint64_t>(info[1].As<Napi::Number>().Int64Value()),
                                   static_cast<uint64_t>(info[2].As<Napi::Number>().Int64Value())};
  auto work = [fd = Fd::duplicateOf(info[0].As<Napi::Number>()), range, request, call]() mutable {
    checked(ioctl(fd.get(), request, range.data()), call);
  };
  return promiseOf(info.Env(), std::move(work));
}

Napi::Value plainIoctl(const Napi::CallbackInfo& info, unsigned long request, const char* call) {
  auto work = [fd = Fd::duplicateOf(info[0].As<Napi::Number>()), request, call] {
    checked(ioctl(fd.get(), request, 0), call);
  };
  return promiseOf(info.Env(), std::move(work));
}

}  // namespace

// BLKGETSIZE64 is in bytes (its declared type is size_t, its real one u64); BLKSSZGET is the logical block
// size, BLKPBSZGET the physical one (linux/fs.h, block/ioctl.c).
Napi::Value blockGeometry(const Napi::CallbackInfo& info) {
  int fd = info[0].As<Napi::Number>();
  uint64_t sizeBytes = 0;
  int logicalBlockBytes = 0;
  unsigned int physicalBlockBytes = 0;
  int readOnly = 0;
  checked(ioctl(fd, BLKGETSIZE64, &sizeBytes), "ioctl(BLKGETSIZE64)");
  checked(ioctl(fd, BLKSSZGET, &logicalBlockBytes), "ioctl(BLKSSZGET)");
  checked(ioctl(fd, BLKPBSZGET, &physicalBlockBytes), "ioctl(BLKPBSZGET)");
  checked(ioctl(fd, BLKROGET, &readOnly), "ioctl(BLKROGET)");

  Napi::Object geometry = Napi::Object::New(info.Env());
  geometry.Set("sizeBytes", static_cast<double>(sizeBytes));
  geometry.Set("logicalBlockBytes", logicalBlockBytes);
  geometry.Set("physicalBlockBytes", physicalBlockBytes);
  geometry.Set("readOnly", readOnly != 0);
  return geometry;
}

// Afterwards the range reads as anything: the device decides.
Napi::Value blockDiscard(const Napi::CallbackInfo& info) {
  return rangeIoctl(info, BLKDISCARD, "ioctl(BLKDISCARD)");
}

// Afterwards the range reads as zeroes; the kernel writes them where the device has no faster way.
Napi::Value blockZeroOut(const Napi::CallbackInfo& info) {
  return rangeIoctl(info, BLKZEROOUT, "ioctl(BLKZEROOUT)");
}

// Has the file system that the descriptor lies on discard its free space. The kernel writes into `len` how many
// bytes it discarded, by the file system's own count.
Napi::Value trimFileSystem(const Napi::CallbackInfo& info) {
  auto work = [fd = Fd::duplicateOf(info[0].As<Napi::Number>())] {
    fstrim_range range = {};
    range.len = UINT64_MAX;
    checked(ioctl(fd.get(), FITRIM, &range), "ioctl(FITRIM)");
    return range.len;
  };
  auto toJs = [](Napi::Env env, uint64_t bytes) { return Napi::Number::New(env, static_cast<double>(bytes)); };
  return promiseOf(info.Env(), std::move(work), toJs);
}

// Writes back and drops the device's page cache (block/ioctl.c, blkdev_flushbuf): later buffered reads see
// the device.
Napi::Value blockFlushBuffers(const Napi::CallbackInfo& info) {
  return plainIoctl(info, BLKFLSBUF, "ioctl(BLKFLSBUF)");
}

// EBUSY while a partition is in use; EINVAL when the device cannot have partitions.
Napi::Value blockRereadPartitions(const Napi::CallbackInfo& info) {
  return plainIoctl(info, BLKRRPART, "ioctl(BLKRRPART)");
}

}  // namespace diskferry
