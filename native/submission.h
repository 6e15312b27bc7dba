// One prepared operation as JavaScript writes it, and its translation into the kernel's form.
//
// The words are those of the table in ring.ts: change both together. Nothing reaches the kernel whose memory
// is not inside the pool: a wrong offset throws here, before any entry of the same call is handed over.
#pragma once

#include <linux/io_uring.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace diskferry {

struct Submission {
  uint32_t opcode;
  int32_t fd;
  uint32_t operationFlags;  // driver's command: its number
  uint32_t offsetLow;
  uint32_t offsetHigh;
  uint32_t buffer;  // offset in the pool, or index of the first vector pair; cancel: the target's tag
  uint32_t length;  // bytes, or number of vectors
  uint32_t tag;
  uint32_t rangeLow;
  uint32_t rangeHigh;
  uint32_t command[2];
  uint32_t unused[4];
};
static_assert(sizeof(Submission) == 64, "submissionWords in ring.ts is 16");

struct VectorPair {
  uint32_t buffer;
  uint32_t length;
};

// What submissions refer to by number.
struct SubmissionMemory {
  uint8_t* pool;
  uint64_t poolBytes;
  const VectorPair* vectorPairs;
  // As many as there are vector pairs. The kernel reads them when it takes the entry
  // (IORING_FEAT_SUBMIT_STABLE).
  std::vector<iovec> vectors;
};

// The command of a driver (IORING_OP_URING_CMD, kernel >= 5.19), whose fields older headers lack: the opcode,
// and where the command's own bytes begin in an entry. Its number stands in the lower half of `off`.
constexpr uint8_t driverCommandOpcode = 46;
constexpr size_t driverCommandAt = 48;

// Where a buffer lies. Throws std::out_of_range unless all of it is inside the pool.
uint8_t* poolAddress(const SubmissionMemory& memory, uint32_t buffer, uint32_t length);

// Throws std::out_of_range for memory outside the pool and for an unknown opcode.
void translate(const Submission& from, SubmissionMemory& memory, io_uring_sqe& to);

}  // namespace diskferry
