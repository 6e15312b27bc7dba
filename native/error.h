// Errors of system calls, and their way to JavaScript.
//
// Code below the N-API surface throws SystemError for what the kernel refused, and std::out_of_range for an
// entry that would make the kernel touch memory outside the pool. `withJsErrors` turns them into what
// binding.ts promises: an Error with `code`, `errno` and `syscall`, and a RangeError.
#pragma once

#include <cerrno>
#include <exception>
#include <stdexcept>
#include <string>

#include <napi.h>

namespace diskferry {

class SystemError : public std::exception {
 public:
  // `number` is a positive errno; `call` names what failed, e.g. "ioctl(LOOP_CONFIGURE)"; `subject` is the
  // file or the value it failed for, where that helps.
  SystemError(int number, std::string call, const std::string& subject = "");

  const char* what() const noexcept override { return message_.c_str(); }
  Napi::Error toJs(Napi::Env env) const;

 private:
  int number_;
  std::string call_;
  std::string message_;
};

// Passes a system call's result through, and throws for -1.
inline int checked(int result, const char* call, const std::string& subject = "") {
  if (result == -1) throw SystemError(errno, call, subject);
  return result;
}

template <typename Body>
auto withJsErrors(Napi::Env env, Body&& body) {
  try {
    return body();
  } catch (const SystemError& error) {
    throw error.toJs(env);
  } catch (const std::out_of_range& error) {
    throw Napi::RangeError::New(env, error.what());
  }
}

}  // namespace diskferry
