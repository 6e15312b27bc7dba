// ublk (linux/ublk_cmd.h, kernel >= 6.0): the commands that make and remove a device, and the descriptions of
// its requests. The commands by which requests are fetched and answered go through the engine's own ring
// (submission.cc). Numbers and messages are made by ublk.ts.
//
// A control command is an io_uring command for /dev/ublk-control in a wide entry. Many wait: for the engine to
// fetch requests, for requests in flight, for the last user of the device; so each has a ring of its own, off
// the calling thread. Destroying the ring cancels a command that has taken too long.
#include "ublk.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "error.h"
#include "exports.h"
#include "fd.h"
#include "submission.h"
#include "task.h"
#include "uring.h"

namespace diskferry {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* controlPath = "/dev/ublk-control";
constexpr uint16_t noQueue = 0xffff;
constexpr size_t descriptorBytes = 24;  // struct ublksrv_io_desc
constexpr int64_t noLimit = -1;

// struct ublksrv_ctrl_cmd; older headers lack it.
struct ControlCommand {
  uint32_t deviceId;
  uint16_t queueId;
  uint16_t bufferBytes;
  uint64_t bufferAddress;
  uint64_t values[2];
};
static_assert(sizeof(ControlCommand) == 32, "struct ublksrv_ctrl_cmd has 32 bytes");

struct Call {
  std::string name;
  uint32_t operation;
  uint32_t deviceId;
  uint64_t value;
  int64_t timeoutMs;
  // A copy: the kernel reads and writes it while JavaScript goes on.
  std::vector<uint8_t> buffer;
};

void writeEntry(uint8_t* entry, int controlFd, Call& call) {
  memset(entry, 0, static_cast<size_t>(Uring::EntrySize::wide));
  auto* header = reinterpret_cast<io_uring_sqe*>(entry);
  header->opcode = driverCommandOpcode;
  header->fd = controlFd;
  header->off = call.operation;
  ControlCommand command = {};
  command.deviceId = call.deviceId;
  command.queueId = noQueue;
  command.bufferBytes = static_cast<uint16_t>(call.buffer.size());
  command.bufferAddress = call.buffer.empty() ? 0 : reinterpret_cast<uint64_t>(call.buffer.data());
  command.values[0] = call.value;
  memcpy(entry + driverCommandAt, &command, sizeof command);
}

int64_t nsUntil(Clock::time_point deadline) {
  return std::max<int64_t>(0, std::chrono::nanoseconds(deadline - Clock::now()).count());
}

// Waits again after each signal, until the command is done or its time is over.
int32_t resultOf(Uring& ring, const Call& call) {
  const bool limited = call.timeoutMs >= 0;
  const Clock::time_point deadline = Clock::now() + std::chrono::milliseconds(call.timeoutMs);
  for (;;) {
    if (const io_uring_cqe* completion = ring.completion()) return completion->res;
    int64_t remainingNs = limited ? nsUntil(deadline) : noLimit;
    if (remainingNs == 0) throw SystemError(ETIMEDOUT, call.name);
    if (ring.enter(1, remainingNs) == Uring::Entered::refused) throw SystemError(EAGAIN, call.name);
  }
}

std::vector<uint8_t> control(Call& call) {
  Fd device(checked(open(controlPath, O_RDWR | O_CLOEXEC), "open", controlPath));
  Uring ring(1, Uring::EntrySize::wide);
  writeEntry(reinterpret_cast<uint8_t*>(&ring.unpublished(0)), device.get(), call);
  ring.publish(1);
  int32_t result = resultOf(ring, call);
  if (result < 0) throw SystemError(-result, call.name);
  return std::move(call.buffer);
}

Napi::Value bufferToJs(Napi::Env env, const std::vector<uint8_t>& buffer) {
  auto view = Napi::Uint8Array::New(env, buffer.size());
  memcpy(view.Data(), buffer.data(), buffer.size());
  return view;
}

size_t wholePages(size_t bytes) {
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

}  // namespace

Napi::Value ublkControl(const Napi::CallbackInfo& info) {
  Napi::Object given = info[0].As<Napi::Object>();
  Call call;
  call.name = given.Get("name").As<Napi::String>();
  call.operation = given.Get("operation").As<Napi::Number>();
  call.deviceId = given.Get("deviceId").As<Napi::Number>();
  call.value = static_cast<uint64_t>(given.Get("value").As<Napi::Number>().Int64Value());
  call.timeoutMs = given.Get("timeoutMs").As<Napi::Number>();
  auto buffer = given.Get("buffer").As<Napi::Uint8Array>();
  call.buffer.assign(buffer.Data(), buffer.Data() + buffer.ByteLength());
  if (call.buffer.size() > UINT16_MAX) throw std::out_of_range("a ublk command's buffer is too long");
  // A command that is given up may still write to it.
  if (call.timeoutMs >= 0 && !call.buffer.empty()) throw std::out_of_range("a limited command has no buffer");
  return promiseOf(info.Env(), [call = std::move(call)]() mutable { return control(call); }, bufferToJs);
}

Napi::Function UblkQueue::define(Napi::Env env) {
  return DefineClass(env, "UblkQueue",
                     {
                         InstanceMethod<&UblkQueue::refresh>("refresh"),
                         InstanceMethod<&UblkQueue::close>("close"),
                     });
}

// The driver allows no mapping for writing, and none but of a queue's whole array (ublk_ch_mmap).
UblkQueue::UblkQueue(const Napi::CallbackInfo& info) : Napi::ObjectWrap<UblkQueue>(info) {
  withJsErrors(info.Env(), [&] {
    int fd = info[0].As<Napi::Number>();
    uint32_t depth = info[1].As<Napi::Number>();
    auto copy = info[2].As<Napi::Uint32Array>();
    bytes_ = depth * descriptorBytes;
    if (copy.ByteLength() < bytes_) throw std::out_of_range("no room for the descriptions of a queue");
    copy_ = copy.Data();
    kept_ = Napi::Persistent(copy.As<Napi::Object>());
    shared_ = Mapping(fd, 0, wholePages(bytes_), PROT_READ);
  });
}

Napi::Value UblkQueue::refresh(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] {
    if (bytes_ == 0) throw SystemError(EBADF, "ublk queue", "it is closed");
    memcpy(copy_, shared_.at<void>(0), bytes_);
    return info.Env().Undefined();
  });
}

// A device goes for good only when this is unmapped.
Napi::Value UblkQueue::close(const Napi::CallbackInfo& info) {
  bytes_ = 0;
  Mapping gone = std::move(shared_);
  return info.Env().Undefined();
}

}  // namespace diskferry
