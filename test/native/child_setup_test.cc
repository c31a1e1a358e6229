// What a child is after its first steps. Each case forks, sets the child up and lets it report.
#include "child_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#ifdef __linux__
#include <sched.h>
#include <sys/prctl.h>
#endif

#include "check.h"

using forksnap::ChildSetup;
using forksnap::CurrentCpu;
using forksnap::LeaveCpu;
using forksnap::SetUpChild;
using forksnap::SignalBlock;

namespace {

ChildSetup Setup() {
  ChildSetup setup;
  setup.parent = getpid();
  return setup;
}

// Forks as the protocol does, with all signals blocked, sets the child up, and returns the wait status of what `look`
// does there: its answer is the exit code. A false answer of SetUpChild is exit code 200.
template <typename Look>
int StatusOf(const ChildSetup& setup, Look look) {
  pid_t pid = 0;
  {
    const SignalBlock block;
    pid = fork();
    if (pid == 0) {
      if (!SetUpChild(setup)) _exit(200);
      _exit(look());
    }
  }
  CHECK(pid > 0);
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  return status;
}

template <typename Look>
int CodeOf(const ChildSetup& setup, Look look) {
  const int status = StatusOf(setup, look);
  CHECK(WIFEXITED(status));
  return WEXITSTATUS(status);
}

bool IsNull(int fd) {
  struct stat here;
  struct stat null;
  return fstat(fd, &here) == 0 && stat("/dev/null", &null) == 0 && S_ISCHR(here.st_mode) &&
         here.st_rdev == null.st_rdev;
}

int handled = 0;
void Handler(int) { ++handled; }

}  // namespace

TEST(OwnProcessGroup) {
  CHECK_EQ(CodeOf(Setup(), [] { return getpgrp() == getpid() ? 0 : 1; }), 0);
}

TEST(HandlersOfTheParentDoNotRun) {
  struct sigaction before;
  struct sigaction action = {};
  action.sa_handler = Handler;
  CHECK_EQ(sigaction(SIGTERM, &action, &before), 0);
  const int status = StatusOf(Setup(), [] {
    kill(getpid(), SIGTERM);
    return 0;
  });
  CHECK_EQ(sigaction(SIGTERM, &before, nullptr), 0);
  CHECK(WIFSIGNALED(status));
  CHECK_EQ(WTERMSIG(status), SIGTERM);
  CHECK_EQ(handled, 0);
}

TEST(NothingIsBlockedAndPipeErrorsAreNoDeaths) {
  CHECK_EQ(CodeOf(Setup(),
                  [] {
                    sigset_t mask;
                    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
                    for (const int number : {SIGTERM, SIGINT, SIGUSR1, SIGCHLD}) {
                      if (sigismember(&mask, number)) return 1;
                    }
                    int ends[2];
                    if (pipe(ends) != 0 || close(ends[0]) != 0) return 2;
                    if (write(ends[1], "x", 1) != -1 || errno != EPIPE) return 3;
                    struct sigaction action;
                    sigaction(SIGXFSZ, nullptr, &action);
                    return action.sa_handler == SIG_IGN ? 0 : 4;
                  }),
           0);
}

TEST(SignalBlockRestoresTheMask) {
  sigset_t mask;
  {
    const SignalBlock block;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    CHECK_EQ(sigismember(&mask, SIGTERM), 1);
  }
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  CHECK_EQ(sigismember(&mask, SIGTERM), 0);
}

TEST(OnlyTheKeptDescriptorsStay) {
  int kept[2];
  int other[2];
  CHECK_EQ(pipe(kept), 0);
  CHECK_EQ(pipe(other), 0);
  ChildSetup setup = Setup();
  setup.keep_fds = {kept[1]};
  CHECK_EQ(CodeOf(setup,
                  [&] {
                    if (!IsNull(0) || !IsNull(1) || IsNull(2)) return 1;
                    if (!IsNull(other[0]) || !IsNull(other[1]) || !IsNull(kept[0])) return 2;
                    return write(kept[1], "slice", 5) == 5 ? 0 : 3;
                  }),
           0);
  char text[8] = {};
  CHECK_EQ(read(kept[0], text, sizeof text), 5);
  CHECK_EQ(std::string(text), "slice");
  // The child's end closed its copy of the other pipe, and so did the replacing: the parent holds the only one.
  CHECK_EQ(close(other[1]), 0);
  CHECK_EQ(read(other[0], text, sizeof text), 0);
  for (const int fd : {kept[0], kept[1], other[0]}) CHECK_EQ(close(fd), 0);
}

TEST(StdioStaysWhereItIsAskedFor) {
  ChildSetup setup = Setup();
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  const int saved = dup(1);
  CHECK_EQ(dup2(ends[1], 1), 1);
  setup.keep_stdio = true;
  const int code = CodeOf(setup, [] { return write(1, "kept", 4) == 4 ? 0 : 1; });
  CHECK_EQ(dup2(saved, 1), 1);
  CHECK_EQ(code, 0);
  char text[8] = {};
  CHECK_EQ(read(ends[0], text, sizeof text), 4);
  for (const int fd : {ends[0], ends[1], saved}) CHECK_EQ(close(fd), 0);
}

