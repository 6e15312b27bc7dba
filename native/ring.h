// The `Ring` of binding.ts: takes prepared operations out of typed arrays, hands them to the kernel, and
// brings completions back in another. One call per loop turn, nothing allocated in it.
#pragma once

#include <napi.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "submission.h"
#include "uring.h"

namespace diskferry {

// What JavaScript reads of a completion; `completionWords` in ring.ts.
struct Completion {
  int32_t tag;
  int32_t result;
  int32_t flags;
  int32_t unused;
};

class Ring : public Napi::ObjectWrap<Ring> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit Ring(const Napi::CallbackInfo& info);

 private:
  Napi::Value submit(const Napi::CallbackInfo& info);
  Napi::Value submitAndWait(const Napi::CallbackInfo& info);
  Napi::Value readNow(const Napi::CallbackInfo& info);
  Napi::Value registerFile(const Napi::CallbackInfo& info);
  Napi::Value yieldProcessor(const Napi::CallbackInfo& info);
  Napi::Value duplicate(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  Uring& open();
  void prepare(uint32_t count);
  void enter(uint32_t minComplete, int64_t timeoutNs);
  bool nextCompletion(Completion& next);
  uint32_t takeCompletions(uint32_t taken);
  void setCompletionsAside();

  template <typename Array>
  Array keep(const Napi::Object& memory, const char* name);

  std::unique_ptr<Uring> uring_;
  // The memory belongs to JavaScript; these references keep it where it is.
  std::vector<Napi::ObjectReference> kept_;
  const Submission* submissions_ = nullptr;
  uint32_t submissionsMax_ = 0;
  Completion* completions_ = nullptr;
  uint32_t completionsMax_ = 0;
  double* clockUs_ = nullptr;
  SubmissionMemory memory_ = {};
  // Completions taken out of the kernel's queue to make room in it while JavaScript had none for them.
  std::deque<Completion> setAside_;
  uint32_t refusals_ = 0;
};

}  // namespace diskferry
