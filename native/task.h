// Work that may block in the kernel, done on one of libuv's threads and given to JavaScript as a promise.
//
// Ioctls on a device that our own worker serves wait for that worker, so they may run neither on it nor on a
// thread that it waits for. The work and what it owns (descriptors) end on the other thread, before the
// promise settles.
#pragma once

#include <napi.h>

#include <exception>
#include <optional>
#include <utility>
#include <variant>

#include "error.h"

namespace diskferry {

template <typename Work, typename ToJs>
class Task : public Napi::AsyncWorker {
 public:
  static Napi::Value start(Napi::Env env, Work work, ToJs toJs) {
    auto* task = new Task(env, std::move(work), std::move(toJs));  // deletes itself when it is done
    Napi::Promise promise = task->deferred_.Promise();
    task->Queue();
    return promise;
  }

 private:
  Task(Napi::Env env, Work work, ToJs toJs)
      : Napi::AsyncWorker(env), deferred_(env), work_(std::move(work)), toJs_(std::move(toJs)) {}

  void Execute() override {
    try {
      result_ = (*work_)();
    } catch (const SystemError& error) {
      failure_ = error;
    }
    work_.reset();
  }

  void OnOK() override {
    if (failure_) {
      deferred_.Reject(failure_->toJs(Env()).Value());
    } else {
      deferred_.Resolve(toJs_(Env(), *result_));
    }
  }

  // Anything but a refusal of the kernel, such as no memory.
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

  Napi::Promise::Deferred deferred_;
  std::optional<Work> work_;
  ToJs toJs_;
  std::optional<decltype(std::declval<Work>()())> result_;
  std::optional<SystemError> failure_;
};

// `work` runs on another thread and must not touch JavaScript; `toJs(env, result)` makes the promise's value
// of its result.
template <typename Work, typename ToJs>
Napi::Value promiseOf(Napi::Env env, Work work, ToJs toJs) {
  return Task<Work, ToJs>::start(env, std::move(work), std::move(toJs));
}

// For work without a result.
template <typename Work>
Napi::Value promiseOf(Napi::Env env, Work work) {
  auto workThenNothing = [work = std::move(work)]() mutable {
    work();
    return std::monostate();
  };
  auto toUndefined = [](Napi::Env env, std::monostate) { return env.Undefined(); };
  return promiseOf(env, std::move(workThenNothing), toUndefined);
}

}  // namespace diskferry
