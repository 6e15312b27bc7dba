// diskferry-harden on|off PROGRAM [PARAMETER]...: becomes the program, which serves a volume (on) or is some user's
// (off: what is inherited from one that serves is taken back).
// diskferry-harden look USER GROUP PATH: says where the path leads, as that user may follow it.
// diskferry-harden claim PATH: says whether the block device can be claimed, by claiming it for a moment.
//
// The program stands in the kernel's write-back path. When it needs memory, the kernel must not write back to the very
// volume that it serves (PR_SET_IO_FLUSHER, prctl(2), kernel 5.6), nor choose it when memory is short. Both are
// inherited by every thread, and threads are there as soon as Node runs, so they are set before it does. Without
// the privilege everything works as well, less surely.
//
// Who looks for a user becomes no other program by it: so the kernel lets that user neither trace it nor read its memory
// (ptrace(2), "ptrace access mode checking"), and what it inherits from a service of root's, such as its
// place among the units and its limits, is never in the user's hands.
#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

// Newer than the headers of some systems that this is built on (linux/prctl.h).
#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

namespace {

void setOomScore(const char* value) {
  FILE* file = fopen("/proc/self/oom_score_adj", "we");
  if (file == nullptr) return;
  fputs(value, file);
  fclose(file);
}

int becomeProgram(bool isOn, char** words) {
  prctl(PR_SET_IO_FLUSHER, isOn ? 1UL : 0UL, 0UL, 0UL, 0UL);
  setOomScore(isOn ? "-1000" : "0");
  execv(words[0], words);
  perror(words[0]);
  return 127;
}

// Both are decimal numbers; 0 would be no other user.
bool becomeUser(const char* user, const char* group) {
  uid_t userId = static_cast<uid_t>(strtoul(user, nullptr, 10));
  gid_t groupId = static_cast<gid_t>(strtoul(group, nullptr, 10));
  if (userId == 0) return false;
  if (setgroups(0, nullptr) != 0 || setresgid(groupId, groupId, groupId) != 0) return false;
  if (setresuid(userId, userId, userId) != 0) return false;
  // Where the system lets all processes be dumped (fs.suid_dumpable), not this one.
  return prctl(PR_SET_DUMPABLE, 0UL, 0UL, 0UL, 0UL) == 0;
}

// One line for named-path.ts. Creates and opens nothing.
int lookAsUser(const char* user, const char* group, const char* path) {
  setOomScore("0");
  if (!becomeUser(user, group)) {
    perror("diskferry-harden look");
    return 1;
  }
  struct stat found = {};
  if (stat(path, &found) != 0)
    printf("refused %d\n", errno);
  else if (S_ISBLK(found.st_mode))
    printf("block %u:%u\n", major(found.st_rdev), minor(found.st_rdev));
  else
    printf("%s\n", S_ISREG(found.st_mode) ? "file" : "other");
  return 0;
}

// One line for exclusive-open.ts. The open may wait for a sick disk: that is why it is done here.
int claim(const char* path) {
  setOomScore("0");
  const int fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
  printf("%d\n", fd < 0 ? errno : 0);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count == 5 && strcmp(words[1], "look") == 0) return lookAsUser(words[2], words[3], words[4]);
  if (count == 3 && strcmp(words[1], "claim") == 0) return claim(words[2]);
  if (count < 3 || (strcmp(words[1], "on") != 0 && strcmp(words[1], "off") != 0)) {
    fputs("usage: diskferry-harden on|off PROGRAM [PARAMETER]...\n", stderr);
    fputs("       diskferry-harden look USER GROUP PATH\n", stderr);
    fputs("       diskferry-harden claim PATH\n", stderr);
    return 2;
  }
  return becomeProgram(strcmp(words[1], "on") == 0, words + 2);
}
