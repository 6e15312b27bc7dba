// An owned file descriptor: closed when its owner goes, movable, never copied by accident.
//
// Close errors are not reported: nothing that is written through these descriptors is buffered by them
// (writes that matter are flushed by fsync, whose error is reported).
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "error.h"

namespace diskferry {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { reset(); }

  int get() const { return fd_; }
  // Hands the descriptor to somebody else, such as JavaScript.
  int release() { return std::exchange(fd_, -1); }
  void reset() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

  // A duplicate for work on another thread: whatever the caller closes meanwhile, the number cannot come to
  // mean another device.
  static Fd duplicateOf(int fd) {
    return Fd(checked(fcntl(fd, F_DUPFD_CLOEXEC, 0), "fcntl(F_DUPFD_CLOEXEC)"));
  }

 private:
  int fd_ = -1;
};

}  // namespace diskferry
