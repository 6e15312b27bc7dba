#include "submission.h"

#include <cstring>
#include <stdexcept>
#include <string>

#include "uring.h"

namespace diskferry {

namespace {

uint64_t joined(uint32_t low, uint32_t high) { return uint64_t{high} << 32 | low; }

}  // namespace

uint8_t* poolAddress(const SubmissionMemory& memory, uint32_t buffer, uint32_t length) {
  if (uint64_t{buffer} + length > memory.poolBytes) {
    throw std::out_of_range("a buffer of " + std::to_string(length) + " bytes at " + std::to_string(buffer) +
                            " leaves the pool of " + std::to_string(memory.poolBytes) + " bytes");
  }
  return memory.pool + buffer;
}

namespace {

const iovec* vectorsOf(SubmissionMemory& memory, uint32_t first, uint32_t count) {
  if (uint64_t{first} + count > memory.vectors.size()) {
    throw std::out_of_range(std::to_string(count) + " vectors at " + std::to_string(first) +
                            " leave the array of " + std::to_string(memory.vectors.size()));
  }
  for (uint32_t index = first; index < first + count; index += 1) {
    const VectorPair& pair = memory.vectorPairs[index];
    memory.vectors[index] = {poolAddress(memory, pair.buffer, pair.length), pair.length};
  }
  return memory.vectors.data() + first;
}

// The 16 bytes that fit into a normal entry: two words of the caller's and the address of a buffer, which is
// how ublk's commands look (struct ublksrv_io_cmd).
void writeDriverCommand(const Submission& from, const SubmissionMemory& memory, io_uring_sqe& to) {
  uint64_t address = reinterpret_cast<uint64_t>(poolAddress(memory, from.buffer, from.length));
  auto* command = reinterpret_cast<uint8_t*>(&to) + driverCommandAt;
  memcpy(command, from.command, sizeof from.command);
  memcpy(command + sizeof from.command, &address, sizeof address);
}

// The fields each opcode reads: io_uring_enter(2), and the prep function of each in the kernel's io_uring/.
void translateOperation(const Submission& from, SubmissionMemory& memory, io_uring_sqe& to) {
  switch (to.opcode) {
    case IORING_OP_READ:
    case IORING_OP_WRITE:
    case IORING_OP_RECV:
      to.off = joined(from.offsetLow, from.offsetHigh);
      to.addr = reinterpret_cast<uint64_t>(poolAddress(memory, from.buffer, from.length));
      to.len = from.length;
      to.rw_flags = static_cast<int>(from.operationFlags);  // recv: msg_flags, the same field
      return;
    case IORING_OP_READV:
    case IORING_OP_WRITEV:
      to.off = joined(from.offsetLow, from.offsetHigh);
      to.addr = reinterpret_cast<uint64_t>(vectorsOf(memory, from.buffer, from.length));
      to.len = from.length;
      to.rw_flags = static_cast<int>(from.operationFlags);
      return;
    case IORING_OP_FSYNC:
      to.fsync_flags = from.operationFlags;
      return;
    case IORING_OP_POLL_ADD:
      to.poll32_events = from.operationFlags;
      return;
    case IORING_OP_ACCEPT:
      to.accept_flags = from.operationFlags;
      return;
    case IORING_OP_ASYNC_CANCEL:
      to.addr = from.buffer;
      return;
    case IORING_OP_FALLOCATE:
      to.off = joined(from.offsetLow, from.offsetHigh);
      to.addr = joined(from.rangeLow, from.rangeHigh);
      to.len = from.operationFlags;
      return;
    case driverCommandOpcode:
      to.off = from.operationFlags;
      writeDriverCommand(from, memory, to);
      return;
    default:
      throw std::out_of_range("unknown opcode " + std::to_string(to.opcode));
  }
}

}  // namespace

void translate(const Submission& from, SubmissionMemory& memory, io_uring_sqe& to) {
  to = {};
  to.opcode = static_cast<uint8_t>(from.opcode);
  to.fd = from.fd;
  to.user_data = from.tag;
  translateOperation(from, memory, to);
}

}  // namespace diskferry
