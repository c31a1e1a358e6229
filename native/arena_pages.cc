#include "arena_pages.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <mutex>

#include "arena.h"
#include "platform.h"

namespace forksnap {

namespace {

#if defined(MAP_ANONYMOUS)
constexpr int kMapFlags = MAP_PRIVATE | MAP_ANONYMOUS;
#else
constexpr int kMapFlags = MAP_PRIVATE | MAP_ANON;
#endif

struct KnownRegion {
  uintptr_t end = 0;
  size_t page_bytes = 0;
};

struct KnownRegions {
  std::mutex mutex;
  std::map<uintptr_t, KnownRegion> by_start;
};

// Never destroyed: buffers are let go as late as at the process's end.
KnownRegions& TheRegions() {
  static auto* regions = new KnownRegions;
  return *regions;
}

size_t SmallPageBytes() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

void* Pointer(uintptr_t address) { return reinterpret_cast<void*>(address); }

void AdviseHugePages(uintptr_t start, size_t bytes, bool huge_pages) {
#if FORKSNAP_USE_LINUX
  // A kernel without huge pages refuses, which changes nothing but the speed: the figures tell.
  madvise(Pointer(start), bytes, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
}

}  // namespace

uintptr_t MapRegion(size_t bytes, bool huge_pages, int* error) {
  const size_t guard = SmallPageBytes();
  const size_t whole = bytes + kHugePageBytes + 2 * guard;
  if (whole < bytes) {
    *error = ENOMEM;
    return 0;
  }
  void* mapped = mmap(nullptr, whole, PROT_NONE, kMapFlags, -1, 0);
  if (mapped == MAP_FAILED) {
    *error = errno;
    return 0;
  }
  const auto base = reinterpret_cast<uintptr_t>(mapped);
  const uintptr_t start = (base + guard + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  const uintptr_t end = start + bytes;
  if (mprotect(Pointer(start), bytes, PROT_READ | PROT_WRITE) != 0) {
    *error = errno;
    munmap(mapped, whole);
    return 0;
  }
  if (start - guard > base) munmap(mapped, start - guard - base);
  if (end + guard < base + whole) munmap(Pointer(end + guard), base + whole - end - guard);
  AdviseHugePages(start, bytes, huge_pages);
  KnownRegions& regions = TheRegions();
  std::lock_guard<std::mutex> lock(regions.mutex);
  regions.by_start[start] = {end, huge_pages ? kHugePageBytes : guard};
  return start;
}

void UnmapRegion(uintptr_t start, size_t bytes) {
  KnownRegions& regions = TheRegions();
  std::lock_guard<std::mutex> lock(regions.mutex);
  regions.by_start.erase(start);
  const size_t guard = SmallPageBytes();
  munmap(Pointer(start - guard), bytes + 2 * guard);
}

bool DropPages(uintptr_t start, size_t bytes) {
#if FORKSNAP_USE_LINUX
  return madvise(Pointer(start), bytes, MADV_DONTNEED) == 0;
#else
  // Elsewhere the advice may leave the old contents; a new mapping in the place of the old one never does.
  return mmap(Pointer(start), bytes, PROT_READ | PROT_WRITE, kMapFlags | MAP_FIXED, -1, 0) != MAP_FAILED;
#endif
}

bool CollapsePages(uintptr_t start, size_t bytes) {
#if FORKSNAP_USE_LINUX
#ifndef MADV_COLLAPSE
  // Linux 6.1; older headers do not know it.
  constexpr int MADV_COLLAPSE = 25;
#endif
  return madvise(Pointer(start), bytes, MADV_COLLAPSE) == 0;
#else
  return false;
#endif
}

bool FindRegion(uintptr_t start, size_t bytes, Range* region, size_t* page_bytes) {
  KnownRegions& regions = TheRegions();
  std::lock_guard<std::mutex> lock(regions.mutex);
  auto after = regions.by_start.upper_bound(start);
  if (after == regions.by_start.begin()) return false;
  --after;
  const KnownRegion& known = after->second;
  if (start >= known.end || bytes > known.end - start) return false;
  *region = {after->first, known.end};
  *page_bytes = known.page_bytes;
  return true;
}

}  // namespace forksnap
