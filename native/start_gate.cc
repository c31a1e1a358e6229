#include "start_gate.h"

#include <sys/mman.h>

#include <new>
#include <thread>

namespace forksnap {

StartGate& StartGate::Get() {
  static StartGate gate;
  return gate;
}

static_assert(std::atomic<bool>::is_always_lock_free, "the gate is shared between processes");

namespace {

constexpr auto kBetweenLooks = std::chrono::microseconds(50);

}  // namespace

void StartGate::Shut() {
  if (!tried_) {
    tried_ = true;
#if defined(MAP_ANONYMOUS)
    const int flags = MAP_SHARED | MAP_ANONYMOUS;
#else
    const int flags = MAP_SHARED | MAP_ANON;
#endif
    void* memory = mmap(nullptr, sizeof *shut_, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory != MAP_FAILED) shut_ = new (memory) std::atomic<bool>(false);
  }
  if (shut_ != nullptr) shut_->store(true, std::memory_order_relaxed);
}

void StartGate::Open() {
  if (shut_ != nullptr) shut_->store(false, std::memory_order_release);
}

// It looks now and then rather than to be woken: a thread that is woken may take the processor of whoever wakes it.
void StartGate::Await(std::chrono::milliseconds most) const {
  if (shut_ == nullptr) return;
  const auto until = std::chrono::steady_clock::now() + most;
  while (shut_->load(std::memory_order_acquire) && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

}  // namespace forksnap
