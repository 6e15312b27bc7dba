// The watchdog: a process of its own that lets a device go on which stays suspended. Whoever suspends a
// device-mapper device and is killed then leaves it frozen, with all that is written to it; nobody else would
// know.
//
// It is told by its parent, over its standard input, which device is about to be suspended and for how long
// at most. When that time has passed, or the parent's end of the pipe closes, it takes back the table that
// waits there and resumes the device, in this order: the device then goes on with its old table, or with the
// new one where the parent was faster. On a device that is not suspended this changes nothing.
//
// While a device is suspended any page of memory may be stuck behind it. So everything is locked and open
// before the first order is answered, nothing is allocated later, and nothing is said before the device runs
// again. Signals do not end it: only the end of its input does.
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

// As app/substitution/watchdog.ts has them.
enum : uint32_t { orderGuard = 1, orderRelease = 2 };
enum : uint32_t { answerGuarding = 1, answerReleased = 2, answerExpired = 3, answerFull = 4 };

struct Order {
  uint32_t kind;
  uint32_t limitMs;
  char name[DM_NAME_LEN];
};

struct Answer {
  uint32_t kind;
  char name[DM_NAME_LEN];
};

struct Guarded {
  bool isUsed;
  bool isExpired;
  int64_t deadlineMs;  // INT64_MAX when it has passed
  char name[DM_NAME_LEN];
};

std::array<Guarded, 64> guarded = {};
int control = -1;

[[noreturn]] void fail(const char* what) {
  fprintf(stderr, "diskferry-watchdog: %s: %s\n", what, strerror(errno));
  exit(1);
}

int64_t nowMs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

int command(unsigned long request, const char* name) {
  dm_ioctl message = {};
  message.version[0] = DM_VERSION_MAJOR;
  message.data_size = sizeof message;
  message.data_start = sizeof message;
  memcpy(message.name, name, DM_NAME_LEN);
  return ioctl(control, request, &message);
}

// Without flags DM_DEV_SUSPEND resumes.
void letGoOn(Guarded& device, const char* why) {
  device.isExpired = true;
  device.deadlineMs = INT64_MAX;
  bool runs = command(DM_TABLE_CLEAR, device.name) == 0 && command(DM_DEV_SUSPEND, device.name) == 0;
  fprintf(stderr, "diskferry-watchdog: %s: %s; %s\n", device.name, why,
          runs ? "it goes on with its old table" : strerror(errno));
}

Guarded* find(const char* name) {
  for (Guarded& device : guarded) {
    if (device.isUsed && strncmp(device.name, name, DM_NAME_LEN) == 0) return &device;
  }
  return nullptr;
}

uint32_t guard(const Order& order) {
  for (Guarded& device : guarded) {
    if (device.isUsed) continue;
    device = {true, false, nowMs() + order.limitMs, {}};
    memcpy(device.name, order.name, DM_NAME_LEN);
    return answerGuarding;
  }
  return answerFull;
}

uint32_t release(const Order& order) {
  Guarded* device = find(order.name);
  if (device == nullptr) return answerReleased;
  device->isUsed = false;
  return device->isExpired ? answerExpired : answerReleased;
}

void obey(Order& order) {
  order.name[DM_NAME_LEN - 1] = 0;
  Answer answer = {order.kind == orderGuard ? guard(order) : release(order), {}};
  memcpy(answer.name, order.name, DM_NAME_LEN);
  // Less than PIPE_BUF, so whole or not at all; a parent that has gone shows at the next read.
  if (write(STDOUT_FILENO, &answer, sizeof answer) == -1 && errno != EPIPE) fail("answering");
}

// Milliseconds for poll(2): -1 while no device is guarded.
int untilNextDeadline() {
  int64_t next = INT64_MAX;
  for (const Guarded& device : guarded) {
    if (device.isUsed && device.deadlineMs < next) next = device.deadlineMs;
  }
  if (next == INT64_MAX) return -1;
  int64_t restMs = next - nowMs();
  return restMs < 0 ? 0 : static_cast<int>(restMs);
}

void letExpiredGoOn() {
  for (Guarded& device : guarded) {
    if (device.isUsed && device.deadlineMs <= nowMs()) letGoOn(device, "has been suspended for too long");
  }
}

// False at the end of the input. An order may arrive in parts.
bool readOrders() {
  static Order order;
  static size_t have = 0;
  ssize_t count = read(STDIN_FILENO, reinterpret_cast<char*>(&order) + have, sizeof order - have);
  if (count == -1) fail("reading");
  have += static_cast<size_t>(count);
  if (have == sizeof order) {
    obey(order);
    have = 0;
  }
  return count > 0;
}

void harden() {
  for (int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE}) signal(number, SIG_IGN);
  int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (score == -1 || write(score, "-1000", 5) == -1) fail("/proc/self/oom_score_adj");
  close(score);
  // Memory that the kernel gives it must not come from writing to the very device.
  if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) == -1) fail("prctl(PR_SET_IO_FLUSHER)");
  static char buffer[BUFSIZ];
  setvbuf(stderr, buffer, _IOLBF, sizeof buffer);
  if (mlockall(MCL_CURRENT | MCL_FUTURE) == -1) fail("mlockall");
}

}  // namespace

int main() {
  control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
  if (control == -1) fail("/dev/mapper/control");
  harden();
  pollfd input = {STDIN_FILENO, POLLIN, 0};
  for (;;) {
    int ready = poll(&input, 1, untilNextDeadline());
    if (ready == -1) fail("poll");
    letExpiredGoOn();
    if (ready > 0 && !readOrders()) break;
  }
  for (Guarded& device : guarded) {
    if (device.isUsed && !device.isExpired) letGoOn(device, "whoever was changing its table has ended");
  }
  return 0;
}
