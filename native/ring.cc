#include "ring.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>

#include "error.h"

namespace diskferry {

namespace {

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC

// The kernel refuses entries only while memory is short; ten seconds of that and the ring gives up.
constexpr uint32_t refusalsMax = 10'000;
constexpr auto pauseAfterRefusal = std::chrono::milliseconds(1);
constexpr int64_t noLimit = -1;

// How many `Item`s a typed array has room for.
template <typename Item>
uint32_t countOf(const Napi::TypedArray& array) {
  return static_cast<uint32_t>(array.ByteLength() / sizeof(Item));
}

int64_t nowNs() { return std::chrono::nanoseconds(Clock::now().time_since_epoch()).count(); }

}  // namespace

Napi::Function Ring::define(Napi::Env env) {
  return DefineClass(env, "Ring",
                     {
                         InstanceMethod<&Ring::submit>("submit"),
                         InstanceMethod<&Ring::submitAndWait>("submitAndWait"),
                         InstanceMethod<&Ring::readNow>("readNow"),
                         InstanceMethod<&Ring::registerFile>("registerFile"),
                         InstanceMethod<&Ring::yieldProcessor>("yieldProcessor"),
                         InstanceMethod<&Ring::duplicate>("duplicate"),
                         InstanceMethod<&Ring::close>("close"),
                     });
}

// napi_get_typedarray_info moves small arrays off JavaScript's heap, so that their address is final.
template <typename Array>
Array Ring::keep(const Napi::Object& memory, const char* name) {
  Array array = memory.Get(name).As<Array>();
  kept_.push_back(Napi::Persistent(array.template As<Napi::Object>()));
  return array;
}

Ring::Ring(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Ring>(info) {
  uint32_t entries = info[0].As<Napi::Number>();
  Napi::Object memory = info[1].As<Napi::Object>();

  auto submissions = keep<Napi::Uint32Array>(memory, "submissions");
  submissions_ = reinterpret_cast<const Submission*>(submissions.Data());
  submissionsMax_ = std::min(entries, countOf<Submission>(submissions));

  auto completions = keep<Napi::Int32Array>(memory, "completions");
  completions_ = reinterpret_cast<Completion*>(completions.Data());
  completionsMax_ = countOf<Completion>(completions);

  auto vectors = keep<Napi::Uint32Array>(memory, "vectors");
  memory_.vectorPairs = reinterpret_cast<const VectorPair*>(vectors.Data());
  memory_.vectors.resize(countOf<VectorPair>(vectors));

  auto pool = keep<Napi::Uint8Array>(memory, "pool");
  memory_.pool = pool.Data();
  memory_.poolBytes = pool.ByteLength();
  // Large pages make long pieces cheaper. Without them everything works as well, so that refusing is no error.
  madvise(memory_.pool, memory_.poolBytes, MADV_HUGEPAGE);

  clockUs_ = keep<Napi::Float64Array>(memory, "clockUs").Data();
  uring_ = withJsErrors(info.Env(), [&] { return std::make_unique<Uring>(entries); });
}

Napi::Value Ring::submit(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] {
    prepare(info[0].As<Napi::Number>());
    while (open().pending() > 0) enter(0, noLimit);
    return info.Env().Undefined();
  });
}

// The kernel may end a wait early (a signal, entries taken only in part), so this goes on until the queues
// and the clock say that it is done. The deadline is the clock's, not the kernel's answer: the number of
// entries taken hides it.
Napi::Value Ring::submitAndWait(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&]() -> Napi::Value {
    uint32_t minComplete = std::min(info[1].As<Napi::Number>().Uint32Value(), completionsMax_);
    int64_t timeoutNs = info[2].As<Napi::Number>().Int64Value() * 1000;
    prepare(info[0].As<Napi::Number>());

    int64_t now = nowNs();
    const bool limited = timeoutNs >= 0;
    const int64_t deadline = now + timeoutNs;
    uint32_t taken = takeCompletions(0);
    for (;;) {
      int64_t remainingNs = limited ? std::max<int64_t>(deadline - now, 0) : noLimit;
      enter(minComplete - std::min(taken, minComplete), remainingNs);
      taken = takeCompletions(taken);
      now = nowNs();
      bool waited = taken >= minComplete || (limited && now >= deadline);
      if (waited && open().pending() == 0) break;
    }
    *clockUs_ = static_cast<double>(now) / 1000;
    return Napi::Number::New(info.Env(), taken);
  });
}

