#include "child_setup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>

#include "platform.h"

#if FORKSNAP_USE_LINUX
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

namespace forksnap {

SignalBlock::SignalBlock() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before_);
}

SignalBlock::~SignalBlock() {
  if (!abandoned_) pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

#if FORKSNAP_USE_LINUX

int CurrentCpu() { return sched_getcpu(); }

void LeaveCpu(int cpu) {
  cpu_set_t allowed;
  // It fails where there are more processors than the set can name; then the child stays.
  if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t others = allowed;
  CPU_CLR(cpu, &others);
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0) return;
  sched_setaffinity(0, sizeof allowed, &allowed);
}

#else

int CurrentCpu() { return -1; }
void LeaveCpu(int) {}

#endif

namespace {

// What the child goes on ignoring. SIGPIPE and SIGXFSZ as Node has them: EPIPE and EFBIG are errors to report, not
// deaths. SIGTTOU, since a background group that writes to its terminal may be stopped by it, for ever.
bool StaysIgnored(int signal) { return signal == SIGPIPE || signal == SIGXFSZ || signal == SIGTTOU; }

void Handle(int signal, void (*handler)(int)) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  sigaction(signal, &action, nullptr);
}

// Until it had left the group, the child may have got the Ctrl-C that was meant for the parent. What a terminal sends
// comes from the kernel; what somebody sent to the child is put back, and takes effect when signals are unblocked.
void DropTerminalSignals() {
#if FORKSNAP_USE_LINUX
  sigset_t terminal;
  sigemptyset(&terminal);
  for (const int signal : {SIGINT, SIGQUIT, SIGHUP, SIGTSTP}) sigaddset(&terminal, signal);
  const timespec at_once = {0, 0};
  std::vector<int> meant;
  siginfo_t info;
  while (sigtimedwait(&terminal, &info, &at_once) > 0) {
    if (info.si_code != SI_KERNEL) meant.push_back(info.si_signo);
  }
  for (const int signal : meant) kill(getpid(), signal);
#endif
}

// libuv's handlers write into a pipe that the parent reads: a signal meant for the child would fire the parent's
// listeners.
void ResetSignals() {
  for (int signal = 1; signal < NSIG; ++signal) Handle(signal, StaysIgnored(signal) ? SIG_IGN : SIG_DFL);
  DropTerminalSignals();
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

#if !FORKSNAP_USE_LINUX
// How long an orphan lives at most.
constexpr int kParentLookSeconds = 1;
pid_t watched_parent = 0;

void LookForParent(int) {
  if (getppid() != watched_parent) ExitOrphan();
}

// Without a death signal a child whose writer never ends would outlive its parent for ever, with nobody left to kill
// it.
void WatchParent(pid_t parent) {
  watched_parent = parent;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = LookForParent;
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  const itimerval each = {{kParentLookSeconds, 0}, {kParentLookSeconds, 0}};
  setitimer(ITIMER_REAL, &each, nullptr);
}
#endif

// The death signal is tied to the parent's forking thread, which is its main thread. The comparison afterwards covers
// a parent that died before the call.
bool DieWithParent(pid_t parent) {
#if FORKSNAP_USE_LINUX
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#else
  WatchParent(parent);
#endif
  return getppid() == parent;
}

bool Keeps(const ChildSetup& setup, int fd) {
  if (fd == 2 || (setup.keep_stdio && fd >= 0 && fd <= 2)) return true;
  return std::find(setup.keep_fds.begin(), setup.keep_fds.end(), fd) != setup.keep_fds.end();
}

// /dev/null takes the place of every descriptor instead of a mere close: garbage collection in the child may run the
// finalizer of one of the parent's FileHandles, which closes its number, whatever stands there by then.
bool ReplaceDescriptors(const ChildSetup& setup) {
  const int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null_fd < 0) return false;
#if FORKSNAP_USE_LINUX
  const char* list = "/proc/self/fd";
#else
  const char* list = "/dev/fd";
#endif
  DIR* directory = opendir(list);
  if (directory == nullptr) {
    close(null_fd);
    return false;
  }
  bool replaced = true;
  while (const dirent* entry = readdir(directory)) {
    char* rest = nullptr;
    const long fd = strtol(entry->d_name, &rest, 10);
    if (rest == entry->d_name || *rest != '\0') continue;
    if (fd == null_fd || fd == dirfd(directory) || Keeps(setup, static_cast<int>(fd))) continue;
      // 0 and 1 must survive an exec by the writer like anybody's; the others must not.
#if FORKSNAP_USE_LINUX
    const bool stands = dup3(null_fd, static_cast<int>(fd), fd > 2 ? O_CLOEXEC : 0) >= 0;
#else
    const bool stands = dup2(null_fd, static_cast<int>(fd)) >= 0;
    if (stands && fd > 2) fcntl(static_cast<int>(fd), F_SETFD, FD_CLOEXEC);
#endif
    // Nobody can take a number that is beyond the limit by now, so there it is enough to close.
    if (!stands && (errno != EBADF || close(static_cast<int>(fd)) != 0)) replaced = false;
  }
  closedir(directory);
  // A process that was started with 0, 1 or 2 closed must not hand those numbers to the child's next open().
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) dup2(null_fd, fd);
  }
  if (null_fd > 2) close(null_fd);
  return replaced;
}

