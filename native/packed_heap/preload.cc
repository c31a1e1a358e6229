// The library that `forksnap exec` preloads: answers V8's requests for heap memory from one region (region.h).
// Everything else goes to the kernel as it came.
//
// V8 needs each chunk of its heap aligned to 256 KiB, so it asks for that much more than it needs, less a page, at an
// address of its own choice, and unmaps what is over: mmap(hint, 256 KiB + 252 KiB), madvise(DONTFORK), munmap(end of
// the chunk, 252 KiB). Large objects come the same way. Code is never asked for like this but as one big reservation,
// and never answered from here.

// Where off_t has 64 bits anyway, this would only make the headers call mmap() by its other name.
#undef _FILE_OFFSET_BITS

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>

#include <atomic>

#include "kernel.h"
#include "region.h"

#define FORKSNAP_EXPORT extern "C" __attribute__((visibility("default")))
// As the C library's headers declare its functions.
#ifdef __GLIBC__
#define FORKSNAP_THROW noexcept
#else
#define FORKSNAP_THROW
#endif

// Exported by every Node; missing in the shells and tools on the way to one.
extern "C" __attribute__((weak)) void node_module_register(void*);

namespace {

using forksnap::PackedRegion;
namespace kernel = forksnap::kernel;

constexpr size_t kSlot = PackedRegion::kSlot;
// What V8 asks for beside the chunk itself.
constexpr size_t kTail = kSlot - PackedRegion::kPage;
// Only address space, as long as it is not used.
constexpr size_t kRegionBytes = size_t{128} << 30;
// No object of V8's heap is larger than 1 GiB.
constexpr size_t kLargestBytes = (size_t{1} << 30) + (16 << 20);
// V8's reservation for code has this size. As heap memory it would be one array of 64 million elements: let that one
// go.
constexpr size_t kCodeRangeBytes = size_t{512} << 20;
constexpr size_t kCodeRangeSlack = size_t{1} << 20;
constexpr int kReadWrite = PROT_READ | PROT_WRITE;
// So many requests of one place in the program must have gone as expected before a chunk is given one slot only.
constexpr int kTrustAfter = 8;

constinit PackedRegion region;

// ---- Who asks -------------------------------------------------------------------------------------------------------

// A chunk's 252 KiB too many are unmapped at once, so that a place in the program that has always done so gets a slot
// whose neighbour may be taken: a lone free slot could not be used otherwise. Whoever breaks that promise, without
// having touched what is not its own, gets an error, and nobody is given such a slot any more.
constexpr uintptr_t kNobody = 1;
std::atomic<uintptr_t> trusted_site{0};
std::atomic<int> kept_promises{0};

// The chunk that this thread was given last, until it has unmapped the rest.
struct Pending {
  uintptr_t chunk;
  bool lone;        // The rest is not its own.
  bool accessible;  // It was given to be read and written.
};
thread_local Pending pending __attribute__((tls_model("initial-exec"))) = {0, false, false};

[[noreturn]] void Die() {
  static constexpr char kMessage[] =
      "forksnap: the packed heap met a program that keeps memory which V8 returns; run it without `forksnap exec`\n";
  if (write(STDERR_FILENO, kMessage, sizeof kMessage - 1) < 0) {
    // Nobody is left to be told.
  }
  abort();
}

void Distrust() { trusted_site.store(kNobody, std::memory_order_relaxed); }

bool IsTrusted(uintptr_t site) {
  return trusted_site.load(std::memory_order_relaxed) == site &&
         kept_promises.load(std::memory_order_relaxed) >= kTrustAfter;
}

void Learn(uintptr_t site) {
  uintptr_t nobody_yet = 0;
  trusted_site.compare_exchange_strong(nobody_yet, site, std::memory_order_relaxed);
}

// The last chunk's rest was not unmapped: that was no chunk of V8's.
void BreakPromise() {
  if (pending.lone && pending.accessible) Die();
  Distrust();
  pending.chunk = 0;
}

// ---- What is answered -----------------------------------------------------------------------------------------------

bool IsHeapRequest(uintptr_t hint, size_t length, int prot, int flags, int fd) {
  if (!region.reserved() || fd != -1 || (flags & ~MAP_NORESERVE) != (MAP_PRIVATE | MAP_ANONYMOUS)) return false;
  if (hint == 0 || hint % kSlot != 0 || (prot != PROT_NONE && prot != kReadWrite)) return false;
  if (length % PackedRegion::kPage != 0 || length <= kTail || length > kLargestBytes) return false;
  const size_t bytes = length - kTail;
  if (bytes + kCodeRangeSlack >= kCodeRangeBytes && bytes <= kCodeRangeBytes + kCodeRangeSlack) return false;
  // The rest of its last slot cannot be used: an eighth of the object is as much as that may cost.
  const size_t waste = (kSlot - bytes % kSlot) % kSlot;
  return waste <= bytes / 8;
}

void* AnswerHeapRequest(size_t length, int prot, uintptr_t site) {
  if (pending.chunk != 0) BreakPromise();
  if (length != kSlot + kTail) return region.Map(length, prot);
  const bool lone = IsTrusted(site);
  void* const chunk = region.Map(lone ? kSlot : length, prot);
  if (chunk == nullptr) return nullptr;
  if (!lone) Learn(site);
  const bool followed = lone || trusted_site.load(std::memory_order_relaxed) == site;
  if (followed) pending = {reinterpret_cast<uintptr_t>(chunk), lone, prot != PROT_NONE};
  return chunk;
}

bool IsPendingWhole(uintptr_t start, size_t length) {
  return pending.chunk != 0 && start == pending.chunk && length == kSlot + kTail;
}

bool IsPendingRest(uintptr_t start, size_t length) {
  return pending.chunk != 0 && start == pending.chunk + kSlot && length == kTail;
}

int UnmapInRegion(uintptr_t start, size_t length) {
  if (IsPendingRest(start, length)) {
    const bool lone = pending.lone;
    pending.chunk = 0;
    if (lone) return 0;
    kept_promises.fetch_add(1, std::memory_order_relaxed);
  } else if (IsPendingWhole(start, length)) {
    if (pending.lone) length = kSlot;
    pending.chunk = 0;
  }
  return region.Unmap(start, length);
}

// The parts outside the region are the kernel's.
int Unmap(uintptr_t start, size_t length) {
  if (length == 0 || start % PackedRegion::kPage != 0 || !region.Intersects(start, length)) {
    return kernel::Unmap(start, length);
  }
  if (region.Contains(start, length)) return UnmapInRegion(start, length);
  const uintptr_t end = start + length;
  const uintptr_t inner_start = start > region.start() ? start : region.start();
  const uintptr_t inner_end = end < region.end() ? end : region.end();
  int error = region.Unmap(inner_start, inner_end - inner_start);
  if (error == 0 && start < inner_start) error = kernel::Unmap(start, inner_start - start);
  if (error == 0 && inner_end < end) error = kernel::Unmap(inner_end, end - inner_end);
  return error;
}

int Protect(uintptr_t start, size_t length, int prot) {
  if (length == 0 || start % PackedRegion::kPage != 0 || !region.Intersects(start, length)) {
    return kernel::Protect(start, length, prot);
  }
  if (!region.Contains(start, length)) return ENOMEM;
  // Still with what is not its own: it would have been unmapped by now.
  if (pending.chunk != 0 && pending.lone && start >= pending.chunk && start < pending.chunk + kSlot + kTail) {
    Distrust();
    return ENOMEM;
  }
  return region.Protect(start, length, prot);
}

int Advise(uintptr_t start, size_t length, int advice) {
  // A range that holds all of the region is advised by the kernel: forksnap's MADV_DOFORK over the whole address space.
  if (length == 0 || start % PackedRegion::kPage != 0 || !region.Contains(start, length)) {
    return kernel::Advise(start, length, advice);
  }
  return region.Advise(start, length, advice);
}

void* Map(void* hint, size_t length, int prot, int flags, int fd, off_t offset, uintptr_t site) {
  const auto at = reinterpret_cast<uintptr_t>(hint);
  if ((flags & MAP_FIXED) != 0 && region.Intersects(at, length)) {
    const bool anonymous = (flags & (MAP_TYPE | MAP_ANONYMOUS)) == (MAP_PRIVATE | MAP_ANONYMOUS);
    const int error = anonymous && region.Contains(at, length) ? region.Replace(at, length, prot) : ENOMEM;
    if (error == 0) return hint;
    errno = error;
    return MAP_FAILED;
  }
  if (IsHeapRequest(at, length, prot, flags, fd)) {
    const int error = errno;
    void* const chunk = AnswerHeapRequest(length, prot, site);
    errno = error;
    if (chunk != nullptr) return chunk;
  }
  return kernel::Map(hint, length, prot, flags, fd, offset);
}

int Result(int error) {
  if (error == 0) return 0;
  errno = error;
  return -1;
}

// ---- At the start ---------------------------------------------------------------------------------------------------

// Takes this library out of LD_PRELOAD, so that what Node starts is left alone. In place: nobody else runs yet.
void LeaveEnvironment(const char* own_path) {
  char* const list = getenv("LD_PRELOAD");
  const size_t length = strlen(own_path);
  char* const found = list == nullptr || length == 0 ? nullptr : strstr(list, own_path);
  if (found != nullptr) {
    char* rest = found + length;
    while (*rest == ':' || *rest == ' ') ++rest;
    memmove(found, rest, strlen(rest) + 1);
    for (char* last = list + strlen(list); last > list && (last[-1] == ':' || last[-1] == ' ');) *--last = '\0';
    if (*list == '\0') unsetenv("LD_PRELOAD");
  }
  unsetenv("FORKSNAP_PACKED_HEAP");
  unsetenv("FORKSNAP_PACKED_HEAP_INHERIT");
}

// An empty value is that of a `forksnap exec` without --inherit which an outer one with it has started.
bool MayStayInEnvironment() {
  const char* const inherit = getenv("FORKSNAP_PACKED_HEAP_INHERIT");
  return inherit != nullptr && *inherit != '\0';
}

// Far below the libraries, where V8's own random addresses are: forksnap tells its mappings from others by that.
uintptr_t RegionHint() {
  uint32_t random = 0;
  const auto* bytes = reinterpret_cast<const void*>(getauxval(AT_RANDOM));
  if (bytes != nullptr) memcpy(&random, bytes, sizeof random);
  return ((uintptr_t{1} << 12) + random % (uintptr_t{1} << 13)) << 32;
}

bool MayReserve() {
  rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY) return false;
  return sysconf(_SC_PAGESIZE) == static_cast<long>(PackedRegion::kPage);
}

