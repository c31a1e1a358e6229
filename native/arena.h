// Memory for large state outside V8's heap: blocks from large anonymous mappings, in huge pages where the system has
// them, so that a fork copies one entry for each 2 MiB instead of 512. Free of Node and V8, so that it is tested
// without them. Any thread may free a block: V8 lets a buffer go on whichever thread collects it. The lock is safe to
// inherit, since every thread that could hold it is parked between two of its tasks when a process forks.
#ifndef FORKSNAP_ARENA_H_
#define FORKSNAP_ARENA_H_

#include <stddef.h>
#include <stdint.h>

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "smaps.h"

namespace forksnap {

constexpr size_t kHugePageBytes = size_t{2} << 20;

struct ArenaOptions {
  // Of the first region, and of the regions by which the arena grows; rounded up to whole huge pages.
  size_t region_bytes = 0;
  // Of all regions together; rounded down to whole huge pages.
  size_t max_bytes = SIZE_MAX;
  // Whether the kernel is asked for huge pages, or told to use none.
  bool huge_pages = true;
};

struct ArenaStats {
  // Address space of the regions, the bytes that blocks in use were asked to have, and how many these are.
  size_t mapped_bytes = 0;
  size_t used_bytes = 0;
  size_t blocks = 0;
  std::vector<Range> regions;
};

// Invariants: blocks and free extents lie within one region each, do not overlap, and fill it; neighbouring free
// extents are one. A page that is not marked dirty is all zeros.
class Arena {
 public:
  // Null, with the errno of mmap() in `error`, if there is no memory for the first region; `error` is 0 if that is
  // more than the limit.
  static std::shared_ptr<Arena> Create(const ArenaOptions& options, int* error);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // A zeroed block: at a huge page's beginning if it is as long as one, else at a multiple of 64 bytes. Null, with
  // `error` as for Create(), if it does not fit.
  void* Allocate(size_t bytes, int* error);

  // False if no block in use begins there. Huge pages that are all free now are given back to the system; and so is a
  // region, except the first one.
  bool Free(void* block);

  // Makes huge pages again of what writes during a fork have split, going on at address `from` (0: at the beginning),
  // until it is at the end or so much time is used up: at least one portion of 8 MiB, which takes up to 2 ms. Returns
  // where to go on, or 0 at the end. Other threads may use the arena meanwhile.
  uintptr_t Collapse(uintptr_t from, std::chrono::nanoseconds budget);

  // Whether a block in use begins there.
  bool Holds(const void* block) const;

  ArenaStats Stats() const;

 private:
  struct Region {
    uintptr_t end = 0;
    size_t blocks = 0;
    // One for each huge page.
    std::vector<bool> dirty;
    // Threads at work on its pages: it is not unmapped under them.
    int pins = 0;
  };
  struct Block {
    size_t bytes = 0;
    size_t reserved_bytes = 0;
  };
  using Regions = std::map<uintptr_t, Region>;

  explicit Arena(const ArenaOptions& options) : options_(options) {}

  bool Grow(size_t needed_bytes, int* error);
  bool TakeExtent(size_t bytes, size_t alignment, uintptr_t* start);
  uintptr_t FindExtent(size_t bytes, size_t alignment, uintptr_t* extent) const;
  std::vector<Range> MarkDirty(Range block);
  void AddExtent(uintptr_t start, size_t bytes);
  void RemoveExtent(uintptr_t start, size_t bytes);
  Range Merge(const Regions::value_type& region, Range freed);
  void GiveBackPages(Regions::value_type* region, Range freed, Range extent);
  bool IsSpare(const Regions::value_type& region) const;
  void Unmap(Regions::iterator region);
  uintptr_t PinPortion(uintptr_t from, Range* portion);
  void Unpin(uintptr_t start);
  Regions::iterator RegionOf(uintptr_t address);

  ArenaOptions options_;
  mutable std::mutex mutex_;
  Regions regions_;
  uintptr_t first_region_ = 0;
  size_t mapped_bytes_ = 0;
  size_t used_bytes_ = 0;
  std::map<uintptr_t, Block> blocks_;
  // Free extents by address, and the same by length.
  std::map<uintptr_t, size_t> extents_;
  std::set<std::pair<size_t, uintptr_t>> extents_by_bytes_;
};

// The arenas of all threads, to be made huge again after a child's end.
class LivingArenas {
 public:
  static void Add(const std::shared_ptr<Arena>& arena);
  // Whether there are any.
  static bool Any();
  // Goes on where the last call was broken off, until all arenas have been gone through or so much time is used up.
  // True at the end, after which the next call begins anew.
  static bool Collapse(std::chrono::nanoseconds budget);
};

// What a forked child has written out and will not read again. Its copies of these pages are dropped, so that the
// parent is their only owner again and need not copy them when it writes to them. The memory reads as zeros in the
// child after that. Never to be used in a process that still needs the memory.
class WrittenPages {
 public:
  // Adds bytes of an arena's block and drops the pages (huge ones in an arena with huge pages) that are complete by
  // that; returns how many bytes these are. What is not in an arena is passed over.
  size_t Add(const void* data, size_t bytes);

 private:
  // By start; neighbours are one.
  std::map<uintptr_t, uintptr_t> written_;
};

}  // namespace forksnap

#endif  // FORKSNAP_ARENA_H_
