// Preloaded into a program (LD_PRELOAD), lets one of its device-mapper ioctls fail, before the kernel hears of
// it. The product has no such switch.
//
// The file that DEVICE_MAPPER_FAULT names says which: while it holds two numbers N and E, the Nth ioctl from now
// on, with the errno E. What is left to count is written back to it, and in the end the name of the one that has failed. Without the
// file, or with a name in it, everything passes. Only the program that DEVICE_MAPPER_FAULT_PROGRAM names is
// concerned, in however many processes: not what it starts otherwise, such as LVM's.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/dm-ioctl.h>
#include <linux/ioctl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;

static int isConcerned;

__attribute__((constructor)) static void findProgram(void) {
  char path[PATH_MAX] = "";
  const char *program = getenv("DEVICE_MAPPER_FAULT_PROGRAM");
  isConcerned = program != NULL && readlink("/proc/self/exe", path, sizeof path - 1) > 0 && strcmp(path, program) == 0;
}

static const char *nameOf(unsigned long request, const struct dm_ioctl *message) {
  switch (request) {
    case DM_DEV_CREATE: return "create";
    case DM_DEV_REMOVE: return "remove";
    case DM_DEV_SUSPEND: return message->flags & DM_SUSPEND_FLAG ? "suspend" : "resume";
    case DM_DEV_STATUS: return "info";
    case DM_TABLE_LOAD: return "load";
    case DM_TABLE_CLEAR: return "clear";
    case DM_TABLE_DEPS: return "dependencies";
    case DM_TABLE_STATUS: return "table";
    default: return "another";
  }
}

// Returns the errno; 0: it is passed on.
static int errnoOf(const char *name) {
  const char *path = getenv("DEVICE_MAPPER_FAULT");
  int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (file == -1) return 0;
  char text[32] = "";
  char *rest = text;
  long left = pread(file, text, sizeof text - 1, 0) > 0 ? strtol(text, &rest, 10) : 0;
  long error = strtol(rest, NULL, 10);
  if (left > 0) {
    int length = left == 1 ? snprintf(text, sizeof text, "%s", name)
                           : snprintf(text, sizeof text, "%ld %ld", left - 1, error);
    if (ftruncate(file, 0) == -1 || pwrite(file, text, (size_t)length, 0) != length) abort();
  }
  close(file);
  return left == 1 ? (int)error : 0;
}

int ioctl(int fd, unsigned long request, ...) {
  va_list more;
  va_start(more, request);
  void *parameter = va_arg(more, void *);
  va_end(more);
  if (isConcerned && _IOC_TYPE(request) == DM_IOCTL) {
    pthread_mutex_lock(&one);
    int error = errnoOf(nameOf(request, parameter));
    pthread_mutex_unlock(&one);
    if (error != 0) {
      errno = error;
      return -1;
    }
  }
  return (int)syscall(SYS_ioctl, fd, request, parameter);
}
