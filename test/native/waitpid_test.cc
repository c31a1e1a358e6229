// Decoding of wait statuses, and pidfds, with real children.
#include "waitpid.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

using forksnap::DecodeWaitStatus;
using forksnap::WaitStatus;

namespace {

// Forks a child that ends as `end` says, and decodes its status.
template <typename End>
WaitStatus StatusOf(End end) {
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    const rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    end();
    _exit(99);
  }
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  return DecodeWaitStatus(status);
}

}  // namespace

TEST(EveryExitCode) {
  for (const int code : {0, 1, 3, 127, 128, 255}) {
    const WaitStatus status = StatusOf([code] { _exit(code); });
    CHECK(status.exited);
    CHECK(!status.signaled);
    CHECK_EQ(status.exit_code, code);
    CHECK(!status.core_dumped);
  }
}

TEST(Signals) {
  for (const int number : {SIGKILL, SIGTERM, SIGSEGV, SIGABRT, SIGUSR1}) {
    const WaitStatus status = StatusOf([number] {
      // A sanitizer has handlers of its own for the fatal ones.
      signal(number, SIG_DFL);
      kill(getpid(), number);
    });
    CHECK(!status.exited);
    CHECK(status.signaled);
    CHECK_EQ(status.signal, number);
    CHECK_EQ(status.exit_code, -1);
    CHECK(!status.core_dumped);
  }
}

TEST(ACoreDumpIsToldApart) {
  // The kernel's encoding on Linux and macOS alike: bit 7 beside the signal. A real dump depends on the machine's
  // limits.
  const WaitStatus status = DecodeWaitStatus(SIGSEGV | 0x80);
  CHECK(status.signaled);
  CHECK(status.core_dumped);
  CHECK_EQ(status.signal, SIGSEGV);
}

TEST(AStoppedChildHasNotEnded) {
  const WaitStatus status = DecodeWaitStatus((SIGSTOP << 8) | 0x7f);
  CHECK(!status.exited);
  CHECK(!status.signaled);
}

#ifdef __linux__

TEST(APidfdTellsTheEndAndSendsSignals) {
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    for (;;) pause();
  }
  const int pidfd = forksnap::OpenPidfd(pid);
  CHECK(pidfd >= 0);
  pollfd poller = {pidfd, POLLIN, 0};
  CHECK_EQ(poll(&poller, 1, 0), 0);
  CHECK_EQ(forksnap::SignalPidfd(pidfd, SIGKILL), 0);
  CHECK_EQ(poll(&poller, 1, 30000), 1);
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, WNOHANG), pid);
  CHECK_EQ(DecodeWaitStatus(status).signal, SIGKILL);
  // Reaped: the descriptor stays and refuses, whoever has the number by now.
  CHECK_EQ(forksnap::SignalPidfd(pidfd, SIGKILL), -1);
  CHECK_EQ(errno, ESRCH);
  CHECK_EQ(close(pidfd), 0);
}

TEST(NoSuchProcessHasNoPidfd) {
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) _exit(0);
  CHECK_EQ(waitpid(pid, nullptr, 0), pid);
  CHECK_EQ(forksnap::OpenPidfd(pid), -1);
  CHECK_EQ(errno, ESRCH);
}

#endif

TEST_MAIN
