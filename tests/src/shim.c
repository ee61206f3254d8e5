/* Between a program and the system, by LD_PRELOAD: another time of day, and death at a chosen system call. See shim.rs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define LONG_PATH 1024

/* Milliseconds that the time of day is ahead, in a file that others write. */
static volatile int64_t *ahead_ms;
static int trace = -1;
/* "before", "after" or "half", of which call, the how manieth, of a path that has this in it. */
static char how[8], call_wanted[16], path_wanted[LONG_PATH];
static long nth_wanted, nth;

static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
  const char *clock = getenv("SHIM_CLOCK"), *log = getenv("SHIM_TRACE"), *kill = getenv("SHIM_KILL");
  real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
  if (clock) {
    int fd = open(clock, O_RDONLY | O_CLOEXEC);
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead_ms, PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED) ahead_ms = page;
    if (fd >= 0) close(fd);
  }
  if (log) trace = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (kill && sscanf(kill, "%7s %15s %ld %1023[^\n]", how, call_wanted, &nth_wanted, path_wanted) != 4) abort();
  /* What it starts is left alone. */
  unsetenv("LD_PRELOAD");
}

int clock_gettime(clockid_t id, struct timespec *at) {
  int result = real_clock_gettime ? real_clock_gettime(id, at) : (int)syscall(SYS_clock_gettime, id, at);
  if (result == 0 && ahead_ms && id == CLOCK_REALTIME) {
    int64_t ms = *ahead_ms, ns = at->tv_nsec + ms % 1000 * 1000000;
    at->tv_sec += ms / 1000;
    if (ns < 0) at->tv_sec--, ns += 1000000000;
    if (ns >= 1000000000) at->tv_sec++, ns -= 1000000000;
    at->tv_nsec = ns;
  }
  return result;
}

static int is_watched(void) { return trace >= 0 || nth_wanted > 0; }

/* Is it now? */
static int strikes(const char *call, const char *path) {
  if (trace >= 0) {
    char line[LONG_PATH + 32];
    int length = snprintf(line, sizeof line, "%s %s\n", call, path);
    if (length > 0 && length < (int)sizeof line) syscall(SYS_write, trace, line, length);
  }
  if (nth_wanted == 0 || strcmp(call, call_wanted) != 0 || !strstr(path, path_wanted)) return 0;
  return __atomic_add_fetch(&nth, 1, __ATOMIC_SEQ_CST) == nth_wanted;
}

static void die(void) {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

/* The file behind a descriptor; nothing for pipes and sockets. */
static int path_of(int fd, char *path) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, LONG_PATH - 1);
  if (length <= 0 || path[0] != '/') return 0;
  path[length] = 0;
  return strncmp(path, "/proc/", 6) != 0 && strncmp(path, "/dev/", 5) != 0;
}

#define REAL(type, name) \
  static type real; \
  if (!real) real = (type)dlsym(RTLD_NEXT, #name)

#define AROUND(name, path, made) \
  do { \
    int now = strikes(name, path); \
    if (now && how[0] == 'b') die(); \
    result = made; \
    if (now) die(); \
  } while (0)

#define OF_A_FILE(name) \
  typedef int (*called)(int); \
  REAL(called, name); \
  char path[LONG_PATH]; \
  int result; \
  if (!is_watched() || !path_of(fd, path)) return real(fd); \
  AROUND(#name, path, real(fd)); \
  return result;

int fsync(int fd) { OF_A_FILE(fsync) }
int fdatasync(int fd) { OF_A_FILE(fdatasync) }

typedef int (*by_fd_and_length)(int, off_t);

int ftruncate64(int fd, off_t length) {
  REAL(by_fd_and_length, ftruncate64);
  char path[LONG_PATH];
  int result;
  if (!is_watched() || !path_of(fd, path)) return real(fd, length);
  AROUND("ftruncate", path, real(fd, length));
  return result;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int rename(const char *from, const char *to) {
  typedef int (*called)(const char *, const char *);
  REAL(called, rename);
  int result;
  if (!is_watched()) return real(from, to);
  AROUND("rename", to, real(from, to));
  return result;
}

int unlink(const char *path) {
  typedef int (*called)(const char *);
  REAL(called, unlink);
  int result;
  if (!is_watched()) return real(path);
  AROUND("unlink", path, real(path));
  return result;
}

ssize_t write(int fd, const void *bytes, size_t count) {
  char path[LONG_PATH];
  if (!is_watched() || !path_of(fd, path)) return syscall(SYS_write, fd, bytes, count);
  int now = strikes("write", path);
  if (now && how[0] == 'b') die();
  if (now && how[0] == 'h') syscall(SYS_write, fd, bytes, count / 2);
  ssize_t result = now && how[0] == 'h' ? -1 : syscall(SYS_write, fd, bytes, count);
  if (now) die();
  return result;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) {
  char path[LONG_PATH];
  if (!is_watched() || !path_of(fd, path)) return syscall(SYS_pwrite64, fd, bytes, count, at);
  int now = strikes("pwrite", path);
  if (now && how[0] == 'b') die();
  if (now && how[0] == 'h') syscall(SYS_pwrite64, fd, bytes, count / 2, at);
  ssize_t result = now && how[0] == 'h' ? -1 : syscall(SYS_pwrite64, fd, bytes, count, at);
  if (now) die();
  return result;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return pwrite64(fd, bytes, count, at); }
