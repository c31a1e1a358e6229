#include "heap_inherit.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

namespace forksnap {

#ifdef __linux__

namespace {

constexpr uintptr_t kPage = 4096;
#if defined(__x86_64__)
constexpr uintptr_t kTop = (uintptr_t{1} << 47) - kPage;
#else
constexpr uintptr_t kTop = (uintptr_t{1} << 48) - kPage;
#endif

// The kernel's own pages ([vvar], [vdso]) refuse the advice and stop a call that meets them. They never move.
struct KernelPages {
  uintptr_t start = 0;
  uintptr_t end = 0;

  KernelPages() {
    FILE* maps = fopen("/proc/self/maps", "re");
    if (maps == nullptr) return;
    char line[512];
    while (fgets(line, sizeof line, maps) != nullptr) {
      unsigned long from = 0;
      unsigned long to = 0;
      if (strstr(line, "[vvar") == nullptr && strstr(line, "[vdso]") == nullptr) continue;
      if (sscanf(line, "%lx-%lx", &from, &to) != 2) continue;
      if (start == 0) start = from;
      end = to;
    }
    fclose(maps);
  }
};

const KernelPages& TheKernelPages() {
  static const KernelPages kernel_pages;
  return kernel_pages;
}

// Gaps make the call return ENOMEM and still apply; EINVAL means that it stopped at a mapping that refuses.
bool Applies(uintptr_t start, uintptr_t end) {
  if (start >= end) return true;
  return madvise(reinterpret_cast<void*>(start), end - start, MADV_DOFORK) == 0 || errno == ENOMEM;
}

// Mapping by mapping, for processes with device memory in the middle of the address space. Refusals are left as they
// are: such memory was never inherited in the first place.
int InheritOneByOne() {
  FILE* maps = fopen("/proc/self/maps", "re");
  if (maps == nullptr) return errno;
  char line[4608];
  while (fgets(line, sizeof line, maps) != nullptr) {
    unsigned long from = 0;
    unsigned long to = 0;
    if (sscanf(line, "%lx-%lx", &from, &to) != 2 || to > kTop) continue;
    if (madvise(reinterpret_cast<void*>(from), to - from, MADV_DOFORK) == 0) continue;
    if (errno == ENOMEM || errno == EINVAL) continue;
    const int error = errno;
    fclose(maps);
    return error;
  }
  fclose(maps);
  return 0;
}

}  // namespace

void FindKernelPages() { TheKernelPages(); }

int InheritEverything() {
  const KernelPages& kernel_pages = TheKernelPages();
  if (kernel_pages.start != 0 && Applies(kPage * 16, kernel_pages.start) && Applies(kernel_pages.end, kTop)) {
    return 0;
  }
  return InheritOneByOne();
}

void InheritRange(const Range& range) { Applies(range.start, range.end); }

void RestoreDontFork(const std::vector<Range>& ranges) {
  for (const Range& range : ranges) {
    madvise(reinterpret_cast<void*>(range.start), range.end - range.start, MADV_DONTFORK);
  }
}

#else

void FindKernelPages() {}
int InheritEverything() { return 0; }
void InheritRange(const Range&) {}
void RestoreDontFork(const std::vector<Range>&) {}

#endif

}  // namespace forksnap
