// Where a new child waits until its parent has ended its part of the fork. The parent's pause is what matters, and the
// child's first page faults, like the threads that are let go, would take the processor from it.
#ifndef FORKSNAP_START_GATE_H_
#define FORKSNAP_START_GATE_H_

#include <atomic>
#include <chrono>

namespace forksnap {

// The process's only one.
class StartGate {
 public:
  static StartGate& Get();

  // Before the fork, in the parent: shuts the gate for the next child. Without memory to share it stays open.
  void Shut();
  // In the parent, after the fork, on every path.
  void Open();
  // In the child: until the gate is open, but at most so long. A parent that is kept from its processor must not keep
  // its child from its work as well; the child of one that died is killed by the system.
  void Await(std::chrono::milliseconds most) const;

 private:
  StartGate() = default;
  std::atomic<bool>* shut_ = nullptr;
  bool tried_ = false;
};

}  // namespace forksnap

#endif  // FORKSNAP_START_GATE_H_
