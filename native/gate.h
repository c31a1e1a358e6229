// A gate on which threads of other owners (V8's workers, libuv's pool, Worker isolates) are parked for the moment of a
// fork. Free of Node and V8, so that it is tested without them.
#ifndef FORKSNAP_GATE_H_
#define FORKSNAP_GATE_H_

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <vector>

namespace forksnap {

// One round of parking. It is held by shared_ptr: a task that is served late, or destroyed without ever having run,
// must find its round whatever has become of the attempt that posted it.
//
// Invariant: a thread that Park() has let in stays in until Release() or until the deadline, and it cannot leave
// while somebody holds the lock of Freeze().
class GateRound {
 public:
  using Clock = std::chrono::steady_clock;

  // Everybody leaves `patience` after the first arrival, if not released before. `on_arrival` runs on the arriving
  // thread, without the lock; it may only do what any thread may (uv_async_send).
  GateRound(Clock::duration patience, std::function<void()> on_arrival);
  GateRound(const GateRound&) = delete;
  GateRound& operator=(const GateRound&) = delete;

  // Blocks the calling thread until the round is released. Returns at once if it already is. The deadline is the net
  // for a main thread that waits, itself blocked, for one of the threads parked here.
  void Park();

  // Lets everybody go and everybody who comes later pass. Idempotent; from any thread.
  void Release();

  // Threads that are parked now; 0 once the round is released or has expired.
  int Parked() const;

  // Waits at most until `until` for `count` parked threads. Only for the low-level fork(), which cannot use the loop.
  bool WaitFor(int count, Clock::time_point until);

  // Holds every parked thread where it is, even past the deadline, until the lock is dropped.
  std::unique_lock<std::mutex> Freeze() { return std::unique_lock<std::mutex>(mutex_); }
  // The same as Parked(), for the holder of Freeze()'s lock.
  int ParkedFrozen() const { return over_ ? 0 : static_cast<int>(tids_.size()); }
  // Kernel thread ids of the parked threads, for the holder of Freeze()'s lock.
  const std::vector<pid_t>& TidsFrozen() const { return tids_; }

 private:
  const Clock::duration patience_;
  const std::function<void()> on_arrival_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable arrived_;
  // Meaningful from the first arrival on.
  Clock::time_point deadline_;
  std::vector<pid_t> tids_;
  bool over_ = false;
};

}  // namespace forksnap

#endif  // FORKSNAP_GATE_H_
