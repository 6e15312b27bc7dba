// The kernel's side of io_uring without liburing: set-up, the two shared queues, and io_uring_enter(2).
//
// Always holds: an entry that was published stays in the submission queue until the kernel takes it, so that
// nothing is lost or handed over twice however often a call is interrupted or refused. One thread only: the
// one that constructs.
#pragma once

#include <linux/io_uring.h>

#include <cstdint>

#include "fd.h"
#include "mapping.h"

// Newer than the headers of some systems that the addon is built on (linux/io_uring.h).
#ifndef IORING_SETUP_SUBMIT_ALL
#define IORING_SETUP_SUBMIT_ALL (1U << 7)
#endif
#ifndef IORING_SETUP_SQE128
#define IORING_SETUP_SQE128 (1U << 10)
#endif
#ifndef IORING_SETUP_COOP_TASKRUN
#define IORING_SETUP_COOP_TASKRUN (1U << 8)
#endif
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

namespace diskferry {

class Uring {
 public:
  // Wide entries have 80 bytes for a driver's command instead of 16 (IORING_SETUP_SQE128, kernel >= 5.19).
  enum class EntrySize : uint32_t { normal = 64, wide = 128 };

  // Room for `entries` submissions and four times as many completions.
  explicit Uring(uint32_t entries, EntrySize entrySize = EntrySize::normal);

  // The one fixed file (IORING_REGISTER_FILES).
  void registerFile(int fd);

  // How many entries are published and not yet taken by the kernel.
  uint32_t pending() const;
  // The `index`th entry behind the published ones; the kernel does not see it before `publish`.
  io_uring_sqe& unpublished(uint32_t index);
  void publish(uint32_t count);

  enum class Entered { done, refused };
  // Hands over what is published and waits for `minComplete` completions in the queue, at most `timeoutNs`
  // (negative: without limit). May return early: the caller looks at the queues and calls again. `refused`:
  // the kernel took nothing for now, because memory or room for completions is short.
  Entered enter(uint32_t minComplete, int64_t timeoutNs);

  // The oldest completion, or nullptr; `dropCompletion` makes its place free.
  const io_uring_cqe* completion() const;
  void dropCompletion();

  // Another descriptor of the ring, which lives on in it.
  Fd duplicate() const { return Fd::duplicateOf(fd_.get()); }

 private:
  Fd fd_;
  Mapping queues_;
  Mapping entries_;
  uint32_t* submissionHead_ = nullptr;
  uint32_t* submissionTail_ = nullptr;
  uint32_t submissionMask_ = 0;
  uint32_t entryBytes_;
  uint32_t* completionHead_ = nullptr;
  uint32_t* completionTail_ = nullptr;
  uint32_t completionMask_ = 0;
  const io_uring_cqe* completions_ = nullptr;
};

}  // namespace diskferry
