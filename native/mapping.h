// Memory shared with the kernel by mmap(2): unmapped when its owner goes.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <utility>

#include "error.h"

namespace diskferry {

class Mapping {
 public:
  Mapping() = default;
  Mapping(int fd, off_t offset, size_t bytes, int protection = PROT_READ | PROT_WRITE) : bytes_(bytes) {
    void* address = mmap(nullptr, bytes, protection, MAP_SHARED | MAP_POPULATE, fd, offset);
    if (address == MAP_FAILED) throw SystemError(errno, "mmap");
    address_ = address;
  }
  Mapping(Mapping&& other) noexcept
      : address_(std::exchange(other.address_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Mapping() {
    if (address_ != nullptr) munmap(address_, bytes_);
  }

  template <typename T>
  T* at(size_t offset) const {
    return reinterpret_cast<T*>(static_cast<char*>(address_) + offset);
  }

 private:
  void* address_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace diskferry