#if FORKSNAP_USE_LINUX

void RaiseOomScore(int score) {
  const int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  if (score < -1000) {
    char text[16] = {0};
    const ssize_t length = read(fd, text, sizeof text - 1);
    score = std::min(1000, (length > 0 ? atoi(text) : 0) + 500);
    lseek(fd, 0, SEEK_SET);
  }
  char text[16];
  const int length = snprintf(text, sizeof text, "%d\n", score);
  if (write(fd, text, static_cast<size_t>(length)) < 0) {
    // Lowering needs a privilege; a child at the parent's score is no reason to have no snapshot.
  }
  close(fd);
}

void SetPriorities(const ChildSetup& setup) {
  constexpr int kWhoProcess = 1;
  if (setup.idle) {
    const sched_param none = {};
    sched_setscheduler(0, SCHED_IDLE, &none);
  }
  if (setup.io_priority >= 0) syscall(SYS_ioprio_set, kWhoProcess, 0, setup.io_priority);
  if (!setup.cpus.empty()) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int cpu : setup.cpus) {
      if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_SET(cpu, &set);
    }
    sched_setaffinity(0, sizeof set, &set);
  }
  RaiseOomScore(setup.oom_score_adj);
  prctl(PR_SET_NAME, setup.title.c_str());
}

#else

void SetPriorities(const ChildSetup&) {}

#endif

void LimitCore(bool allowed) {
  if (allowed) return;
  const rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
#if FORKSNAP_USE_LINUX
  // With a core_pattern that pipes, the limit alone does not count.
  prctl(PR_SET_DUMPABLE, 0);
#endif
}

}  // namespace

void ExitOrphan() {
  static constexpr char kGone[] = "forksnap: the parent has gone before its child's end; nothing was published\n";
  if (write(STDERR_FILENO, kGone, sizeof kGone - 1) < 0) {
    // Nobody is left to be told.
  }
  _exit(kExitBroken);
}

bool SetUpChild(const ChildSetup& setup) {
  // Ctrl-C goes to the whole process group; the last snapshot of a shutdown must outlive it.
  setpgid(0, 0);
  ResetSignals();
  if (!DieWithParent(setup.parent)) return false;
  if (!ReplaceDescriptors(setup)) return false;
  SetPriorities(setup);
  if (setup.nice > 0) {
    errno = 0;
    if (nice(setup.nice) == -1 && errno != 0) {
      // A child at the parent's priority is no reason to have no snapshot.
    }
  }
  LimitCore(setup.core_dump);
  return true;
}

}  // namespace forksnap