// A plain read(2), for descriptors that io_uring would never give back as empty.
Napi::Value Ring::readNow(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&]() -> Napi::Value {
    int fd = info[0].As<Napi::Number>();
    uint32_t length = info[1].As<Napi::Number>();
    uint8_t* to = poolAddress(memory_, info[2].As<Napi::Number>(), length);
    ssize_t count = read(fd, to, length);
    return Napi::Number::New(info.Env(), count < 0 ? -errno : static_cast<double>(count));
  });
}

// Into the table of fixed files, which the kernel lets go only when the ring's last request has ended.
Napi::Value Ring::registerFile(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] {
    open().registerFile(info[0].As<Napi::Number>());
    return info.Env().Undefined();
  });
}

// sched_yield(2), which never fails on Linux.
Napi::Value Ring::yieldProcessor(const Napi::CallbackInfo& info) {
  sched_yield();
  return info.Env().Undefined();
}

// For JavaScript to close.
Napi::Value Ring::duplicate(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&]() -> Napi::Value {
    return Napi::Number::New(info.Env(), open().duplicate().release());
  });
}

// Requests in flight are cancelled by the kernel in its own time (io_uring_release); the pool stays
// referenced by this object.
Napi::Value Ring::close(const Napi::CallbackInfo& info) {
  uring_.reset();
  return info.Env().Undefined();
}

Uring& Ring::open() {
  if (uring_ == nullptr) throw SystemError(EBADF, "io_uring_enter", "the ring is closed");
  return *uring_;
}

// Translates all before publishing any: after a throw the kernel has seen none. Entries left from a call that
// gave up would find their vectors overwritten, so there is no going on after that.
void Ring::prepare(uint32_t count) {
  if (open().pending() > 0) throw SystemError(EBUSY, "io_uring_enter", "an earlier call gave up");
  if (count > submissionsMax_) {
    auto room = std::to_string(submissionsMax_);
    throw std::out_of_range(std::to_string(count) + " entries for a ring of " + room);
  }
  for (uint32_t index = 0; index < count; index += 1) {
    translate(submissions_[index], memory_, uring_->unpublished(index));
  }
  uring_->publish(count);
}

// After a refusal the kernel's completion queue is emptied, because a full one may be the reason.
void Ring::enter(uint32_t minComplete, int64_t timeoutNs) {
  if (open().enter(minComplete, timeoutNs) == Uring::Entered::done) {
    refusals_ = 0;
    return;
  }
  refusals_ += 1;
  if (refusals_ == refusalsMax) throw SystemError(EAGAIN, "io_uring_enter");
  setCompletionsAside();
  std::this_thread::sleep_for(pauseAfterRefusal);
}

bool Ring::nextCompletion(Completion& next) {
  const io_uring_cqe* completion = uring_->completion();
  if (completion == nullptr) return false;
  auto tag = static_cast<int32_t>(completion->user_data);
  next = {tag, completion->res, static_cast<int32_t>(completion->flags), 0};
  uring_->dropCompletion();
  return true;
}

// What does not fit stays in the kernel's queue until the next call.
uint32_t Ring::takeCompletions(uint32_t taken) {
  for (; !setAside_.empty() && taken < completionsMax_; taken += 1) {
    completions_[taken] = setAside_.front();
    setAside_.pop_front();
  }
  while (taken < completionsMax_ && nextCompletion(completions_[taken])) taken += 1;
  return taken;
}

void Ring::setCompletionsAside() {
  Completion next = {};
  while (nextCompletion(next)) setAside_.push_back(next);
}

}  // namespace diskferry
