/*
 * The least that a FUSE daemon with one file can do: reads give zeroes, writes are dropped. With a loop device on top it
 * is the ceiling for every daemon that stands in the same place and has disks to go to.
 *
 * null-fuse MOUNTPOINT SIZE_IN_BYTES; the mount point is a regular file. Serves with several threads until unmounted.
 */
#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fuse3/fuse_lowlevel.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { transfer_bytes_max = 1 << 20, background_max = 128 };

static const double attributes_valid_seconds = 1e6;
static const char zeroes[transfer_bytes_max];
static off_t size_bytes;

static void init(void *data, struct fuse_conn_info *connection) {
  (void)data;
  connection->want |= connection->capable & (FUSE_CAP_ASYNC_DIO | FUSE_CAP_ASYNC_READ);
  connection->max_write = transfer_bytes_max;
  connection->max_background = background_max;
  connection->congestion_threshold = background_max;
}

static void get_attributes(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file) {
  (void)file;
  struct stat attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.st_ino = inode;
  attributes.st_mode = S_IFREG | 0600;
  attributes.st_nlink = 1;
  attributes.st_size = size_bytes;
  attributes.st_blocks = size_bytes / 512;
  fuse_reply_attr(request, &attributes, attributes_valid_seconds);
}

static void open_file(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file) {
  (void)inode;
  file->direct_io = 1;
  fuse_reply_open(request, file);
}

static void read_file(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, struct fuse_file_info *file) {
  (void)inode, (void)offset, (void)file;
  fuse_reply_buf(request, zeroes, size < sizeof zeroes ? size : sizeof zeroes);
}

static void write_file(fuse_req_t request, fuse_ino_t inode, const char *data, size_t size, off_t offset,
                       struct fuse_file_info *file) {
  (void)inode, (void)data, (void)offset, (void)file;
  fuse_reply_write(request, size);
}

static void sync_file(fuse_req_t request, fuse_ino_t inode, int datasync, struct fuse_file_info *file) {
  (void)inode, (void)datasync, (void)file;
  fuse_reply_err(request, 0);
}

static const struct fuse_lowlevel_ops operations = {
    .init = init,
    .getattr = get_attributes,
    .open = open_file,
    .read = read_file,
    .write = write_file,
    .fsync = sync_file,
};

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  size_bytes = atoll(argv[2]);
  char *arguments[] = {argv[0], NULL};
  struct fuse_args options = FUSE_ARGS_INIT(1, arguments);
  struct fuse_session *session = fuse_session_new(&options, &operations, sizeof operations, NULL);
  if (session == NULL || fuse_session_mount(session, argv[1]) != 0) return 1;
  struct fuse_loop_config *loop = fuse_loop_cfg_create();
  int result = fuse_session_loop_mt(session, loop);
  fuse_loop_cfg_destroy(loop);
  fuse_session_unmount(session);
  fuse_session_destroy(session);
  return result == 0 ? 0 : 1;
}
