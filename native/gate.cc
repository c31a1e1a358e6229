#include "gate.h"

#include <utility>

#include "threads.h"

namespace forksnap {

GateRound::GateRound(Clock::duration patience, std::function<void()> on_arrival)
    : patience_(patience), on_arrival_(std::move(on_arrival)) {}

void GateRound::Park() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (over_) return;
  if (tids_.empty()) deadline_ = Clock::now() + patience_;
  tids_.push_back(CurrentTid());
  arrived_.notify_all();
  lock.unlock();
  // Waking the loop must not happen under the lock: the loop's first act is to ask for the count.
  if (on_arrival_) on_arrival_();
  lock.lock();
  while (!over_) {
    if (changed_.wait_until(lock, deadline_) == std::cv_status::timeout) over_ = true;
  }
  lock.unlock();
  // Who leaves wakes two others, also the first to find the deadline passed: a half-parked round is of no use.
  changed_.notify_one();
  changed_.notify_one();
}

// Only one is woken from here, and each wakes two: all at once they would take the processor from the caller, and in a
// row the last would wait for each of the others to get a processor.
void GateRound::Release() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    over_ = true;
  }
  changed_.notify_one();
}

int GateRound::Parked() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return ParkedFrozen();
}

bool GateRound::WaitFor(int count, Clock::time_point until) {
  std::unique_lock<std::mutex> lock(mutex_);
  return arrived_.wait_until(lock, until, [&] { return over_ || ParkedFrozen() >= count; }) && !over_;
}

}  // namespace forksnap
