#include "region.h"

#include <string.h>
#include <time.h>

#include "kernel.h"

namespace forksnap {

namespace {

constexpr size_t kPagesPerSlot = PackedRegion::kSlot / PackedRegion::kPage;
constexpr size_t kPagesPerGroup = PackedRegion::kGroup / PackedRegion::kPage;
constexpr uint64_t kWholeSlot = ~uint64_t{0};
constexpr int kReadWrite = PROT_READ | PROT_WRITE;
constexpr size_t kNone = SIZE_MAX;
static_assert(kPagesPerSlot == 64, "a slot's pages are the bits of a word");
static_assert(PackedRegion::kSlotsPerGroup == 8, "a group's slots are the bits of a byte");

// Of what is in use, so much may be kept when it is free: a part of so many.
constexpr size_t kIdleShare = 32;
// A collapsed group has all its memory again: with fewer slots in use than this it would be mostly waste.
constexpr unsigned kCollapseLiveSlots = 6;
// What could not be given back is not tried again before this much more has come.
constexpr size_t kRetryPages = 1024;
// A page takes some 0.3 ms to collapse; with more on the processor it met memory that a hypervisor had to find first.
constexpr uint64_t kColdNs = 1000000;

size_t Count(uint64_t mask) { return static_cast<size_t>(__builtin_popcountll(mask)); }

uint64_t MaskOf(size_t first, size_t end) {
  const uint64_t up_to_end = end == kPagesPerSlot ? kWholeSlot : (uint64_t{1} << end) - 1;
  return up_to_end & (kWholeSlot << (first % kPagesPerSlot));
}

// Calls visit(first, end) for each run of set bits.
template <typename Visit>
void ForEachRun(uint64_t mask, Visit visit) {
  while (mask != 0) {
    const auto first = static_cast<size_t>(__builtin_ctzll(mask));
    const uint64_t inverse = ~(mask >> first);
    const size_t length = inverse == 0 ? kPagesPerSlot : static_cast<size_t>(__builtin_ctzll(inverse));
    const size_t end = first + length < kPagesPerSlot ? first + length : kPagesPerSlot;
    visit(first, end);
    mask &= ~MaskOf(first, end);
  }
}

// Calls visit(slot, mask) for each slot that the pages touch.
template <typename Visit>
void ForEachSlot(size_t first, size_t end, Visit visit) {
  while (first < end) {
    const size_t slot = first / kPagesPerSlot;
    const size_t slot_end = (slot + 1) * kPagesPerSlot;
    const size_t until = end < slot_end ? end : slot_end;
    visit(slot, MaskOf(first % kPagesPerSlot, until - slot * kPagesPerSlot));
    first = until;
  }
}

uint64_t NowNs(clockid_t clock = CLOCK_MONOTONIC) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

void* ReserveMemory(void* hint, size_t bytes, int prot) {
  return kernel::Map(hint, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

class Guard {
 public:
  explicit Guard(PackedRegion& region) : region_(region) { region_.Lock(); }
  ~Guard() { region_.Unlock(); }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  PackedRegion& region_;
};

}  // namespace

// ---- Reserving and committing ---------------------------------------------------------------------------------------

bool PackedRegion::Reserve(size_t bytes, uintptr_t hint, size_t idle_min) {
  void* const got = ReserveMemory(reinterpret_cast<void*>(hint), bytes + kGroup, PROT_NONE);
  if (got == MAP_FAILED) return false;
  const auto base = reinterpret_cast<uintptr_t>(got);
  const uintptr_t start = (base + kGroup - 1) & ~(kGroup - 1);
  if (start > base) kernel::Unmap(base, start - base);
  const uintptr_t rest = base + bytes + kGroup - (start + bytes);
  if (rest > 0) kernel::Unmap(start + bytes, rest);
  const size_t slots = bytes / kSlot;
  const size_t groups = bytes / kGroup;
  const size_t table_bytes = slots * sizeof(Slot) + groups * sizeof(Group);
  void* const table = ReserveMemory(nullptr, table_bytes, kReadWrite);
  if (table == MAP_FAILED) {
    kernel::Unmap(start, bytes);
    return false;
  }
  // Both are advice: without huge pages the chunks still lie next to each other. As V8's own mappings, the region is
  // not inherited by what child_process starts.
  kernel::Advise(start, bytes, MADV_HUGEPAGE);
  kernel::Advise(start, bytes, MADV_DONTFORK);
  slots_ = static_cast<Slot*>(table);
  groups_ = reinterpret_cast<Group*>(slots_ + slots);
  slot_count_ = slots;
  idle_min_pages_ = idle_min / kPage;
  start_ = start;
  end_ = start + bytes;
  return true;
}

void PackedRegion::Release() {
  kernel::Unmap(start_, end_ - start_);
  if (scratch_ != 0) kernel::Unmap(scratch_, kGroup);
  scratch_ = 0;
  kernel::Unmap(reinterpret_cast<uintptr_t>(slots_),
                slot_count_ * sizeof(Slot) + slot_count_ / kSlotsPerGroup * sizeof(Group));
  start_ = end_ = 0;
  slots_ = nullptr;
  groups_ = nullptr;
  slot_count_ = committed_ = first_free_ = live_pages_ = idle_pages_ = kept_pages_ = collapse_next_ = 0;
}

int PackedRegion::Commit(size_t slots) {
  if (slots <= committed_) return 0;
  const size_t groups = (slots + kSlotsPerGroup - 1) / kSlotsPerGroup;
  const size_t until = groups * kSlotsPerGroup;
  const int error = kernel::Protect(start_ + committed_ * kSlot, (until - committed_) * kSlot, kReadWrite);
  if (error == 0) committed_ = until;
  return error;
}

// ---- The tables -----------------------------------------------------------------------------------------------------

PackedRegion::Pages PackedRegion::PagesOf(uintptr_t start, size_t length) const {
  return {(start - start_) / kPage, (start - start_ + length + kPage - 1) / kPage};
}

bool PackedRegion::AllMapped(Pages pages) const {
  bool all = true;
  ForEachSlot(pages.first, pages.end, [&](size_t slot, uint64_t mask) { all &= (mask & ~slots_[slot].mapped) == 0; });
  return all;
}

void PackedRegion::SetFree(size_t slot) {
  groups_[slot / kSlotsPerGroup].used &= static_cast<uint8_t>(~(1u << (slot % kSlotsPerGroup)));
  if (slot < first_free_) first_free_ = slot;
}

void PackedRegion::SetUsed(size_t slot) {
  groups_[slot / kSlotsPerGroup].used |= static_cast<uint8_t>(1u << (slot % kSlotsPerGroup));
}

bool PackedRegion::IsGuarded(size_t slot) const {
  return (groups_[slot / kSlotsPerGroup].guarded >> (slot % kSlotsPerGroup) & 1) != 0;
}

void PackedRegion::SetGuarded(size_t slot, bool guarded) {
  uint8_t& bits = groups_[slot / kSlotsPerGroup].guarded;
  const auto bit = static_cast<uint8_t>(1u << (slot % kSlotsPerGroup));
  bits = guarded ? bits | bit : bits & static_cast<uint8_t>(~bit);
}

// The lowest free slots, so that the heap stays at the front of the region and its far groups become free as a whole.
size_t PackedRegion::FindRun(size_t count) {
  while (first_free_ < slot_count_ && IsUsed(first_free_)) {
    const bool full = first_free_ % kSlotsPerGroup == 0 && groups_[first_free_ / kSlotsPerGroup].used == 0xff;
    first_free_ += full ? kSlotsPerGroup : 1;
  }
  size_t run = 0;
  for (size_t slot = first_free_; slot < slot_count_; ++slot) {
    if (run == 0 && slot % kSlotsPerGroup == 0 && groups_[slot / kSlotsPerGroup].used == 0xff) {
      slot += kSlotsPerGroup - 1;
      continue;
    }
    run = IsUsed(slot) ? 0 : run + 1;
    if (run == count) return slot + 1 - count;
  }
  return kNone;
}

// The rest of a slot that is partly in use is not counted: it cannot be given back without splitting its huge page.
size_t PackedRegion::IdlePages(const Slot& state) { return state.live != 0 ? 0 : Count(state.dirty | state.zero); }

// The way in which every change is made, so that the counts stay right.
template <typename Change>
void PackedRegion::ChangeSlot(size_t slot, Change change) {
  Slot& state = slots_[slot];
  live_pages_ -= Count(state.live);
  idle_pages_ -= IdlePages(state);
  change(state);
  live_pages_ += Count(state.live);
  idle_pages_ += IdlePages(state);
}

// A huge page has come: all of the group has memory now.
void PackedRegion::FillGroup(size_t group) {
  for (size_t slot = group * kSlotsPerGroup; slot < (group + 1) * kSlotsPerGroup; ++slot) {
    ChangeSlot(slot, [](Slot& state) { state.zero = ~(state.live | state.dirty); });
  }
  groups_[group].touched = true;
  groups_[group].holes = false;
}

unsigned PackedRegion::LiveSlots(size_t group) const {
  unsigned live = 0;
  for (size_t slot = group * kSlotsPerGroup; slot < (group + 1) * kSlotsPerGroup; ++slot) {
    live += slots_[slot].live != 0 ? 1 : 0;
  }
  return live;
}

// ---- What the program asks for --------------------------------------------------------------------------------------

void* PackedRegion::Map(size_t length, int prot) {
  const Guard guard(*this);
  const size_t pages = (length + kPage - 1) / kPage;
  const size_t count = (pages + kPagesPerSlot - 1) / kPagesPerSlot;
  const size_t first = count == 0 ? kNone : FindRun(count);
  if (first == kNone || Commit(first + count) != 0) return nullptr;
  const Pages range = {first * kPagesPerSlot, first * kPagesPerSlot + pages};
  ForEachSlot(range.first, range.end, [&](size_t slot, uint64_t mask) {
    slots_[slot].mapped = mask;
    SetUsed(slot);
  });
  if (prot != PROT_NONE) {
    DiscardIdleGroups(range);
    ForEachSlot(range.first, range.end, [&](size_t slot, uint64_t mask) { ProtectSlot(slot, mask, prot); });
  }
  return reinterpret_cast<void*>(AddressOf(range.first));
}

int PackedRegion::Unmap(uintptr_t start, size_t length) {
  const Guard guard(*this);
  const Pages pages = PagesOf(start, length);
  ForEachSlot(pages.first, pages.end, [&](size_t slot, uint64_t mask) { UnmapSlot(slot, mask & slots_[slot].mapped); });
  GiveBack();
  return 0;
}

void PackedRegion::UnmapSlot(size_t slot, uint64_t mask) {
  Forget(slot, mask);
  slots_[slot].open &= ~mask;
  slots_[slot].mapped &= ~mask;
  if (slots_[slot].mapped != 0) return;
  // A slot whose protection the kernel would not change back stays out of use.
  if (IsGuarded(slot) && ProtectInKernel(slot, kWholeSlot, kReadWrite) != 0) return;
  SetGuarded(slot, false);
  SetFree(slot);
}

// The content of these pages does not matter any more.
void PackedRegion::Forget(size_t slot, uint64_t mask) {
  ChangeSlot(slot, [mask](Slot& state) {
    state.dirty |= state.live & mask;
    state.live &= ~mask;
  });
}

int PackedRegion::Protect(uintptr_t start, size_t length, int prot) {
  const Guard guard(*this);
  const Pages pages = PagesOf(start, length);
  if (!AllMapped(pages)) return ENOMEM;
  if (prot != PROT_NONE) DiscardIdleGroups(pages);
  int error = 0;
  ForEachSlot(pages.first, pages.end, [&](size_t slot, uint64_t mask) {
    if (error == 0) error = ProtectSlot(slot, mask, prot);
  });
  return error;
}

int PackedRegion::ProtectSlot(size_t slot, uint64_t mask, int prot) {
  Slot& state = slots_[slot];
  if (prot == PROT_NONE) {
    // All of what is mapped here: nothing is left that an access could be mistaken for, and the huge page stays whole.
    const bool all = (state.mapped & ~mask) == 0;
    const int error = all ? 0 : ProtectInKernel(slot, mask, PROT_NONE);
    if (error == 0) state.open &= ~mask;
    return error;
  }
  if (IsGuarded(slot)) {
    const int error = ProtectInKernel(slot, mask, kReadWrite);
    if (error != 0) return error;
  }
  Open(slot, mask);
  if (prot != kReadWrite) return ProtectInKernel(slot, mask, prot);
  // The rest of a slot that is only partly open may be meant to catch accesses.
  const uint64_t closed = state.mapped & ~state.open;
  return closed == 0 ? 0 : ProtectInKernel(slot, closed, PROT_NONE);
}

int PackedRegion::ProtectInKernel(size_t slot, uint64_t mask, int prot) {
  int error = 0;
  ForEachRun(mask, [&](size_t first, size_t end) {
    if (error != 0) return;
    error = kernel::Protect(AddressOf(slot * kPagesPerSlot + first), (end - first) * kPage, prot);
  });
  SetGuarded(slot, true);
  return error;
}

void PackedRegion::Open(size_t slot, uint64_t mask) {
  ForEachRun(slots_[slot].dirty & mask, [&](size_t first, size_t end) {
    memset(reinterpret_cast<void*>(AddressOf(slot * kPagesPerSlot + first)), 0, (end - first) * kPage);
  });
  if (!groups_[slot / kSlotsPerGroup].touched) FillGroup(slot / kSlotsPerGroup);
  ChangeSlot(slot, [mask](Slot& state) {
    state.dirty &= ~mask;
    state.zero &= ~mask;
    state.live |= mask;
    state.open |= mask;
  });
}

int PackedRegion::Advise(uintptr_t start, size_t length, int advice) {
  // Advised in part, the region would fall into many mappings, whose borders split huge pages. Nothing outside of
  // the V8 heap is in it, and all of that has the same mark.
  if (advice == MADV_DONTFORK || advice == MADV_DOFORK) return kernel::Advise(start_, end_ - start_, advice);
  const Guard guard(*this);
  const Pages pages = PagesOf(start, length);
  const int error = AllMapped(pages) ? 0 : ENOMEM;
  if (advice == MADV_DONTNEED || advice == MADV_FREE) {
    const int refused = DiscardOpen(pages, advice);
    ForEachSlot(pages.first, pages.end, [&](size_t slot, uint64_t mask) { Forget(slot, mask & ~slots_[slot].open); });
    GiveBack();
    return refused != 0 ? refused : error;
  }
  if (error != 0 || advice == MADV_HUGEPAGE) return error;
  return kernel::Advise(start, length, advice);
}

// One call for each run of open pages: a whole group's must not be split on its way out.
int PackedRegion::DiscardOpen(Pages pages, int advice) {
  int error = 0;
  size_t run_first = 0;
  size_t run_end = 0;
  const auto flush = [&] {
    if (run_end > run_first && error == 0) {
      error = kernel::Advise(AddressOf(run_first), (run_end - run_first) * kPage, advice);
    }
  };
  ForEachSlot(pages.first, pages.end, [&](size_t slot, uint64_t mask) {
    ForEachRun(mask & slots_[slot].open, [&](size_t first, size_t end) {
      const size_t base = slot * kPagesPerSlot;
      if (base + first != run_end) {
        flush();
        run_first = base + first;
      }
      run_end = base + end;
    });
  });
  flush();
  return error;
}

int PackedRegion::Replace(uintptr_t start, size_t length, int prot) {
  const Guard guard(*this);
  const Pages pages = PagesOf(start, length);
  if (!AllMapped(pages)) return ENOMEM;
  int error = 0;
  ForEachSlot(pages.first, pages.end, [&](size_t slot, uint64_t mask) {
    if (error != 0) return;
    Forget(slot, mask);
    slots_[slot].open &= ~mask;
    error = ProtectSlot(slot, mask, prot);
  });
  GiveBack();
  return error;
}

// ---- Giving memory back ---------------------------------------------------------------------------------------------

// Before these pages are opened: groups of which nothing matters and all is about to be opened need not be zeroed here.
void PackedRegion::DiscardIdleGroups(Pages pages) {
  const size_t end = pages.end / kPagesPerGroup;
  for (size_t group = (pages.first + kPagesPerGroup - 1) / kPagesPerGroup; group < end; ++group) {
    if (groups_[group].touched && GroupIdle(group)) DiscardGroup(group);
  }
}

bool PackedRegion::DiscardGroup(size_t group) {
  if (kernel::Advise(start_ + group * kGroup, kGroup, MADV_DONTNEED) != 0) return false;
  for (size_t slot = group * kSlotsPerGroup; slot < (group + 1) * kSlotsPerGroup; ++slot) {
    ChangeSlot(slot, [](Slot& state) { state.dirty = state.zero = 0; });
  }
  groups_[group].touched = groups_[group].holes = false;
  return true;
}

// Some free memory is kept, since V8 returns chunks and asks for others all the time.
void PackedRegion::GiveBack() {
  const size_t share = live_pages_ / kIdleShare;
  const size_t limit = share > idle_min_pages_ ? share : idle_min_pages_;
  if (idle_pages_ <= limit) {
    kept_pages_ = 0;
    return;
  }
  if (kept_pages_ != 0 && idle_pages_ < kept_pages_ + kRetryPages) return;
  // Half of it at once, so that the tables are gone through once for many chunks.
  const size_t target = limit / 2;
  GiveBackGroups(target);
  if (idle_pages_ > limit) GiveBackSlots(target, kSlotsPerGroup / 2);
  if (idle_pages_ > limit) GiveBackSlots(target, kSlotsPerGroup);
  kept_pages_ = idle_pages_ > limit ? idle_pages_ : 0;
}

// From the end of the region on, where new chunks come last.
void PackedRegion::GiveBackGroups(size_t target) {
  size_t end = committed_ / kSlotsPerGroup;
  while (end > 0 && idle_pages_ > target) {
    --end;
    if (groups_[end].touched && GroupIdle(end)) DiscardGroup(end);
  }
}

void PackedRegion::GiveBackSlots(size_t target, unsigned live_slots_max) {
  for (size_t group = committed_ / kSlotsPerGroup; group > 0 && idle_pages_ > target; --group) {
    if (LiveSlots(group - 1) > live_slots_max) continue;
    for (size_t slot = (group - 1) * kSlotsPerGroup; slot < group * kSlotsPerGroup; ++slot) {
      if (IdlePages(slots_[slot]) == 0) continue;
      if (kernel::Advise(start_ + slot * kSlot, kSlot, MADV_DONTNEED) != 0) continue;
      ChangeSlot(slot, [](Slot& state) { state.dirty = state.zero = 0; });
      groups_[group - 1].holes = true;
    }
  }
}

// ---- Huge pages again -----------------------------------------------------------------------------------------------

PackedRegion::Collapsed PackedRegion::Collapse(uint64_t budget_ns) {
  Collapsed result = {};
  const uint64_t until = NowNs() + budget_ns;
  do {
    const size_t group = NextToCollapse();
    if (group == kNone) {
      result.finished = cold_ = true;
      break;
    }
    if (cold_) WarmHugePage();
    const uint64_t began = NowNs();
    const uint64_t began_cpu = NowNs(CLOCK_THREAD_CPUTIME_ID);
    // Without the lock: whoever needs a chunk meanwhile does not wait for it.
    const int error = kernel::Advise(start_ + group * kGroup, kGroup, MADV_COLLAPSE);
    const uint64_t cpu_ns = NowNs(CLOCK_THREAD_CPUTIME_ID) - began_cpu;
    const uint64_t ns = NowNs() - began;
    cold_ = cpu_ns > kColdNs;
    if (ns > result.longest_ns) result.longest_ns = ns;
    if (cpu_ns > result.longest_cpu_ns) result.longest_cpu_ns = cpu_ns;
    if (error == 0) {
      ++result.made;
      const Guard guard(*this);
      FillGroup(group);
    } else if (error == EINVAL) {
      result.unsupported = result.finished = true;
      break;
    } else {
      ++result.refused;
    }
  } while (NowNs() < until);
  return result;
}

// In a virtual machine, free memory may have gone back to the hypervisor, and its first touch takes 5 ms for 2 MiB. The
// kernel collapses with the process's mappings locked: so the page that it will take, the one freed last on this
// processor, is touched before. From then on it takes the one that the last collapse has freed.
void PackedRegion::WarmHugePage() {
  if (scratch_ == 0) {
    void* const got = ReserveMemory(nullptr, 2 * kGroup, kReadWrite);
    if (got == MAP_FAILED) return;
    const auto base = reinterpret_cast<uintptr_t>(got);
    const uintptr_t start = (base + kGroup - 1) & ~(kGroup - 1);
    if (start > base) kernel::Unmap(base, start - base);
    if (base + kGroup > start) kernel::Unmap(start + kGroup, base + kGroup - start);
    kernel::Advise(start, kGroup, MADV_HUGEPAGE);
    scratch_ = start;
  }
  *reinterpret_cast<volatile char*>(scratch_) = 0;
  kernel::Advise(scratch_, kGroup, MADV_DONTNEED);
}

// kNone once at the end, then from the beginning again.
size_t PackedRegion::NextToCollapse() {
  const Guard guard(*this);
  const size_t groups = committed_ / kSlotsPerGroup;
  while (collapse_next_ < groups) {
    const size_t group = collapse_next_++;
    const unsigned live = LiveSlots(group);
    if (live == 0 || groups_[group].guarded != 0) continue;
    if (!groups_[group].holes || live >= kCollapseLiveSlots) return group;
  }
  collapse_next_ = 0;
  return kNone;
}

PackedRegion::Stats PackedRegion::Read() {
  const Guard guard(*this);
  return {live_pages_ * kPage, idle_pages_ * kPage, committed_ * kSlot, end_ - start_};
}

}  // namespace forksnap
