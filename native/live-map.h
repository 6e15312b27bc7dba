// The `LiveMap` of binding.ts: a file on tmpfs, mapped, into which words that have changed are copied. What is
// there survives the process.
#pragma once

#include <napi.h>

#include <memory>

#include "mapping.h"

namespace diskferry {

class LiveMap : public Napi::ObjectWrap<LiveMap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit LiveMap(const Napi::CallbackInfo& info);

 private:
  Napi::Value copy(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  void check(size_t offset, size_t bytes) const;

  std::unique_ptr<Mapping> mapping_;
  size_t bytes_ = 0;
};

}  // namespace diskferry
