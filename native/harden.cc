// diskferry-harden on|off PROGRAM [PARAMETER]...: becomes the program, which serves a volume (on) or is some user's
// (off: what is inherited from one that serves is taken back).
//
// The program stands in the kernel's write-back path. When it needs memory, the kernel must not write back to the very
// volume that it serves (PR_SET_IO_FLUSHER, prctl(2), kernel 5.6), nor choose it when memory is short. Both are
// inherited by every thread, and threads are there as soon as Node runs, so they are set before it does. Without
// the privilege everything works as well, less surely.
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
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

}  // namespace

int main(int count, char** words) {
  if (count < 3) {
    fputs("usage: diskferry-harden on|off PROGRAM [PARAMETER]...\n", stderr);
    return 2;
  }
  bool isOn = strcmp(words[1], "on") == 0;
  prctl(PR_SET_IO_FLUSHER, isOn ? 1UL : 0UL, 0UL, 0UL, 0UL);
  setOomScore(isOn ? "-1000" : "0");
  execv(words[2], words + 2);
  perror(words[2]);
  return 127;
}
