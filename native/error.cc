#include "error.h"

#include <cstring>

namespace diskferry {

namespace {

// flock(2) and its callers say EWOULDBLOCK where the C library, having one number for both, says EAGAIN.
const char* nameOf(int number, const std::string& call) {
  if (number == EWOULDBLOCK && call == "flock") return "EWOULDBLOCK";
  const char* name = strerrorname_np(number);
  return name != nullptr ? name : "UNKNOWN";
}

// Drivers give numbers of the kernel's own (524, ENOTSUPP), which the C library has no words for.
std::string meaningOf(int number) {
  const char* meaning = strerrordesc_np(number);
  return meaning != nullptr ? meaning : "errno " + std::to_string(number);
}

}  // namespace

SystemError::SystemError(int number, std::string call, const std::string& subject)
    : number_(number), call_(std::move(call)) {
  message_ = call_ + " failed: " + nameOf(number_, call_) + " (" + meaningOf(number_) + ")";
  if (!subject.empty()) message_ = subject + ": " + message_;
}

Napi::Error SystemError::toJs(Napi::Env env) const {
  Napi::Error error = Napi::Error::New(env, message_);
  error.Set("code", Napi::String::New(env, nameOf(number_, call_)));
  error.Set("errno", Napi::Number::New(env, number_));
  error.Set("syscall", Napi::String::New(env, call_));
  return error;
}

}  // namespace diskferry
