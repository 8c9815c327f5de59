// SPDX-License-Identifier: Apache-2.0
// A disk whose flushes take longer, for any program that is linked dynamically: preloaded, it lets
// each fsync, fdatasync, syncfs and sync_file_range last a time longer, and each write to a
// descriptor that was opened with O_DSYNC or O_SYNC or that has RWF_DSYNC or RWF_SYNC. It counts
// them in a file that all its processes share. Flushes of several threads wait side by side, as at
// a disk that takes several at once.
//
//   LSMTPD_BENCH_DELAY_US=2000    the time that is added
//   LSMTPD_BENCH_COUNTS=FILE      has a number of 64 bits for each of `enum kind`
//
// It does not see flushes of io_uring, nor writes to a duplicate of such a descriptor.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(long) == 8, "offsets are passed to the kernel in one register");

enum kind { FSYNC, FDATASYNC, SYNCFS, RANGE, WRITE, KINDS };

#define EXPORT __attribute__((visibility("default")))
#define MOST_DESCRIPTORS (1 << 16)

static uint64_t unseen[KINDS];
static uint64_t* counts = unseen;
static struct timespec delay;
static unsigned char synchronous[MOST_DESCRIPTORS];

__attribute__((constructor)) static void begin(void) {
  const char* text = getenv("LSMTPD_BENCH_DELAY_US");
  const long us = text ? atol(text) : 0;
  delay.tv_sec = us / 1000000;
  delay.tv_nsec = us % 1000000 * 1000;
  text = getenv("LSMTPD_BENCH_COUNTS");
  const int fd = text ? (int)syscall(SYS_openat, AT_FDCWD, text, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void* shared = mmap(NULL, sizeof(unseen), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (shared != MAP_FAILED) counts = shared;
  syscall(SYS_close, fd);
}

static long flushed(enum kind kind, long result) {
  struct timespec left = delay;
  __atomic_fetch_add(&counts[kind], 1, __ATOMIC_RELAXED);
  if (result >= 0) {
    while (syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &left, &left) != 0 && errno == EINTR) {
    }
  }
  return result;
}

EXPORT int fsync(int fd) {
  return (int)flushed(FSYNC, syscall(SYS_fsync, fd));
}

EXPORT int fdatasync(int fd) {
  return (int)flushed(FDATASYNC, syscall(SYS_fdatasync, fd));
}

EXPORT int syncfs(int fd) {
  return (int)flushed(SYNCFS, syscall(SYS_syncfs, fd));
}

EXPORT int sync_file_range(int fd, off_t offset, off_t size, unsigned flags) {
  return (int)flushed(RANGE, syscall(SYS_sync_file_range, fd, offset, size, flags));
}

// Descriptors that were opened for synchronous writes.

static int opened(long fd, int flags) {
  if (fd >= 0 && fd < MOST_DESCRIPTORS) {
    __atomic_store_n(&synchronous[fd], (flags & O_DSYNC) != 0, __ATOMIC_RELAXED);
  }
  return (int)fd;
}

static int is_synchronous(int fd) {
  return fd >= 0 && fd < MOST_DESCRIPTORS && __atomic_load_n(&synchronous[fd], __ATOMIC_RELAXED);
}

static mode_t mode_of(int flags, va_list arguments) {
  return flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

EXPORT int openat(int folder, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return opened(syscall(SYS_openat, folder, path, flags, mode), flags);
}

EXPORT int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return opened(syscall(SYS_openat, AT_FDCWD, path, flags, mode), flags);
}

EXPORT int close(int fd) {
  opened(fd, 0);
  return (int)syscall(SYS_close, fd);
}

static ssize_t written(int fd, int flags, ssize_t result) {
  if (!is_synchronous(fd) && !(flags & (RWF_DSYNC | RWF_SYNC))) return result;
  return flushed(WRITE, result);
}

EXPORT ssize_t write(int fd, const void* data, size_t size) {
  return written(fd, 0, syscall(SYS_write, fd, data, size));
}

EXPORT ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return written(fd, 0, syscall(SYS_pwrite64, fd, data, size, offset));
}

EXPORT ssize_t writev(int fd, const struct iovec* pieces, int count) {
  return written(fd, 0, syscall(SYS_writev, fd, pieces, count));
}

EXPORT ssize_t pwritev(int fd, const struct iovec* pieces, int count, off_t offset) {
  return written(fd, 0, syscall(SYS_pwritev, fd, pieces, count, offset, 0));
}

EXPORT ssize_t pwritev2(int fd, const struct iovec* pieces, int count, off_t offset, int flags) {
  return written(fd, flags, syscall(SYS_pwritev2, fd, pieces, count, offset, 0, flags));
}

// Other names of these functions: offsets have 64 bits anyway, and _FORTIFY_SOURCE's have no mode.
#define ALIAS(name) EXPORT __attribute__((alias(name)))
ALIAS("open") int open64(const char* path, int flags, ...);
ALIAS("openat") int openat64(int folder, const char* path, int flags, ...);
ALIAS("pwrite") ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset);
ALIAS("pwritev") ssize_t pwritev64(int fd, const struct iovec* pieces, int count, off64_t offset);
ALIAS("pwritev2")
ssize_t pwritev64v2(int fd, const struct iovec* pieces, int count, off64_t offset, int flags);

EXPORT int __open_2(const char* path, int flags) {
  return open(path, flags);
}
EXPORT int __open64_2(const char* path, int flags) {
  return open(path, flags);
}
EXPORT int __openat_2(int folder, const char* path, int flags) {
  return openat(folder, path, flags);
}
EXPORT int __openat64_2(int folder, const char* path, int flags) {
  return openat(folder, path, flags);
}
