#include "heap_mark.h"

#include <pthread.h>

#include <thread>
#include <utility>

#include "heap_inherit.h"

namespace forksnap {

namespace {

// The hook runs on the forking thread.
thread_local bool own_fork = false;

}  // namespace

std::vector<Range> CutSpans(const std::vector<Range>& spans, const std::vector<Range>& ranges, size_t ranges_max) {
  std::vector<Range> pieces;
  auto range = ranges.begin();
  for (const Range& span : spans) {
    uintptr_t start = span.start;
    size_t held = 0;
    while (range != ranges.end() && range->start < start) ++range;
    for (; range != ranges.end() && range->start < span.end; ++range) {
      if (held++ < ranges_max) continue;
      pieces.push_back({start, range->start});
      start = range->start;
      held = 1;
    }
    pieces.push_back({start, span.end});
  }
  return pieces;
}

HeapMark& HeapMark::Get() {
  // Never destroyed: the hook stays.
  static HeapMark* mark = new HeapMark;
  return *mark;
}

// While it runs, musl, and glibc before 2.36, hold a lock that our own fork needs as well: whoever waited here for that
// fork would have it wait for him. So it is left lifted then, which makes the other fork slower and no more.
void HeapMark::BeforeAnyFork() {
  if (own_fork) return;
  HeapMark& mark = Get();
  while (mark.lifted() && !mark.forking_.load(std::memory_order_acquire)) {
    std::unique_lock<std::mutex> lock(mark.mutex_, std::try_to_lock);
    if (lock.owns_lock()) {
      mark.PutBackPieceLocked();
    } else {
      std::this_thread::yield();
    }
  }
}

// No child has a mark to put back. Another thread may have been at it, and its lock is held for ever here.
void HeapMark::InAnyChild() { Get().lifted_.store(false, std::memory_order_release); }

void HeapMark::Lift(std::vector<Range> pieces, const std::atomic<bool>& cancel) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    // Without the hook somebody else's fork would be slow until all is put back.
    if (!hooked_ && pthread_atfork(BeforeAnyFork, nullptr, InAnyChild) != 0) return;
    hooked_ = true;
    if (pieces.empty()) return;
    pieces_ = std::move(pieces);
    next_ = 0;
    lifted_.store(true, std::memory_order_release);
  }
  // Piece by piece, since the kernel lets nobody change the mappings meanwhile.
  for (size_t i = 0; !cancel.load(std::memory_order_relaxed); ++i) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!lifted() || i == pieces_.size()) return;
    InheritRange(pieces_[i]);
  }
}

bool HeapMark::PutBackPiece() {
  std::lock_guard<std::mutex> lock(mutex_);
  return PutBackPieceLocked();
}

bool HeapMark::PutBackPieceLocked() {
  if (!lifted()) return false;
  RestoreDontFork({pieces_[next_]});
  if (++next_ < pieces_.size()) return true;
  lifted_.store(false, std::memory_order_release);
  return false;
}

bool HeapMark::PutBackFor(std::chrono::microseconds most) {
  const auto until = std::chrono::steady_clock::now() + most;
  while (PutBackPiece()) {
    if (std::chrono::steady_clock::now() >= until) return true;
  }
  return false;
}

void HeapMark::PutBack() {
  while (PutBackPiece()) continue;
}

void HeapMark::Settle() {
  std::lock_guard<std::mutex> lock(mutex_);
  lifted_.store(false, std::memory_order_release);
}

HeapMark::OwnFork::OwnFork() {
  own_fork = true;
  HeapMark& mark = HeapMark::Get();
  mark.forking_.store(true, std::memory_order_release);
  lock_ = std::unique_lock<std::mutex>(mark.mutex_);
}

HeapMark::OwnFork::~OwnFork() {
  HeapMark::Get().forking_.store(false, std::memory_order_release);
  own_fork = false;
}

}  // namespace forksnap
