#include "arena.h"

#include <errno.h>
#include <string.h>

#include <algorithm>

#include "arena_pages.h"

namespace forksnap {

namespace {

// A cache line, so that no two blocks share one; also enough for every element type.
constexpr size_t kAlignment = 64;
// So many free extents are tried for one that fits although it is badly aligned, before one is taken that is so long
// that it fits in any case.
constexpr int kTries = 16;

uintptr_t RoundDown(uintptr_t value, size_t unit) { return value / unit * unit; }
uintptr_t RoundUp(uintptr_t value, size_t unit) { return RoundDown(value + unit - 1, unit); }

}  // namespace

std::shared_ptr<Arena> Arena::Create(const ArenaOptions& options, int* error) {
  std::shared_ptr<Arena> arena(new Arena(options));
  return arena->Grow(options.region_bytes, error) ? arena : nullptr;
}

Arena::~Arena() {
  for (const auto& [start, region] : regions_) UnmapRegion(start, region.end - start);
}

bool Arena::Grow(size_t needed_bytes, int* error) {
  *error = 0;
  const size_t room = RoundDown(options_.max_bytes - std::min(options_.max_bytes, mapped_bytes_), kHugePageBytes);
  if (needed_bytes > room) return false;
  // The room is whole huge pages, so that what is needed fits rounded up, too.
  const size_t bytes = std::min<size_t>(room, RoundUp(std::max(needed_bytes, options_.region_bytes), kHugePageBytes));
  const uintptr_t start = MapRegion(bytes, options_.huge_pages, error);
  if (start == 0) return false;
  regions_[start] = {start + bytes, 0, std::vector<bool>(bytes / kHugePageBytes)};
  if (first_region_ == 0) first_region_ = start;
  mapped_bytes_ += bytes;
  AddExtent(start, bytes);
  return true;
}

void* Arena::Allocate(size_t bytes, int* error) {
  *error = 0;
  // Longer than any address space; rounding up must not overflow.
  if (bytes == 0 || bytes > SIZE_MAX / 4) return nullptr;
  const size_t reserved = RoundUp(bytes, kAlignment);
  const size_t alignment = bytes >= kHugePageBytes ? kHugePageBytes : kAlignment;
  uintptr_t start = 0;
  std::vector<Range> used_before;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!TakeExtent(reserved, alignment, &start)) {
      if (!Grow(reserved, error)) return nullptr;
      TakeExtent(reserved, alignment, &start);
    }
    blocks_[start] = {bytes, reserved};
    used_bytes_ += bytes;
    ++RegionOf(start)->second.blocks;
    used_before = MarkDirty({start, start + reserved});
  }
  // The block is the caller's by now: no other thread touches it.
  for (const Range& range : used_before) memset(reinterpret_cast<void*>(range.start), 0, range.end - range.start);
  return reinterpret_cast<void*>(start);
}

// The place in a free extent that leaves the shortest rest, among the first that fit. 0 if there is none.
uintptr_t Arena::FindExtent(size_t bytes, size_t alignment, uintptr_t* extent) const {
  auto at = extents_by_bytes_.lower_bound({bytes, 0});
  for (int i = 0; i < kTries && at != extents_by_bytes_.end(); ++i, ++at) {
    const uintptr_t start = RoundUp(at->second, alignment);
    *extent = at->second;
    if (start + bytes <= at->second + at->first) return start;
  }
  at = extents_by_bytes_.lower_bound({bytes + alignment, 0});
  if (at == extents_by_bytes_.end()) return 0;
  *extent = at->second;
  return RoundUp(at->second, alignment);
}

bool Arena::TakeExtent(size_t bytes, size_t alignment, uintptr_t* start) {
  uintptr_t extent = 0;
  *start = FindExtent(bytes, alignment, &extent);
  if (*start == 0) return false;
  const size_t extent_bytes = extents_[extent];
  RemoveExtent(extent, extent_bytes);
  if (*start > extent) AddExtent(extent, *start - extent);
  const uintptr_t end = *start + bytes;
  if (end < extent + extent_bytes) AddExtent(end, extent + extent_bytes - end);
  return true;
}

