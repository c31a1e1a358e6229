// V8's mark MADV_DONTFORK on its heap: lifted before a fork, piece by piece, and put back after it at leisure (Linux).
// Either takes about a millisecond per GB, which so is no part of the pause.
#ifndef FORKSNAP_HEAP_MARK_H_
#define FORKSNAP_HEAP_MARK_H_

#include <stddef.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <vector>

#include "smaps.h"

namespace forksnap {

// Cuts spans of the address space so that each piece holds at most `ranges_max` (at least 1) of the ranges in it; both
// are in ascending order.
std::vector<Range> CutSpans(const std::vector<Range>& spans, const std::vector<Range>& ranges, size_t ranges_max);

// The process's only one. While the mark is lifted, a fork by anybody else (child_process, another addon) puts it back
// first, whatever thread it is on, and so never copies the page tables of the heap. A fork that goes round
// pthread_atfork() is slower then, and as right.
class HeapMark {
 public:
  static HeapMark& Get();

  // Lifts it over the pieces, which must be such that they can be marked at any later time: see HintedSpans(). Ends
  // early once `cancel` is set, or somebody else has forked. On any thread.
  void Lift(std::vector<Range> pieces, const std::atomic<bool>& cancel);

  // Goes on putting it back for about `most`, at least a piece; false once nothing is left to do.
  bool PutBackFor(std::chrono::microseconds most);
  void PutBack();
  // The caller has put back all.
  void Settle();
  bool lifted() const { return lifted_.load(std::memory_order_acquire); }

  // Around a fork of our own, on the forking thread: the mark stays lifted, also if another thread forks just then.
  class OwnFork {
   public:
    OwnFork();
    ~OwnFork();
    OwnFork(const OwnFork&) = delete;
    OwnFork& operator=(const OwnFork&) = delete;

   private:
    std::unique_lock<std::mutex> lock_;
  };

 private:
  HeapMark() = default;
  bool PutBackPiece();
  bool PutBackPieceLocked();
  static void BeforeAnyFork();
  static void InAnyChild();

  std::mutex mutex_;
  std::vector<Range> pieces_;
  // The first piece that has not been put back.
  size_t next_ = 0;
  std::atomic<bool> lifted_{false};
  bool hooked_ = false;
  // A fork of our own has the lock or is about to take it.
  std::atomic<bool> forking_{false};
};

}  // namespace forksnap

#endif  // FORKSNAP_HEAP_MARK_H_
