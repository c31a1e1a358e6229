// One region of address space in which the V8 heap's chunks lie next to each other, so that they fill huge pages.
//
// The region is handed out in slots of 256 KiB, the alignment that V8 asks for; eight slots make a group, one huge
// page. Its memory is readable and writable from the first use of a group on, and stays mapped: what a program has
// unmapped is only known to be free, and given back to the system a group at a time.
//
// As the kernel's own mappings, memory is zero when it is handed out. Other than there, an access to a page that is not
// mapped, or to a slot that was made PROT_NONE as a whole, need not fault: a hole in the mapping would split its huge
// page.
//
// Thread-safe. Allocates no memory and calls the kernel directly, so that it can stand in for mmap() itself.
#ifndef FORKSNAP_PACKED_HEAP_REGION_H_
#define FORKSNAP_PACKED_HEAP_REGION_H_

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

namespace forksnap {

class PackedRegion {
 public:
  static constexpr size_t kPage = 4096;
  static constexpr size_t kSlot = 256 << 10;
  static constexpr size_t kGroup = 2 << 20;
  static constexpr size_t kSlotsPerGroup = kGroup / kSlot;

  struct Stats {
    // All in bytes. What the program has in use; what is free but not given back yet, or may be; what was ever used.
    uint64_t live;
    uint64_t idle;
    uint64_t committed;
    uint64_t reserved;
  };

  struct Collapsed {
    // Huge pages that were made; those that the kernel refused for now; whether all of the region has been gone
    // through.
    uint32_t made;
    uint32_t refused;
    bool finished;
    // The kernel cannot do it at all.
    bool unsupported;
    // The longest that one page took, in all and on a processor: meanwhile whoever maps memory has to wait.
    uint64_t longest_ns;
    uint64_t longest_cpu_ns;
  };

  // Reserves `bytes`, a multiple of 2 MiB, near `hint`. Returns false, with errno, if the system refuses.
  // Up to `idle_min` bytes, or a 32nd part of what is in use if that is more, are kept when they are free.
  bool Reserve(size_t bytes, uintptr_t hint, size_t idle_min = 16 << 20);
  // For tests. Nothing of the region may be in use any more.
  void Release();

  bool reserved() const { return end_ != 0; }
  uintptr_t start() const { return start_; }
  uintptr_t end() const { return end_; }
  bool Contains(uintptr_t start, size_t length) const {
    return start >= start_ && start < end_ && length <= end_ - start;
  }
  bool Intersects(uintptr_t start, size_t length) const {
    return start < end_ && (start >= start_ || length > start_ - start);
  }

  // These do what the calls of their names do, for ranges inside the region, and return 0 or an errno. `prot` and
  // `advice` are the system's. Map() returns nullptr if there is no room; the address is aligned to a slot.
  void* Map(size_t length, int prot);
  int Unmap(uintptr_t start, size_t length);
  int Protect(uintptr_t start, size_t length, int prot);
  int Advise(uintptr_t start, size_t length, int advice);
  // mmap(MAP_FIXED) of anonymous private memory over memory that is in use.
  int Replace(uintptr_t start, size_t length, int prot);

  // Makes the pages of groups in use huge again, from where the last call has stopped, one at a time until `budget_ns`
  // have passed. A group of which much has been given back is left as it is. From one thread at a time; the others go
  // on.
  Collapsed Collapse(uint64_t budget_ns);

  Stats Read();

  // Around fork(): a child must not find the lock held by a thread that it has not got.
  void Lock() { pthread_mutex_lock(&mutex_); }
  void Unlock() { pthread_mutex_unlock(&mutex_); }

 private:
  // A bit for each page. Invariants: open is part of live, live of mapped; live, dirty and zero have no page in common.
  struct Slot {
    uint64_t mapped;  // Belongs to the program.
    uint64_t open;    // May be accessed.
    uint64_t live;    // Its content matters: it is open, or was before it became PROT_NONE.
    uint64_t dirty;   // Its memory may not be zero, though its content does not matter: zeroed before it is opened.
    uint64_t zero;    // It has memory, with its huge page, and was never used.
  };
  struct Group {
    uint8_t used;     // A bit for each slot with a mapped page.
    uint8_t guarded;  // A bit for each slot in which the kernel's protection may be another than read and write.
    bool touched;     // It may have memory.
    bool holes;       // Slots of it were given back one by one: its huge page is split.
  };
  struct Pages {
    size_t first;
    size_t end;
  };

  uintptr_t AddressOf(size_t page) const { return start_ + page * kPage; }
  Pages PagesOf(uintptr_t start, size_t length) const;
  bool AllMapped(Pages pages) const;
  size_t FindRun(size_t slots);
  int Commit(size_t slots);
  void SetFree(size_t slot);
  void SetUsed(size_t slot);
  bool IsUsed(size_t slot) const { return (groups_[slot / kSlotsPerGroup].used >> (slot % kSlotsPerGroup) & 1) != 0; }
  bool IsGuarded(size_t slot) const;
  void SetGuarded(size_t slot, bool guarded);
  static size_t IdlePages(const Slot& state);
  template <typename Change>
  void ChangeSlot(size_t slot, Change change);
  void FillGroup(size_t group);
  bool GroupIdle(size_t group) const { return LiveSlots(group) == 0; }
  unsigned LiveSlots(size_t group) const;
  int ProtectInKernel(size_t slot, uint64_t mask, int prot);
  void Open(size_t slot, uint64_t mask);
  int ProtectSlot(size_t slot, uint64_t mask, int prot);
  int DiscardOpen(Pages pages, int advice);
  void Forget(size_t slot, uint64_t mask);
  void UnmapSlot(size_t slot, uint64_t mask);
  size_t NextToCollapse();
  void WarmHugePage();
  void DiscardIdleGroups(Pages pages);
  bool DiscardGroup(size_t group);
  void GiveBack();
  void GiveBackGroups(size_t target);
  void GiveBackSlots(size_t target, unsigned live_slots_max);

  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  uintptr_t start_ = 0;
  uintptr_t end_ = 0;
  size_t idle_min_pages_ = 0;
  Slot* slots_ = nullptr;
  Group* groups_ = nullptr;
  size_t slot_count_ = 0;
  // Slots from here on have never been used.
  size_t committed_ = 0;
  // No slot below it is free.
  size_t first_free_ = 0;
  size_t live_pages_ = 0;
  // With memory in slots without a live page.
  size_t idle_pages_ = 0;
  // So many could not be given back the last time.
  size_t kept_pages_ = 0;
  size_t collapse_next_ = 0;
  // A huge page of its own, and whether to touch it before the next page is collapsed.
  uintptr_t scratch_ = 0;
  bool cold_ = true;
};

}  // namespace forksnap

#endif  // FORKSNAP_PACKED_HEAP_REGION_H_
