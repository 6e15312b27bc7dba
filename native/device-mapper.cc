// Device-mapper's ioctls (linux/dm-ioctl.h) and the one sequence of them that must not be left in the middle.
//
// Messages are made and read by device-mapper.ts; here they are only bounds-checked, because the kernel
// writes its answer into the same memory, as much as the message says there is. Everything runs off the
// calling thread: a suspend waits for I/O that our own worker may be serving.
//
// A swap runs on its thread without a break: its descriptors are open, its memory is touched and its
// messages are made before the device is suspended, since any of these may need the very device (a page
// that must be written back first). Signals wait, because device-mapper gives up a suspend with EINTR; only
// SIGKILL can leave the device suspended.
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "error.h"
#include "exports.h"
#include "fd.h"
#include "keyring.h"
#include "task.h"

namespace diskferry {

namespace {

constexpr const char* controlPath = "/dev/mapper/control";
using Message = std::vector<uint8_t>;

struct Command {
  unsigned long request;
  const char* call;
};

// In the order of deviceMapperCommands in device-mapper.ts.
constexpr std::array<Command, 11> commands = {{
    {DM_VERSION, "ioctl(DM_VERSION)"},
    {DM_LIST_DEVICES, "ioctl(DM_LIST_DEVICES)"},
    {DM_DEV_CREATE, "ioctl(DM_DEV_CREATE)"},
    {DM_DEV_REMOVE, "ioctl(DM_DEV_REMOVE)"},
    {DM_DEV_SUSPEND, "ioctl(DM_DEV_SUSPEND)"},
    {DM_DEV_STATUS, "ioctl(DM_DEV_STATUS)"},
    {DM_TABLE_LOAD, "ioctl(DM_TABLE_LOAD)"},
    {DM_TABLE_CLEAR, "ioctl(DM_TABLE_CLEAR)"},
    {DM_TABLE_DEPS, "ioctl(DM_TABLE_DEPS)"},
    {DM_TABLE_STATUS, "ioctl(DM_TABLE_STATUS)"},
    {DM_GET_TARGET_VERSION, "ioctl(DM_GET_TARGET_VERSION)"},
}};

class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsHeld() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  sigset_t before_;
};

const Command& commandAt(uint32_t index) {
  if (index >= commands.size()) throw std::out_of_range("no such device-mapper command");
  return commands[index];
}

// A copy: the caller's memory belongs to JavaScript, which may move on while the kernel works.
Message messageOf(const Napi::Value& value) {
  auto view = value.As<Napi::Uint8Array>();
  Message message(view.Data(), view.Data() + view.ByteLength());
  if (message.size() < sizeof(dm_ioctl)) throw std::out_of_range("a device-mapper message lacks its header");
  uint32_t dataBytes;
  memcpy(&dataBytes, message.data() + offsetof(dm_ioctl, data_size), sizeof dataBytes);
  if (dataBytes != message.size()) throw std::out_of_range("a device-mapper message misstates its length");
  return message;
}

// The header's name field; messageOf made sure that there is one, the codec that it ends.
std::string deviceNameIn(const Message& message) {
  const char* name = reinterpret_cast<const char*>(message.data() + offsetof(dm_ioctl, name));
  return std::string(name, strnlen(name, DM_NAME_LEN));
}

Fd openControl() { return Fd(checked(open(controlPath, O_RDWR | O_CLOEXEC), "open", controlPath)); }

double nowMs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

struct Swap {
  Fd control;
  Fd flush;  // none: nothing to flush
  std::string name;
  Message suspend;
  Message resume;
  // To go back: they forget the loaded table and go on with the old one.
  Message clear;
  Message resumeOld;
};

struct SwapTimes {
  double suspendMs;
  double flushMs;
  double resumeMs;
};

int suspendOrResume(Swap& swap, Message& message) {
  return ioctl(swap.control.get(), DM_DEV_SUSPEND, message.data());
}

// `number` and `call` are what failed while the device was suspended. Clearing fails only where there is
// nothing to clear: a table that the kernel refused at resume is gone already. A table that it took before
// it failed stays, since the old one no longer exists: device-mapper.ts looks which one is active.
[[noreturn]] void resumeOldAndThrow(Swap& swap, int number, const char* call) {
  ioctl(swap.control.get(), DM_TABLE_CLEAR, swap.clear.data());
  bool runs = suspendOrResume(swap, swap.resumeOld) == 0;
  throw SystemError(number, call, swap.name + (runs ? "" : " (still suspended)"));
}

SwapTimes swapTables(Swap& swap) {
  SignalsHeld held;
  double startMs = nowMs();
  if (suspendOrResume(swap, swap.suspend) == -1) throw SystemError(errno, "ioctl(DM_DEV_SUSPEND)", swap.name);
  double suspendedMs = nowMs();
  if (swap.flush.get() >= 0 && fsync(swap.flush.get()) == -1) resumeOldAndThrow(swap, errno, "fsync");
  double flushedMs = nowMs();
  if (suspendOrResume(swap, swap.resume) == -1) {
    resumeOldAndThrow(swap, errno, "ioctl(DM_DEV_SUSPEND: resume)");
  }
  return {suspendedMs - startMs, flushedMs - suspendedMs, nowMs() - flushedMs};
}

Napi::Value timesToJs(Napi::Env env, const SwapTimes& times) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("suspendMs", times.suspendMs);
  result.Set("flushMs", times.flushMs);
  result.Set("resumeMs", times.resumeMs);
  return result;
}

Napi::Value answerToJs(Napi::Env env, const Message& answer) {
  auto view = Napi::Uint8Array::New(env, answer.size());
  memcpy(view.Data(), answer.data(), answer.size());
  return view;
}

}  // namespace

Napi::Value deviceMapperCall(const Napi::CallbackInfo& info) {
  Command command = commandAt(info[0].As<Napi::Number>());
  int32_t keySerial = info[2].As<Napi::Number>();
  auto work = [command, keySerial, message = messageOf(info[1])]() mutable {
    SignalsHeld held;
    KeyInThread key(keySerial);
    Fd control = openControl();
    checked(ioctl(control.get(), command.request, message.data()), command.call, deviceNameIn(message));
    return std::move(message);
  };
  return promiseOf(info.Env(), std::move(work), answerToJs);
}

// Opens and copies on the calling thread, so that all of it is there before the work is even queued.
Napi::Value deviceMapperSwap(const Napi::CallbackInfo& info) {
  Napi::Object given = info[0].As<Napi::Object>();
  Swap swap;
  swap.control = openControl();
  if (!given.Get("flushFd").IsNull()) swap.flush = Fd::duplicateOf(given.Get("flushFd").As<Napi::Number>());
  swap.suspend = messageOf(given.Get("suspend"));
  swap.resume = messageOf(given.Get("resume"));
  swap.clear = messageOf(given.Get("clear"));
  swap.resumeOld = swap.resume;
  swap.name = deviceNameIn(swap.suspend);
  auto work = [swap = std::move(swap)]() mutable { return swapTables(swap); };
  return promiseOf(info.Env(), std::move(work), timesToJs);
}

}  // namespace diskferry