// Marks the block's pages and returns the parts of it in pages that were marked already, which may hold old contents.
std::vector<Range> Arena::MarkDirty(Range block) {
  std::vector<Range> used_before;
  auto& [region_start, region] = *RegionOf(block.start);
  for (uintptr_t page = RoundDown(block.start, kHugePageBytes); page < block.end; page += kHugePageBytes) {
    auto dirty = region.dirty[(page - region_start) / kHugePageBytes];
    if (dirty) used_before.push_back({std::max(page, block.start), std::min(page + kHugePageBytes, block.end)});
    dirty = true;
  }
  return used_before;
}

bool Arena::Free(void* block) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = blocks_.find(reinterpret_cast<uintptr_t>(block));
  if (found == blocks_.end()) return false;
  const Range freed = {found->first, found->first + found->second.reserved_bytes};
  used_bytes_ -= found->second.bytes;
  blocks_.erase(found);
  const auto region = RegionOf(freed.start);
  const Range extent = Merge(*region, freed);
  --region->second.blocks;
  if (IsSpare(*region)) {
    Unmap(region);
  } else {
    GiveBackPages(&*region, freed, extent);
  }
  return true;
}

// Makes one free extent of the freed range and its free neighbours in the region; returns it.
Range Arena::Merge(const Regions::value_type& region, Range freed) {
  Range extent = freed;
  const auto after = extents_.find(freed.end);
  if (after != extents_.end() && freed.end < region.second.end) {
    extent.end += after->second;
    RemoveExtent(freed.end, extent.end - freed.end);
  }
  const auto next = extents_.lower_bound(freed.start);
  if (next != extents_.begin()) {
    const auto [start, bytes] = *std::prev(next);
    if (start + bytes == freed.start && start >= region.first) {
      extent.start = start;
      RemoveExtent(start, bytes);
    }
  }
  AddExtent(extent.start, extent.end - extent.start);
  return extent;
}

// Only pages that the freed block had a part in can have become free by it.
void Arena::GiveBackPages(Regions::value_type* region, Range freed, Range extent) {
  const uintptr_t start = std::max(RoundDown(freed.start, kHugePageBytes), RoundUp(extent.start, kHugePageBytes));
  const uintptr_t end = std::min(RoundUp(freed.end, kHugePageBytes), RoundDown(extent.end, kHugePageBytes));
  if (start >= end || !DropPages(start, end - start)) return;
  for (uintptr_t page = start; page < end; page += kHugePageBytes) {
    region->second.dirty[(page - region->first) / kHugePageBytes] = false;
  }
}

void Arena::Unmap(Regions::iterator region) {
  const size_t bytes = region->second.end - region->first;
  // It has no blocks: it is one free extent.
  RemoveExtent(region->first, bytes);
  UnmapRegion(region->first, bytes);
  mapped_bytes_ -= bytes;
  regions_.erase(region);
}

void Arena::AddExtent(uintptr_t start, size_t bytes) {
  extents_[start] = bytes;
  extents_by_bytes_.insert({bytes, start});
}

void Arena::RemoveExtent(uintptr_t start, size_t bytes) {
  extents_.erase(start);
  extents_by_bytes_.erase({bytes, start});
}

// A region other than the first that nobody uses is not kept.
bool Arena::IsSpare(const Regions::value_type& region) const {
  return region.second.blocks == 0 && region.second.pins == 0 && region.first != first_region_;
}

// The kernel's work, which can take long while the processors are busy, is done without the lock: the thread that
// allocates must not wait for it. What becomes of a page meanwhile does not matter: of one that was dropped it makes a
// page of zeros at worst, and the mapping stays.
uintptr_t Arena::Collapse(uintptr_t from, std::chrono::nanoseconds budget) {
  const auto deadline = std::chrono::steady_clock::now() + budget;
  Range portion;
  while (const uintptr_t region = PinPortion(from, &portion)) {
    CollapsePages(portion.start, portion.end - portion.start);
    Unpin(region);
    from = portion.end;
    if (std::chrono::steady_clock::now() >= deadline) return from;
  }
  return 0;
}

