#include "live-map.h"

#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <stdexcept>

#include "error.h"

namespace diskferry {

namespace {
constexpr size_t wordBytes = 4;
}

Napi::Function LiveMap::define(Napi::Env env) {
  return DefineClass(env, "LiveMap",
                     {
                         InstanceMethod<&LiveMap::copy>("copy"),
                         InstanceMethod<&LiveMap::load>("load"),
                         InstanceMethod<&LiveMap::close>("close"),
                     });
}

// The file has its blocks already: a store into a hole that tmpfs has no room for would be SIGBUS. Locking keeps
// it out of swap, which may lie behind the very disk that we serve; where that is not allowed it works as well.
LiveMap::LiveMap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<LiveMap>(info) {
  int fd = info[0].As<Napi::Number>();
  bytes_ = static_cast<size_t>(info[1].As<Napi::Number>().Int64Value());
  mapping_ = withJsErrors(info.Env(), [&] { return std::make_unique<Mapping>(fd, 0, bytes_); });
  mlock(mapping_->at<void>(0), bytes_);
}

// The kernel keeps what has been stored when the process is killed; the compiler must not store it after the
// system call that follows.
Napi::Value LiveMap::copy(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] {
    auto words = info[0].As<Napi::Int32Array>();
    size_t offset = static_cast<size_t>(info[1].As<Napi::Number>().Int64Value());
    auto ranges = info[2].As<Napi::Int32Array>();
    uint32_t count = info[3].As<Napi::Number>();
    if (count * 2 > ranges.ElementLength()) throw std::out_of_range("more ranges than there are");
    check(offset, words.ByteLength());
    auto from = reinterpret_cast<const char*>(words.Data());
    for (uint32_t index = 0; index < count; index += 1) {
      auto first = static_cast<uint32_t>(ranges[index * 2]);
      auto end = static_cast<uint32_t>(ranges[index * 2 + 1]);
      if (first > end || end > words.ElementLength()) throw std::out_of_range("a range outside of the map");
      memcpy(mapping_->at<char>(offset + first * wordBytes), from + first * wordBytes, (end - first) * wordBytes);
    }
    std::atomic_thread_fence(std::memory_order_release);
    return info.Env().Undefined();
  });
}

Napi::Value LiveMap::load(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] {
    auto words = info[0].As<Napi::Int32Array>();
    size_t offset = static_cast<size_t>(info[1].As<Napi::Number>().Int64Value());
    check(offset, words.ByteLength());
    memcpy(words.Data(), mapping_->at<char>(offset), words.ByteLength());
    return info.Env().Undefined();
  });
}

Napi::Value LiveMap::close(const Napi::CallbackInfo& info) {
  mapping_.reset();
  return info.Env().Undefined();
}

void LiveMap::check(size_t offset, size_t bytes) const {
  if (mapping_ == nullptr) throw SystemError(EBADF, "mmap", "the live map is closed");
  if (offset > bytes_ || bytes > bytes_ - offset) throw std::out_of_range("outside of the live map");
}

}  // namespace diskferry
