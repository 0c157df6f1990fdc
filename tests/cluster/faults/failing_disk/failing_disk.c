// Preloaded into a head: syncs and writes of its ledger fail with EIO for as long as a file says so,
// as a disk does that is dying. TROUPE_FAILING_DISK names the file; it holds words: "sync",
// "write", and "head" for writes of a file's first two pages alone, where LMDB keeps its roots. Or the
// head is killed just "die-before" it writes a root, or "die-after": between commit and answer.
// The record of what was acknowledged is the test's; this only makes the disk bad.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static const off_t roots_end = 8192;

static int fails(int fd, const char* what) {
  const char* path = getenv("TROUPE_FAILING_DISK");
  if (path == NULL) return 0;
  int switch_fd = open(path, O_RDONLY | O_CLOEXEC);
  if (switch_fd < 0) return 0;
  char text[64] = "";
  ssize_t size = read(switch_fd, text, sizeof text - 1);
  close(switch_fd);
  if (size <= 0 || strstr(text, what) == NULL) return 0;
  char link[64], target[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, target, sizeof target - 1);
  if (length <= 0) return 0;
  target[length] = 0;
  return strstr(target, "/ledger/") != NULL;
}

int fdatasync(int fd) {
  static int (*real)(int);
  if (real == NULL) *(void**)&real = dlsym(RTLD_NEXT, "fdatasync");
  if (!fails(fd, "sync")) return real(fd);
  errno = EIO;
  return -1;
}

int fsync(int fd) {
  static int (*real)(int);
  if (real == NULL) *(void**)&real = dlsym(RTLD_NEXT, "fsync");
  if (!fails(fd, "sync")) return real(fd);
  errno = EIO;
  return -1;
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  static ssize_t (*real)(int, const void*, size_t, off_t);
  if (real == NULL) *(void**)&real = dlsym(RTLD_NEXT, "pwrite");
  int is_root = offset < roots_end;
  if (fails(fd, "write") || (is_root && fails(fd, "head"))) {
    errno = EIO;
    return -1;
  }
  if (is_root && fails(fd, "die-before")) raise(SIGKILL);
  ssize_t written = real(fd, bytes, size, offset);
  if (is_root && fails(fd, "die-after")) raise(SIGKILL);
  return written;
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  return pwrite(fd, bytes, size, offset);
}

ssize_t pwritev(int fd, const struct iovec* parts, int count, off_t offset) {
  static ssize_t (*real)(int, const struct iovec*, int, off_t);
  if (real == NULL) *(void**)&real = dlsym(RTLD_NEXT, "pwritev");
  if (!fails(fd, "write")) return real(fd, parts, count, offset);
  errno = EIO;
  return -1;
}
