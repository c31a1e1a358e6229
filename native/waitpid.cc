#include "waitpid.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform.h"

#if FORKSNAP_USE_LINUX
#include <sys/syscall.h>
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#endif

namespace forksnap {

WaitStatus DecodeWaitStatus(int status) {
  WaitStatus result;
  if (WIFEXITED(status)) {
    result.exited = true;
    result.exit_code = WEXITSTATUS(status);
  } else if (WIFSIGNALED(status)) {
    result.signaled = true;
    result.signal = WTERMSIG(status);
#ifdef WCOREDUMP
    result.core_dumped = WCOREDUMP(status);
#endif
  }
  return result;
}

#if FORKSNAP_USE_LINUX

// The kernel sets FD_CLOEXEC on it.
int OpenPidfd(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

int SignalPidfd(int pidfd, int signal) {
  return static_cast<int>(syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0));
}

#else

int OpenPidfd(pid_t) {
  errno = ENOSYS;
  return -1;
}

int SignalPidfd(int, int) {
  errno = ENOSYS;
  return -1;
}

#endif

}  // namespace forksnap
