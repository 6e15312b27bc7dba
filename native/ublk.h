// The `UblkQueue` of binding.ts: what the kernel says about each request of a ublk device's queue.
//
// The kernel writes the descriptions into memory that it shares with us. JavaScript may not see that memory
// itself (Electron refuses ArrayBuffers that it has not made), so all of them are copied at once, a few
// kilobytes, when something has completed.
#pragma once

#include <napi.h>

#include <cstddef>

#include "mapping.h"

namespace diskferry {

class UblkQueue : public Napi::ObjectWrap<UblkQueue> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit UblkQueue(const Napi::CallbackInfo& info);

 private:
  Napi::Value refresh(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  Mapping shared_;
  // The memory belongs to JavaScript; the reference keeps it where it is.
  Napi::ObjectReference kept_;
  void* copy_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace diskferry