// The next pages with contents from an address on, and the start of their region, which stays until it is unpinned; 0
// if there are none. Each call of the kernel has a price of its own beside that of the pages, so that several go
// together. Pages without contents are left out: they would take memory by it.
uintptr_t Arena::PinPortion(uintptr_t from, Range* portion) {
  constexpr size_t kPages = 4;
  std::lock_guard<std::mutex> lock(mutex_);
  if (!options_.huge_pages) return 0;
  for (auto& [start, region] : regions_) {
    const std::vector<bool>& dirty = region.dirty;
    size_t first = from > start ? (std::min(from, region.end) - start) / kHugePageBytes : 0;
    while (first < dirty.size() && !dirty[first]) ++first;
    if (first == dirty.size()) continue;
    size_t last = first;
    while (last < dirty.size() && dirty[last] && last - first < kPages) ++last;
    *portion = {start + first * kHugePageBytes, start + last * kHugePageBytes};
    ++region.pins;
    return start;
  }
  return 0;
}

void Arena::Unpin(uintptr_t start) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto region = regions_.find(start);
  --region->second.pins;
  if (IsSpare(*region)) Unmap(region);
}

namespace {

struct Living {
  std::mutex mutex;
  std::map<uint64_t, std::weak_ptr<Arena>> arenas;
  uint64_t next_id = 1;
};

// Never destroyed: arenas are made and let go as late as at the process's end.
Living& TheLiving() {
  static auto* living = new Living;
  return *living;
}

// The first living arena from an id on, which is changed to its own; null if there is none.
std::shared_ptr<Arena> LivingFrom(uint64_t* id) {
  Living& living = TheLiving();
  std::lock_guard<std::mutex> lock(living.mutex);
  auto at = living.arenas.lower_bound(*id);
  while (at != living.arenas.end()) {
    *id = at->first;
    if (auto arena = at->second.lock()) return arena;
    at = living.arenas.erase(at);
  }
  return nullptr;
}

}  // namespace

void LivingArenas::Add(const std::shared_ptr<Arena>& arena) {
  Living& living = TheLiving();
  std::lock_guard<std::mutex> lock(living.mutex);
  living.arenas[living.next_id++] = arena;
}

bool LivingArenas::Any() {
  uint64_t id = 0;
  return LivingFrom(&id) != nullptr;
}

bool LivingArenas::Collapse(std::chrono::nanoseconds budget) {
  // One call at a time.
  static uint64_t id = 0;
  static uintptr_t from = 0;
  const auto deadline = std::chrono::steady_clock::now() + budget;
  while (true) {
    const uint64_t before = id;
    const std::shared_ptr<Arena> arena = LivingFrom(&id);
    if (arena == nullptr) break;
    // Of an arena that has gone meanwhile: this one may lie below that place.
    if (id != before) from = 0;
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds(0)) return false;
    from = arena->Collapse(from, left);
    if (from == 0) ++id;
  }
  id = 0;
  return true;
}

Arena::Regions::iterator Arena::RegionOf(uintptr_t address) { return std::prev(regions_.upper_bound(address)); }

bool Arena::Holds(const void* block) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return blocks_.count(reinterpret_cast<uintptr_t>(block)) > 0;
}

ArenaStats Arena::Stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  ArenaStats stats{mapped_bytes_, used_bytes_, blocks_.size(), {}};
  for (const auto& [start, region] : regions_) stats.regions.push_back({start, region.end});
  return stats;
}

size_t WrittenPages::Add(const void* data, size_t bytes) {
  const auto start = reinterpret_cast<uintptr_t>(data);
  const uintptr_t end = start + bytes;
  Range region;
  size_t page_bytes = 0;
  if (bytes == 0 || !FindRegion(start, bytes, &region, &page_bytes)) return 0;
  Range merged = {start, end};
  auto at = written_.upper_bound(start);
  if (at != written_.begin() && std::prev(at)->second >= start) --at;
  // Regions are kept apart by pages of their own, so that ranges of two never meet.
  while (at != written_.end() && at->first <= end) {
    merged = {std::min(merged.start, at->first), std::max(merged.end, at->second)};
    at = written_.erase(at);
  }
  written_[merged.start] = merged.end;
  const uintptr_t first = std::max(RoundDown(start, page_bytes), RoundUp(merged.start, page_bytes));
  const uintptr_t last = std::min(RoundUp(end, page_bytes), RoundDown(merged.end, page_bytes));
  if (first >= last || !DropPages(first, last - first)) return 0;
  return last - first;
}

}  // namespace forksnap