TEST(ClosedStdioIsFilled) {
  const int saved = dup(0);
  CHECK_EQ(close(0), 0);
  const int code = CodeOf(Setup(), [] { return IsNull(0) ? 0 : 1; });
  CHECK_EQ(dup2(saved, 0), 0);
  CHECK_EQ(close(saved), 0);
  CHECK_EQ(code, 0);
}

TEST(AChildOfAnotherParentMustNotGoOn) {
  ChildSetup setup = Setup();
  setup.parent = getppid();
  CHECK_EQ(CodeOf(setup, [] { return 0; }), 200);
}

TEST(CoresAreOffUnlessAsked) {
  const auto limit = [] {
    rlimit core;
    getrlimit(RLIMIT_CORE, &core);
    return core.rlim_cur == 0 ? 0 : 1;
  };
  CHECK_EQ(CodeOf(Setup(), limit), 0);
  rlimit before;
  CHECK_EQ(getrlimit(RLIMIT_CORE, &before), 0);
  if (before.rlim_max == 0) return;
  const rlimit some = {before.rlim_max, before.rlim_max};
  CHECK_EQ(setrlimit(RLIMIT_CORE, &some), 0);
  ChildSetup setup = Setup();
  setup.core_dump = true;
  CHECK_EQ(CodeOf(setup, limit), 1);
  CHECK_EQ(CodeOf(Setup(), limit), 0);
  CHECK_EQ(setrlimit(RLIMIT_CORE, &before), 0);
}

TEST(NiceIsAdded) {
  ChildSetup setup = Setup();
  setup.nice = 3;
  const int mine = getpriority(PRIO_PROCESS, 0);
  CHECK_EQ(CodeOf(setup, [&] { return getpriority(PRIO_PROCESS, 0) - mine; }), std::min(3, 19 - mine));
}

#ifdef __linux__

TEST(DiesWithTheParent) {
  // A parent of our own forks the child and is killed; its pipe closes only once the child, its last holder, is gone.
  int alive[2];
  CHECK_EQ(pipe(alive), 0);
  const pid_t parent = fork();
  CHECK(parent >= 0);
  if (parent == 0) {
    ChildSetup setup = Setup();
    setup.keep_fds = {alive[1]};
    if (fork() == 0) {
      if (!SetUpChild(setup)) _exit(200);
      if (write(alive[1], "x", 1) != 1) _exit(1);
      for (;;) pause();
    }
    for (;;) pause();
  }
  CHECK_EQ(close(alive[1]), 0);
  char byte = 0;
  CHECK_EQ(read(alive[0], &byte, 1), 1);
  CHECK_EQ(kill(parent, SIGKILL), 0);
  pollfd poller = {alive[0], POLLIN, 0};
  CHECK_EQ(poll(&poller, 1, 30000), 1);
  CHECK_EQ(read(alive[0], &byte, 1), 0);
  CHECK_EQ(waitpid(parent, nullptr, 0), parent);
  CHECK_EQ(close(alive[0]), 0);
}

TEST(AChildLeavesItsParentsProcessorAndMayComeBack) {
  cpu_set_t mine;
  CHECK_EQ(sched_getaffinity(0, sizeof mine, &mine), 0);
  auto same = [](const cpu_set_t& before) {
    cpu_set_t now;
    return sched_getaffinity(0, sizeof now, &now) == 0 && CPU_EQUAL(&now, &before);
  };
  if (CPU_COUNT(&mine) > 1) {
    // The scheduler may have moved the thread back by the time that it asks.
    bool moved = false;
    for (int i = 0; i < 1000 && !moved; ++i) {
      const int cpu = CurrentCpu();
      LeaveCpu(cpu);
      moved = CurrentCpu() != cpu;
    }
    CHECK(moved);
    CHECK(same(mine));
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(CurrentCpu(), &one);
  CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  LeaveCpu(CurrentCpu());
  CHECK(same(one));
  CHECK_EQ(sched_setaffinity(0, sizeof mine, &mine), 0);
}

TEST(TitleOomScoreAndCpus) {
  int score = 0;
  std::ifstream("/proc/self/oom_score_adj") >> score;
  cpu_set_t mine;
  CHECK_EQ(sched_getaffinity(0, sizeof mine, &mine), 0);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &mine)) ++cpu;
  ChildSetup setup = Setup();
  setup.title = "slice writer";
  setup.cpus = {cpu};
  CHECK_EQ(CodeOf(setup,
                  [&] {
                    char name[16] = {};
                    prctl(PR_GET_NAME, name);
                    if (std::string(name) != "slice writer") return 1;
                    int raised = 0;
                    std::ifstream("/proc/self/oom_score_adj") >> raised;
                    if (raised != std::min(1000, score + 500)) return 2;
                    cpu_set_t set;
                    sched_getaffinity(0, sizeof set, &set);
                    return CPU_COUNT(&set) == 1 && CPU_ISSET(cpu, &set) ? 0 : 3;
                  }),
           0);
  setup.oom_score_adj = 900;
  CHECK_EQ(CodeOf(setup,
                  [] {
                    int raised = 0;
                    std::ifstream("/proc/self/oom_score_adj") >> raised;
                    return raised == 900 ? 0 : 1;
                  }),
           0);
}

#endif

TEST_MAIN
