// What each file of the addon offers to JavaScript. addon.cc gives the names; binding.ts has the types and
// says what each does for its caller; the definitions say which fact of the kernel each relies on.
#pragma once

#include <napi.h>

namespace diskferry {

// block.cc
Napi::Value blockGeometry(const Napi::CallbackInfo& info);
Napi::Value blockDiscard(const Napi::CallbackInfo& info);
Napi::Value blockZeroOut(const Napi::CallbackInfo& info);
Napi::Value blockFlushBuffers(const Napi::CallbackInfo& info);
Napi::Value blockRereadPartitions(const Napi::CallbackInfo& info);
Napi::Value trimFileSystem(const Napi::CallbackInfo& info);

// block-hash.cc
Napi::Value addBlockHashes(const Napi::CallbackInfo& info);

// device-mapper.cc
Napi::Value deviceMapperCall(const Napi::CallbackInfo& info);
Napi::Value deviceMapperSwap(const Napi::CallbackInfo& info);

// file.cc
Napi::Value makeBlockNode(const Napi::CallbackInfo& info);
Napi::Value makeCharacterNode(const Napi::CallbackInfo& info);
Napi::Value misalignmentBytes(const Napi::CallbackInfo& info);
Napi::Value eventFd(const Napi::CallbackInfo& info);
Napi::Value allocate(const Napi::CallbackInfo& info);
Napi::Value lockExclusive(const Napi::CallbackInfo& info);
Napi::Value directIoAlignmentBytes(const Napi::CallbackInfo& info);

// fuse-mount.cc
Napi::Value fuseMount(const Napi::CallbackInfo& info);
Napi::Value unmountDetach(const Napi::CallbackInfo& info);
Napi::Value unmountForce(const Napi::CallbackInfo& info);

// keyring.cc
Napi::Value keyAdd(const Napi::CallbackInfo& info);
Napi::Value keyRead(const Napi::CallbackInfo& info);
Napi::Value keyRemove(const Napi::CallbackInfo& info);

// loop.cc
Napi::Value loopAttach(const Napi::CallbackInfo& info);

// netlink.cc
Napi::Value netlinkCall(const Napi::CallbackInfo& info);
Napi::Value socketPair(const Napi::CallbackInfo& info);
Napi::Value shutDownSocket(const Napi::CallbackInfo& info);

// socket.cc
Napi::Value listenUnix(const Napi::CallbackInfo& info);
Napi::Value peerCredentials(const Napi::CallbackInfo& info);

// ublk.cc
Napi::Value ublkControl(const Napi::CallbackInfo& info);

// udev-cookie.cc
Napi::Value udevCookieMake(const Napi::CallbackInfo& info);
Napi::Value udevCookieWait(const Napi::CallbackInfo& info);
Napi::Value udevCookieRemove(const Napi::CallbackInfo& info);

}  // namespace diskferry
