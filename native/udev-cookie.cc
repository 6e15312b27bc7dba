// udev cookies: how device-mapper's users wait until udev has dealt with a change (libdevmapper's
// libdm-common.c).
//
// A cookie is a System V semaphore whose key is 0x0d4d in the upper half and a number of ours in the lower.
// The kernel sends the cookie along with the change's uevent; udev's rules end by "dmsetup udevcomplete
// COOKIE", which takes one from the semaphore. Waiting has a limit: udev may be absent, stopped, or lack
// the rules.
#include <sys/ipc.h>
#include <sys/sem.h>

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <random>
#include <string>

#include "error.h"
#include "exports.h"
#include "task.h"

namespace diskferry {

namespace {

constexpr uint32_t keyPrefix = 0x0d4d0000;
constexpr uint32_t numberMax = 0xffff;
constexpr int attemptsMax = 64;
// As libdevmapper makes them: udev's dmsetup runs as root.
constexpr int semaphoreMode = 0600;

int semaphoreOf(uint32_t number) {
  return checked(semget(static_cast<key_t>(keyPrefix | number), 1, semaphoreMode), "semget");
}

// Linux asks the caller for this definition (semctl(2)).
union SemaphoreArgument {
  int value;
};

}  // namespace

// Its number, never 0, which means no cookie. The semaphore stands at 1: for the one event that will name it.
Napi::Value udevCookieMake(const Napi::CallbackInfo& info) {
  std::random_device random;
  for (int attempt = 1;; attempt += 1) {
    uint32_t number = random() % numberMax + 1;
    int semaphore = semget(static_cast<key_t>(keyPrefix | number), 1, semaphoreMode | IPC_CREAT | IPC_EXCL);
    if (semaphore == -1 && errno == EEXIST && attempt < attemptsMax) continue;
    checked(semaphore, "semget");
    SemaphoreArgument one = {1};
    checked(semctl(semaphore, 0, SETVAL, one), "semctl(SETVAL)");
    return Napi::Number::New(info.Env(), number);
  }
}

// Whether udev was done within the time.
Napi::Value udevCookieWait(const Napi::CallbackInfo& info) {
  uint32_t number = info[0].As<Napi::Number>();
  double seconds = info[1].As<Napi::Number>().DoubleValue() / 1e3;
  auto work = [number, seconds] {
    auto whole = static_cast<time_t>(seconds);
    timespec limit = {whole, static_cast<long>((seconds - static_cast<double>(whole)) * 1e9)};
    sembuf untilZero = {0, 0, 0};
    if (semtimedop(semaphoreOf(number), &untilZero, 1, &limit) == 0) return true;
    if (errno == EAGAIN) return false;
    throw SystemError(errno, "semtimedop");
  };
  auto toJs = [](Napi::Env env, bool done) { return Napi::Boolean::New(env, done); };
  return promiseOf(info.Env(), std::move(work), toJs);
}

Napi::Value udevCookieRemove(const Napi::CallbackInfo& info) {
  uint32_t number = info[0].As<Napi::Number>();
  checked(semctl(semaphoreOf(number), 0, IPC_RMID), "semctl(IPC_RMID)");
  return info.Env().Undefined();
}

}  // namespace diskferry
