// Lets user-mode Linux 6.1 run on processors with AMX. It keeps a guest process's vector registers in a
// buffer of 2696 bytes (AVX-512 with protection keys), reads them by PTRACE_GETREGSET, and writes the same
// bytes back by PTRACE_SETREGSET; hosts since 5.16 refuse to write anything but the whole state (EFAULT),
// which AMX makes 11008 bytes long. Its guest then dies before init's first instruction.
//
// Preloaded into linux.uml (LD_PRELOAD), this writes the whole state: the guest's bytes, and initial values
// for the rest. A guest cannot use the rest: that takes arch_prctl(ARCH_REQ_XCOMP_PERM), which user-mode
// Linux lacks.
#include <elf.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

// Intel's manual, volume 1, chapter 13: of all states that the kernel may give to a process today.
enum { wholeBytesMax = 16384, xstateBvAt = 512 };
// Which parts the header marks as used: x87, SSE, AVX, MPX (2), AVX-512 (3), and protection keys.
static const uint64_t partsOfGuest = 0x2ff;

static long setOrGet(long request, pid_t process, const struct iovec *state) {
  return syscall(SYS_ptrace, request, process, (void *)NT_X86_XSTATE, state);
}

// The kernel tells the size: how much of a large buffer it fills.
static size_t wholeBytes(pid_t process) {
  static size_t known;
  if (known == 0) {
    static char state[wholeBytesMax];
    struct iovec whole = {state, sizeof state};
    if (setOrGet(PTRACE_GETREGSET, process, &whole) == 0) known = whole.iov_len;
  }
  return known;
}

static long setWhole(pid_t process, const struct iovec *part) {
  static _Alignas(64) char state[wholeBytesMax];
  struct iovec whole = {state, wholeBytes(process)};
  if (whole.iov_len <= part->iov_len) return setOrGet(PTRACE_SETREGSET, process, part);
  memset(state, 0, whole.iov_len);
  memcpy(state, part->iov_base, part->iov_len);
  uint64_t used;
  memcpy(&used, state + xstateBvAt, sizeof used);
  used &= partsOfGuest;
  memcpy(state + xstateBvAt, &used, sizeof used);
  return setOrGet(PTRACE_SETREGSET, process, &whole);
}

// As in glibc: requests that read return what they read, not through the last parameter.
long ptrace(enum __ptrace_request request, ...) {
  va_list list;
  va_start(list, request);
  pid_t process = va_arg(list, pid_t);
  void *address = va_arg(list, void *);
  void *data = va_arg(list, void *);
  va_end(list);
  if (request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE) return setWhole(process, data);
  long peeked = 0;
  int isPeek = request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER;
  long result = syscall(SYS_ptrace, request, process, address, isPeek ? &peeked : data);
  return isPeek && result == 0 ? peeked : result;
}
