// The addon's table of contents: every name that binding.ts declares, and the function behind it.
#include <napi.h>

#include "error.h"
#include "exports.h"
#include "live-map.h"
#include "ring.h"
#include "ublk.h"

namespace diskferry {

namespace {

template <Napi::Value (*function)(const Napi::CallbackInfo&)>
Napi::Value throwing(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] { return function(info); });
}

template <Napi::Value (*function)(const Napi::CallbackInfo&)>
void offer(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<throwing<function>>(exports.Env(), name));
}

// Runs once for each thread that loads the addon; nothing is shared between them.
Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("Ring", Ring::define(env));
  exports.Set("LiveMap", LiveMap::define(env));
  exports.Set("UblkQueue", UblkQueue::define(env));
  offer<blockGeometry>(exports, "blockGeometry");
  offer<blockDiscard>(exports, "blockDiscard");
  offer<blockZeroOut>(exports, "blockZeroOut");
  offer<blockFlushBuffers>(exports, "blockFlushBuffers");
  offer<blockRereadPartitions>(exports, "blockRereadPartitions");
  offer<trimFileSystem>(exports, "trimFileSystem");
  offer<addBlockHashes>(exports, "addBlockHashes");
  offer<deviceMapperCall>(exports, "deviceMapperCall");
  offer<deviceMapperSwap>(exports, "deviceMapperSwap");
  offer<makeBlockNode>(exports, "makeBlockNode");
  offer<makeCharacterNode>(exports, "makeCharacterNode");
  offer<misalignmentBytes>(exports, "misalignmentBytes");
  offer<eventFd>(exports, "eventFd");
  offer<allocate>(exports, "allocate");
  offer<lockExclusive>(exports, "lockExclusive");
  offer<directIoAlignmentBytes>(exports, "directIoAlignmentBytes");
  offer<fuseMount>(exports, "fuseMount");
  offer<unmountDetach>(exports, "unmountDetach");
  offer<unmountForce>(exports, "unmountForce");
  offer<keyAdd>(exports, "keyAdd");
  offer<keyRead>(exports, "keyRead");
  offer<keyRemove>(exports, "keyRemove");
  offer<loopAttach>(exports, "loopAttach");
  offer<netlinkCall>(exports, "netlinkCall");
  offer<socketPair>(exports, "socketPair");
  offer<shutDownSocket>(exports, "shutDownSocket");
  offer<listenUnix>(exports, "listenUnix");
  offer<peerCredentials>(exports, "peerCredentials");
  offer<ublkControl>(exports, "ublkControl");
  offer<udevCookieMake>(exports, "udevCookieMake");
  offer<udevCookieWait>(exports, "udevCookieWait");
  offer<udevCookieRemove>(exports, "udevCookieRemove");
  return exports;
}

}  // namespace

NODE_API_MODULE(diskferry, initialize)

}  // namespace diskferry
