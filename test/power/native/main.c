// A file system in memory that forgets what was not synced, for tests of what a loss of power leaves:
//
//   forgetful-fs DIRECTORY
//
// mounts it there, in a mount namespace of its own, so that no mount can outlive this process: others reach the
// directory through /proc/PID/root. It prints "ready", then obeys lines from standard input and answers each with "ok":
//
//   cut SEED [NAMES DATA]   the power goes now. NAMES and DATA say what becomes of unsynced names and bytes:
//                           none, all, some, first or last (names only), or any of these, drawn from the seed (the
//                           default)
//   arm COUNT KINDS MORE SEED   the power goes at the COUNT-th request from now of these kinds, letters out of w
//   (writes),
//                           s (syncs) and n (names), or MORE requests of any kind after it; right before or right
//                           after that one is done. Then prints "cut"
//   on                      mounts what was kept
//   hold COUNT KINDS        stops before the COUNT-th request from now of these kinds and prints "held", so that
//   whoever
//                           asks for it can be killed right there
//   drop                    goes on without having done it
//
// After a cut every call on the mount fails with ENOTCONN. It ends when standard input does. With --check before the
// directory it only tells whether it can mount: exit code 0, or a reason on standard error.
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "disk.h"
#include "fuse.h"

enum { LINE_BYTES_MAX = 200 };

static const char* directory;
static int fuse_fd = -1;

static struct {
  uint64_t left;  // 0: not armed.
  int kinds;
  uint64_t more;
  bool holds;
  uint64_t seed;
} armed;

// The request that is held; 0: none is.
static uint64_t held_unique;

static void say(const char* line) {
  printf("%s\n", line);
  fflush(stdout);
}

static void mount_disk(void) {
  char options[100];
  fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (fuse_fd < 0) err(1, "cannot open /dev/fuse");
  snprintf(options, sizeof options, "fd=%d,rootmode=40700,user_id=%d,group_id=%d", fuse_fd, getuid(), getgid());
  if (mount("forgetful", directory, "fuse", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) != 0) {
    err(1, "cannot mount a FUSE file system");
  }
}

static void enter_namespace(void) {
  if (unshare(CLONE_NEWNS) != 0) err(1, "cannot have a mount namespace of its own");
  if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) err(1, "cannot keep its mounts to itself");
}

// Closing the device ends the connection: what is waiting for an answer gets an error, and so does all that follows.
static void cut(uint64_t seed, fate names_fate, fate data_fate) {
  if (fuse_fd < 0) return;
  disk_cut(seed, names_fate, data_fate);
  close(fuse_fd);
  fuse_fd = -1;
  held_unique = 0;
  armed.left = 0;
}

static void power_on(void) {
  if (fuse_fd >= 0) errx(1, "the power is on already");
  if (umount2(directory, MNT_DETACH) != 0) err(1, "cannot unmount %s", directory);
  mount_disk();
}

static fate fate_named(const char* name) {
  static const char* const fates[] = {"none", "all", "some", "first", "last", "any"};
  for (fate it = LOSE_ALL; it <= ANY_FATE; it++) {
    if (strcmp(name, fates[it]) == 0) return it;
  }
  errx(1, "what is left of unsynced changes is none, all, some, first, last or any, not %s", name);
}

static int kinds_named(const char* letters) {
  int kinds = 0;
  for (; *letters != '\0'; letters++) {
    kinds |= *letters == 'w' ? WRITES : *letters == 's' ? SYNCS : *letters == 'n' ? NAMES : 0;
  }
  return kinds;
}

static void arm(uint64_t count, const char* kinds, uint64_t more, bool holds, uint64_t seed) {
  armed.left = count;
  armed.kinds = kinds_named(kinds);
  armed.more = more;
  armed.holds = holds;
  armed.seed = seed;
}

static void obey(const char* line) {
  char names_fate[20] = "any", data_fate[20] = "any", kinds[20];
  unsigned long long seed, count, more;
  if (sscanf(line, "cut %llu %19s %19s", &seed, names_fate, data_fate) >= 1) {
    cut(seed, fate_named(names_fate), fate_named(data_fate));
  } else if (sscanf(line, "arm %llu %19s %llu %llu", &count, kinds, &more, &seed) == 4) {
    arm(count, kinds, more, false, seed);
  } else if (sscanf(line, "hold %llu %19s %llu", &count, kinds, &more) == 3) {
    arm(count, kinds, more, true, 0);
  } else if (strcmp(line, "drop") == 0) {
    if (held_unique == 0) errx(1, "no request is held");
    fuse_refuse(fuse_fd, held_unique);
    held_unique = 0;
  } else if (strcmp(line, "on") == 0) {
    power_on();
  } else {
    errx(1, "no such command: %s", line);
  }
  say("ok");
}

// Reads what there is of commands; false at the end of the input.
static bool obey_input(void) {
  static char input[LINE_BYTES_MAX];
  static size_t filled;
  ssize_t count = read(STDIN_FILENO, input + filled, sizeof input - filled);
  if (count <= 0) return false;
  filled += count;
  for (char* end; (end = memchr(input, '\n', filled)) != NULL;) {
    *end = '\0';
    obey(input);
    filled -= end + 1 - input;
    memmove(input, end + 1, filled);
  }
  if (filled == sizeof input) errx(1, "a command is longer than %d bytes", LINE_BYTES_MAX);
  return true;
}

static bool is_last(const void* request) {
  if (armed.left == 0 || (fuse_kind(request) & armed.kinds) == 0) return false;
  if (--armed.left > 0) return false;
  if (armed.more == 0) return true;
  armed.left = armed.more;
  armed.more = 0;
  armed.kinds = WRITES | SYNCS | NAMES;
  return false;
}

static void serve_request(void) {
  static char request[WRITE_BYTES_MAX + 8192] __attribute__((aligned(8)));
  ssize_t count = read(fuse_fd, request, sizeof request - 1);
  if (count < 0) {
    if (errno != EINTR && errno != EAGAIN && errno != ENOENT) err(1, "cannot read /dev/fuse");
    return;
  }
  request[count] = '\0';
  bool last = is_last(request);
  if (last && armed.holds) {
    held_unique = fuse_unique(request);
    say("held");
    return;
  }
  if (!last || armed.seed % 2 == 0) {
    if (!fuse_serve(fuse_fd, request)) err(1, "cannot answer a request");
  }
  if (!last) return;
  cut(armed.seed, ANY_FATE, ANY_FATE);
  say("cut");
}

int main(int argc, char** argv) {
  bool checks = argc == 3 && strcmp(argv[1], "--check") == 0;
  if (argc != 2 && !checks) errx(2, "usage: forgetful-fs [--check] DIRECTORY");
  // Ctrl-C is for whoever started this; when that ends, so does standard input.
  signal(SIGINT, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  directory = argv[argc - 1];
  disk_create(getuid(), getgid());
  enter_namespace();
  mount_disk();
  if (checks) return 0;
  say("ready");
  for (;;) {
    struct pollfd polled[] = {{STDIN_FILENO, POLLIN, 0}, {held_unique == 0 ? fuse_fd : -1, POLLIN, 0}};
    if (poll(polled, 2, -1) < 0 && errno != EINTR) err(1, "cannot wait");
    if (polled[0].revents != 0 && !obey_input()) break;
    if (fuse_fd >= 0 && held_unique == 0 && (polled[1].revents & POLLIN) != 0) serve_request();
  }
  // Whoever made the folder may be gone, and nothing is in it.
  umount2(directory, MNT_DETACH);
  rmdir(directory);
  return 0;
}
