// Loop devices (linux/loop.h): a block device over a file, set up by one LOOP_CONFIGURE (kernel >= 5.8).
//
// A loop device over our own FUSE file waits for our own worker whenever the kernel reads it, so setting up
// runs off the calling thread. The descriptor of the device is the caller's. As long as it or anybody else's is
// open, the device stays; at the last close the kernel writes back what it holds and then detaches the file
// (LO_FLAGS_AUTOCLEAR; loop_release in drivers/block/loop.c). LOOP_CLR_FD is not used: it detaches before the
// write-back, and what a consumer had written through the page cache would be lost.
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>

#include "error.h"
#include "exports.h"
#include "fd.h"
#include "task.h"

namespace diskferry {

namespace {

constexpr int attemptsMax = 64;
constexpr auto pauseBetweenAttempts = std::chrono::milliseconds(10);
constexpr uint64_t sectorBytes = 512;

struct LoopOptions {
  Fd backing;
  std::string backingName;
  uint32_t logicalBlockBytes;
  bool readOnly;
  bool directIo;
};

struct LoopDevice {
  std::string path;
  Fd fd;
};

uint64_t blockDeviceBytes(int fd) {
  uint64_t bytes = 0;
  checked(ioctl(fd, BLKGETSIZE64, &bytes), "ioctl(BLKGETSIZE64)");
  return bytes;
}

uint64_t backingBytes(int fd) {
  struct stat status = {};
  checked(fstat(fd, &status), "fstat");
  return S_ISBLK(status.st_mode) ? blockDeviceBytes(fd) : static_cast<uint64_t>(status.st_size);
}

loop_config configOf(const LoopOptions& options) {
  loop_config config = {};
  config.fd = static_cast<uint32_t>(options.backing.get());
  config.block_size = options.logicalBlockBytes;
  config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
  if (options.readOnly) config.info.lo_flags |= LO_FLAGS_READ_ONLY;
  if (options.directIo) config.info.lo_flags |= LO_FLAGS_DIRECT_IO;
  options.backingName.copy(reinterpret_cast<char*>(config.info.lo_file_name), LO_NAME_SIZE - 1);
  return config;
}

// The node of a device that LOOP_CTL_GET_FREE has just made is there at once with devtmpfs; under other
// arrangements it follows a moment later, or never.
Fd openDevice(const std::string& path, bool readOnly) {
  for (int attempt = 1;; attempt += 1) {
    int fd = open(path.c_str(), (readOnly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (fd >= 0) return Fd(fd);
    if (errno != ENOENT || attempt == attemptsMax) throw SystemError(errno, "open", path);
    std::this_thread::sleep_for(pauseBetweenAttempts);
  }
}

std::string described(uint64_t bytes, uint32_t blockBytes, bool readOnly) {
  return std::to_string(bytes) + " bytes in blocks of " + std::to_string(blockBytes) +
         (readOnly ? ", read-only" : ", writable");
}

// The kernel changes without an error what it cannot do: another block size, read-only where the backing
// descriptor is, whole sectors of the size. Any but the last would give the consumer another disk than it
// had.
void verifyConfigured(const LoopDevice& device, const LoopOptions& options) {
  uint32_t blockBytes = 0;
  int readOnly = 0;
  checked(ioctl(device.fd.get(), BLKSSZGET, &blockBytes), "ioctl(BLKSSZGET)", device.path);
  checked(ioctl(device.fd.get(), BLKROGET, &readOnly), "ioctl(BLKROGET)", device.path);
  uint64_t wholeSectorBytes = backingBytes(options.backing.get()) / sectorBytes * sectorBytes;
  std::string expected = described(wholeSectorBytes, options.logicalBlockBytes, options.readOnly);
  std::string found = described(blockDeviceBytes(device.fd.get()), blockBytes, readOnly != 0);
  if (found == expected) return;
  std::string difference = device.path + " has " + found + " instead of " + expected;
  throw SystemError(EINVAL, "ioctl(LOOP_CONFIGURE)", difference);
}

// What BLKROSET has once set stays with the device's number for the next file attached there
// (bd_read_only, block/ioctl.c).
void liftWriteProtection(const LoopDevice& device) {
  int readOnly = 0;
  checked(ioctl(device.fd.get(), BLKROSET, &readOnly), "ioctl(BLKROSET)", device.path);
}

// After a throw the descriptor closes, and the device is gone with it.
LoopDevice verified(LoopDevice device, const LoopOptions& options) {
  if (!options.readOnly) liftWriteProtection(device);
  verifyConfigured(device, options);
  return device;
}

// LOOP_CTL_GET_FREE only finds a free device; whoever configures it first has it, the others get EBUSY.
LoopDevice attach(const LoopOptions& options) {
  // A file over FUSE has no size before somebody asks for it, which the loop driver did not do before 6.16.
  backingBytes(options.backing.get());
  Fd control(checked(open("/dev/loop-control", O_RDWR | O_CLOEXEC), "open", "/dev/loop-control"));
  loop_config config = configOf(options);
  for (int attempt = 1;; attempt += 1) {
    int number = checked(ioctl(control.get(), LOOP_CTL_GET_FREE, 0), "ioctl(LOOP_CTL_GET_FREE)");
    std::string path = "/dev/loop" + std::to_string(number);
    LoopDevice device = {path, openDevice(path, options.readOnly)};
    int configured = ioctl(device.fd.get(), LOOP_CONFIGURE, &config);
    if (configured == 0) return verified(std::move(device), options);
    if (errno != EBUSY || attempt == attemptsMax) throw SystemError(errno, "ioctl(LOOP_CONFIGURE)", path);
    std::this_thread::sleep_for(pauseBetweenAttempts);
  }
}

Napi::Value toJs(Napi::Env env, LoopDevice& device) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("path", device.path);
  result.Set("fd", device.fd.release());
  return result;
}

}  // namespace

// With LO_FLAGS_DIRECT_IO the kernel goes around the backing file's page cache where the file allows that,
// and silently through it where not (drivers/block/loop.c).
Napi::Value loopAttach(const Napi::CallbackInfo& info) {
  Napi::Object given = info[0].As<Napi::Object>();
  LoopOptions options;
  options.backing = Fd::duplicateOf(given.Get("backingFd").As<Napi::Number>());
  options.backingName = given.Get("backingName").As<Napi::String>().Utf8Value();
  options.logicalBlockBytes = given.Get("logicalBlockBytes").As<Napi::Number>();
  options.readOnly = given.Get("readOnly").As<Napi::Boolean>();
  options.directIo = given.Get("directIo").As<Napi::Boolean>();

  auto work = [options = std::move(options)] { return attach(options); };
  return promiseOf(info.Env(), std::move(work), toJs);
}

}  // namespace diskferry
