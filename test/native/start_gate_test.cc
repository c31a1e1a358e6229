// The gate before a new child, with real children.
#include "start_gate.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>

#include "check.h"

using forksnap::StartGate;

namespace {

// So long that a test which waits for it in earnest is ended as one that hangs.
constexpr auto kLong = std::chrono::minutes(10);

std::atomic<int>* SharedNumber() {
  void* memory = mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  return new (memory) std::atomic<int>(0);
}

// Whether the child sleeps in a system call; false once it has ended.
bool ComesToRest(pid_t pid) {
  for (;;) {
    siginfo_t info = {};
    CHECK_EQ(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT), 0);
    if (info.si_pid != 0) return false;
    std::ifstream file("/proc/" + std::to_string(pid) + "/syscall");
    std::string first;
    if (file >> first && first != "running") return true;
    sched_yield();
  }
}

int StatusOf(pid_t pid) {
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  return status;
}

}  // namespace

TEST(AChildWaitsUntilTheGateIsOpened) {
  std::atomic<int>* number = SharedNumber();
  // Several, since the gate is one and the same for all children of a process.
  for (int round = 1; round <= 3; ++round) {
    StartGate::Get().Shut();
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
      StartGate::Get().Await(kLong);
      _exit(number->load() == round ? 0 : 1);
    }
    CHECK(ComesToRest(pid));
    number->store(round);
    StartGate::Get().Open();
    CHECK_EQ(StatusOf(pid), 0);
  }
}

TEST(AnOpenGateLetsThrough) {
  StartGate::Get().Shut();
  StartGate::Get().Open();
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    StartGate::Get().Await(kLong);
    _exit(0);
  }
  CHECK_EQ(StatusOf(pid), 0);
}

TEST(AGateThatStaysShutIsLeftAfterAWhile) {
  StartGate::Get().Shut();
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    StartGate::Get().Await(std::chrono::milliseconds(1));
    _exit(0);
  }
  CHECK_EQ(StatusOf(pid), 0);
}

TEST_MAIN
