// The child's first steps, in native code before any JavaScript runs there. System calls and memory only: of the
// libraries' locks, only malloc's are known to be free after a fork (the C library sees to them).
#ifndef FORKSNAP_CHILD_SETUP_H_
#define FORKSNAP_CHILD_SETUP_H_

#include <signal.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace forksnap {

// EX_SOFTWARE of sysexits.h: how every child ends that broke a rule and could say so.
constexpr int kExitBroken = 70;

struct ChildSetup {
  // The parent's process id, taken before the fork, and the parent's signal mask then.
  pid_t parent = 0;
  // Descriptors that stay as they are. 2 always does.
  std::vector<int> keep_fds;
  // A bare fork() keeps 0 and 1; a snapshot's child gets /dev/null there.
  bool keep_stdio = false;
  std::string title = "forksnap";
  int nice = 0;
  // Whether it runs only where nobody else wants a processor.
  bool idle = false;
  // Value for ioprio_set(), or -1 to leave it.
  int io_priority = -1;
  std::vector<int> cpus;
  // -1001 means: the parent's plus 500, at most 1000.
  int oom_score_adj = -1001;
  bool core_dump = false;
};

// What could not be done but is not worth dying for is skipped; returns false when the child must not go on (the
// parent is already gone, or descriptors of the parent could not be let go).
bool SetUpChild(const ChildSetup& setup);

// Ends the child, which is an orphan by now, in a way that shows that nothing was published. Async-signal-safe.
[[noreturn]] void ExitOrphan();

// The processor that the calling thread runs on, or -1 where nobody knows.
int CurrentCpu();

// Moves the calling thread to another processor than `cpu`, if it may use one; from there on it may come back. The
// kernel was seen to start a child on its parent's processor with another one idle, and to give it that for a whole
// slice of 4 ms as soon as it had something to do, in the middle of the parent's pause.
void LeaveCpu(int cpu);

// Blocks every signal for the calling thread, and undoes that.
class SignalBlock {
 public:
  SignalBlock();
  ~SignalBlock();
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;

  // For the child, which has a mask of its own by then: what the parent had blocked stays the parent's.
  void Abandon() { abandoned_ = true; }

 private:
  sigset_t before_;
  bool abandoned_ = false;
};

}  // namespace forksnap

#endif  // FORKSNAP_CHILD_SETUP_H_