__attribute__((constructor)) void Start() {
  // A shell or `env` on the way to Node hands the library on.
  const char* const own_path = getenv("FORKSNAP_PACKED_HEAP");
  if (&node_module_register == nullptr || own_path == nullptr) return;
  if (!MayStayInEnvironment()) LeaveEnvironment(own_path);
  if (!MayReserve() || !region.Reserve(kRegionBytes, RegionHint())) return;
  pthread_atfork([] { region.Lock(); }, [] { region.Unlock(); }, [] { region.Unlock(); });
}

}  // namespace

// ---- The C library's functions --------------------------------------------------------------------------------------

FORKSNAP_EXPORT void* mmap(void* hint, size_t length, int prot, int flags, int fd, off_t offset) FORKSNAP_THROW {
  return Map(hint, length, prot, flags, fd, offset, reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
}

#ifdef __GLIBC__
FORKSNAP_EXPORT void* mmap64(void* hint, size_t length, int prot, int flags, int fd, off_t offset) FORKSNAP_THROW {
  return Map(hint, length, prot, flags, fd, offset, reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
}
#endif

FORKSNAP_EXPORT int munmap(void* start, size_t length) FORKSNAP_THROW {
  return Result(Unmap(reinterpret_cast<uintptr_t>(start), length));
}

FORKSNAP_EXPORT int mprotect(void* start, size_t length, int prot) FORKSNAP_THROW {
  return Result(Protect(reinterpret_cast<uintptr_t>(start), length, prot));
}

FORKSNAP_EXPORT int madvise(void* start, size_t length, int advice) FORKSNAP_THROW {
  return Result(Advise(reinterpret_cast<uintptr_t>(start), length, advice));
}

// Nobody moves the V8 heap. If somebody did, its slot would be a hole in the region: refused, as the kernel may.
FORKSNAP_EXPORT void* mremap(void* old, size_t old_length, size_t length, int flags, ...) FORKSNAP_THROW {
  va_list list;
  va_start(list, flags);
  void* const target = (flags & MREMAP_FIXED) != 0 ? va_arg(list, void*) : nullptr;
  va_end(list);
  const bool ours = region.Intersects(reinterpret_cast<uintptr_t>(old), old_length > 0 ? old_length : 1) ||
                    ((flags & MREMAP_FIXED) != 0 && region.Intersects(reinterpret_cast<uintptr_t>(target), length));
  if (ours) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return reinterpret_cast<void*>(syscall(SYS_mremap, old, old_length, length, flags, target));
}

// ---- For the addon --------------------------------------------------------------------------------------------------

// Fills in live, idle, committed and reserved bytes; returns whether the heap is packed.
FORKSNAP_EXPORT bool forksnap_packed_heap_stats(uint64_t figures[4]) noexcept {
  if (!region.reserved()) return false;
  const PackedRegion::Stats stats = region.Read();
  figures[0] = stats.live;
  figures[1] = stats.idle;
  figures[2] = stats.committed;
  figures[3] = stats.reserved;
  return true;
}

// Makes pages huge for `budget_ns`, one at least; fills in how many were made, how many were refused, and the longest
// that one took, in ns: in all, and on a processor. Returns 0 when there are more, 1 when all have been seen, 2 when
// the kernel cannot do it.
FORKSNAP_EXPORT int forksnap_packed_heap_collapse_2(uint64_t budget_ns, uint64_t figures[4]) noexcept {
  for (int i = 0; i < 4; ++i) figures[i] = 0;
  if (!region.reserved()) return 2;
  const PackedRegion::Collapsed result = region.Collapse(budget_ns);
  figures[0] = result.made;
  figures[1] = result.refused;
  figures[2] = result.longest_ns;
  figures[3] = result.longest_cpu_ns;
  if (result.unsupported) return 2;
  return result.finished ? 1 : 0;
}
