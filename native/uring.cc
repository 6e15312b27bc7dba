#include "uring.h"

#include <linux/time_types.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace diskferry {

namespace {

constexpr uint32_t completionsPerEntry = 4;
constexpr int64_t nsPerSecond = 1'000'000'000;

// Tried from the best to what every kernel with io_uring takes. DEFER_TASKRUN (6.1) does the work of
// completing within our own calls instead of interrupting them; COOP_TASKRUN (5.19) comes near; SUBMIT_ALL
// (5.18) goes on behind a bad entry.
constexpr uint32_t setupFlagSets[] = {
    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN,
    IORING_SETUP_SUBMIT_ALL,
    0,
};

// What the code below relies on: one mapping for both queues (5.4), no completion lost (5.5), a time limit
// for enter (5.11).
constexpr uint32_t neededFeatures = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;

// No IORING_SETUP_CLAMP: fewer entries than asked for would break the caller's count.
Fd setUp(uint32_t entries, uint32_t sizeFlag, io_uring_params& parameters) {
  for (uint32_t flags : setupFlagSets) {
    parameters = {};
    parameters.flags = flags | sizeFlag | IORING_SETUP_CQSIZE;
    parameters.cq_entries = entries * completionsPerEntry;
    int fd = static_cast<int>(syscall(__NR_io_uring_setup, entries, &parameters));
    if (fd >= 0) return Fd(fd);
    if (errno != EINVAL) break;
  }
  throw SystemError(errno, "io_uring_setup");
}

}  // namespace

Uring::Uring(uint32_t entries, EntrySize entrySize) : entryBytes_(static_cast<uint32_t>(entrySize)) {
  io_uring_params parameters = {};
  fd_ = setUp(entries, entrySize == EntrySize::wide ? IORING_SETUP_SQE128 : 0, parameters);
  if ((parameters.features & neededFeatures) != neededFeatures) {
    throw SystemError(ENOSYS, "io_uring_setup", "io_uring of a kernel before 5.11");
  }

  size_t submissionBytes = parameters.sq_off.array + parameters.sq_entries * sizeof(uint32_t);
  size_t completionBytes = parameters.cq_off.cqes + parameters.cq_entries * sizeof(io_uring_cqe);
  queues_ = Mapping(fd_.get(), IORING_OFF_SQ_RING, std::max(submissionBytes, completionBytes));
  entries_ = Mapping(fd_.get(), IORING_OFF_SQES, parameters.sq_entries * entryBytes_);

  submissionHead_ = queues_.at<uint32_t>(parameters.sq_off.head);
  submissionTail_ = queues_.at<uint32_t>(parameters.sq_off.tail);
  submissionMask_ = *queues_.at<uint32_t>(parameters.sq_off.ring_mask);
  completionHead_ = queues_.at<uint32_t>(parameters.cq_off.head);
  completionTail_ = queues_.at<uint32_t>(parameters.cq_off.tail);
  completionMask_ = *queues_.at<uint32_t>(parameters.cq_off.ring_mask);
  completions_ = queues_.at<io_uring_cqe>(parameters.cq_off.cqes);

  // The queue is a list of indexes of entries; each place keeps its own entry for good.
  auto* indexes = queues_.at<uint32_t>(parameters.sq_off.array);
  for (uint32_t index = 0; index < parameters.sq_entries; index += 1) indexes[index] = index;
}

// Heads and tails run freely through 32 bits; each is written by one side (release) and read by the other
// (acquire).
uint32_t Uring::pending() const {
  return *submissionTail_ - __atomic_load_n(submissionHead_, __ATOMIC_ACQUIRE);
}

io_uring_sqe& Uring::unpublished(uint32_t index) {
  uint32_t place = (*submissionTail_ + index) & submissionMask_;
  return *entries_.at<io_uring_sqe>(size_t{place} * entryBytes_);
}

void Uring::publish(uint32_t count) {
  __atomic_store_n(submissionTail_, *submissionTail_ + count, __ATOMIC_RELEASE);
}

// io_uring_enter(2). A number of entries taken hides what ended the wait, and fewer than asked for are not an
// error; so only the queues tell what happened. EBUSY: completions wait for room in their queue. EAGAIN: no
// memory for requests.
Uring::Entered Uring::enter(uint32_t minComplete, int64_t timeoutNs) {
  __kernel_timespec timeout = {timeoutNs / nsPerSecond, timeoutNs % nsPerSecond};
  io_uring_getevents_arg argument = {};
  argument.sigmask_sz = _NSIG / 8;
  argument.ts = timeoutNs < 0 ? 0 : reinterpret_cast<uint64_t>(&timeout);
  long taken = syscall(__NR_io_uring_enter, fd_.get(), pending(), minComplete,
                       IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
  if (taken >= 0 || errno == ETIME || errno == EINTR) return Entered::done;
  if (errno == EBUSY || errno == EAGAIN) return Entered::refused;
  throw SystemError(errno, "io_uring_enter");
}

const io_uring_cqe* Uring::completion() const {
  uint32_t head = *completionHead_;
  if (head == __atomic_load_n(completionTail_, __ATOMIC_ACQUIRE)) return nullptr;
  return &completions_[head & completionMask_];
}

void Uring::dropCompletion() { __atomic_store_n(completionHead_, *completionHead_ + 1, __ATOMIC_RELEASE); }

void Uring::registerFile(int fd) {
  long result = syscall(__NR_io_uring_register, fd_.get(), IORING_REGISTER_FILES, &fd, 1U);
  if (result < 0) throw SystemError(errno, "io_uring_register(FILES)");
}

}  // namespace diskferry
