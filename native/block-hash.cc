// Hashes of blocks of 4096 bytes, for comparing what was copied with what a disk gives back. Not on the event
// loop's thread pool and not asynchronous: a piece of 1 MiB takes some 50 microseconds, on the thread that has
// just read it.
//
// A block's hash is 64 bits made from its place and the CRC-32C (RFC 3720, appendix B.4) of each quarter, so
// that four chains of the processor's CRC instruction run side by side. The hash of a set of blocks is the sum
// of theirs: blocks may come in any order.
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "error.h"
#include "exports.h"

namespace diskferry {

namespace {

constexpr size_t blockBytes = 4096;
constexpr size_t sectorBytes = 512;
constexpr size_t lanes = 4;
constexpr size_t stepBytes = sizeof(uint64_t);
constexpr uint32_t castagnoli = 0x82f63b78;

using Lanes = uint32_t[lanes];
using HashLanes = void (*)(const uint8_t* bytes, size_t laneBytes, Lanes& sums);

uint64_t wordAt(const uint8_t* bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

void hashLanesPlainly(const uint8_t* bytes, size_t laneBytes, Lanes& sums) {
  for (size_t lane = 0; lane < lanes; lane += 1) {
    for (size_t at = 0; at < laneBytes; at += 1) {
      sums[lane] ^= bytes[lane * laneBytes + at];
      for (int bit = 0; bit < 8; bit += 1) sums[lane] = (sums[lane] >> 1) ^ ((sums[lane] & 1) * castagnoli);
    }
  }
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) void hashLanesFast(const uint8_t* bytes, size_t laneBytes, Lanes& sums) {
  uint64_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
  for (size_t at = 0; at < laneBytes; at += stepBytes) {
    a = _mm_crc32_u64(a, wordAt(bytes + at));
    b = _mm_crc32_u64(b, wordAt(bytes + laneBytes + at));
    c = _mm_crc32_u64(c, wordAt(bytes + 2 * laneBytes + at));
    d = _mm_crc32_u64(d, wordAt(bytes + 3 * laneBytes + at));
  }
  sums[0] = static_cast<uint32_t>(a);
  sums[1] = static_cast<uint32_t>(b);
  sums[2] = static_cast<uint32_t>(c);
  sums[3] = static_cast<uint32_t>(d);
}

bool hasFastLanes() { return __builtin_cpu_supports("sse4.2") != 0; }
#elif defined(__aarch64__)
__attribute__((target("+crc"))) void hashLanesFast(const uint8_t* bytes, size_t laneBytes, Lanes& sums) {
  for (size_t at = 0; at < laneBytes; at += stepBytes) {
    for (size_t lane = 0; lane < lanes; lane += 1)
      sums[lane] = __crc32cd(sums[lane], wordAt(bytes + lane * laneBytes + at));
  }
}

bool hasFastLanes() { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
#endif

// The last step of splitmix64 (Steele, Lea, Flood 2014): every bit of the input changes half of the output.
uint64_t mixed(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

uint64_t hashBlock(HashLanes hashLanes, const uint8_t* bytes, size_t lengthBytes, uint64_t block) {
  Lanes sums = {~0U, ~0U, ~0U, ~0U};
  hashLanes(bytes, lengthBytes / lanes, sums);
  uint64_t hash = mixed(block + 0x9e3779b97f4a7c15ULL);
  for (size_t lane = 0; lane < lanes; lane += 2)
    hash = mixed(hash ^ (static_cast<uint64_t>(sums[lane]) << 32 | sums[lane + 1]));
  return hash;
}

}  // namespace

Napi::Value addBlockHashes(const Napi::CallbackInfo& info) {
  static const HashLanes hashLanes = hasFastLanes() ? hashLanesFast : hashLanesPlainly;
  auto pool = info[0].As<Napi::Uint8Array>();
  auto buffer = static_cast<size_t>(info[1].As<Napi::Number>().Int64Value());
  auto lengthBytes = static_cast<size_t>(info[2].As<Napi::Number>().Int64Value());
  auto block = static_cast<uint64_t>(info[3].As<Napi::Number>().Int64Value());
  auto sums = info[4].As<Napi::Int32Array>();
  auto index = static_cast<size_t>(info[5].As<Napi::Number>().Int64Value());
  auto bytesLength = pool.ByteLength();
  if (buffer > bytesLength || lengthBytes > bytesLength - buffer || lengthBytes % sectorBytes != 0)
    throw Napi::RangeError::New(info.Env(), "blocks to hash lie in the pool and are made of sectors");
  if (index >= sums.ElementLength() / 2) throw Napi::RangeError::New(info.Env(), "no such sum");
  const uint8_t* bytes = pool.Data() + buffer;
  uint64_t sum;
  int32_t* place = sums.Data() + 2 * index;
  memcpy(&sum, place, sizeof sum);
  for (size_t at = 0; at < lengthBytes; at += blockBytes, block += 1)
    sum += hashBlock(hashLanes, bytes + at, lengthBytes - at < blockBytes ? lengthBytes - at : blockBytes, block);
  memcpy(place, &sum, sizeof sum);
  return info.Env().Undefined();
}

}  // namespace diskferry
