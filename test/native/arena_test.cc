// The arena's allocator: its rules one by one, and a fuzz against a model that knows every block's bytes.
#include "arena.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "arena_pages.h"
#include "check.h"

using forksnap::Arena;
using forksnap::ArenaOptions;
using forksnap::kHugePageBytes;
using forksnap::LivingArenas;
using forksnap::Range;
using forksnap::WrittenPages;

namespace {

constexpr size_t kMiB = size_t{1} << 20;

std::shared_ptr<Arena> Make(size_t bytes, size_t max_bytes = SIZE_MAX, bool huge_pages = true) {
  int error = 0;
  auto arena = Arena::Create({bytes, max_bytes, huge_pages}, &error);
  CHECK(arena != nullptr);
  return arena;
}

unsigned char* Take(Arena& arena, size_t bytes) {
  int error = 0;
  void* block = arena.Allocate(bytes, &error);
  CHECK(block != nullptr);
  return static_cast<unsigned char*>(block);
}

uintptr_t Address(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

// By one comparison of the block with itself, a byte on: a loop takes half a minute under a sanitizer.
bool AllAre(const unsigned char* block, size_t bytes, unsigned char value) {
  return block[0] == value && memcmp(block, block + 1, bytes - 1) == 0;
}

void Fill(unsigned char* block, size_t bytes, unsigned char value) { memset(block, value, bytes); }

// Of the pages of 4 KiB in the range, how many are in memory.
size_t ResidentPages(const void* start, size_t bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> seen(bytes / page);
  CHECK_EQ(mincore(const_cast<void*>(start), bytes, seen.data()), 0);
  return static_cast<size_t>(std::count_if(seen.begin(), seen.end(), [](unsigned char one) { return (one & 1) != 0; }));
}

#ifdef __linux__
// Of the mapping that holds the address, how much is in huge pages.
size_t AnonHugeBytes(uintptr_t address) {
  std::ifstream smaps("/proc/self/smaps");
  bool within = false;
  for (std::string line; std::getline(smaps, line);) {
    unsigned long start = 0;
    unsigned long end = 0;
    unsigned long kb = 0;
    if (sscanf(line.c_str(), "%lx-%lx ", &start, &end) == 2) within = start <= address && address < end;
    if (within && sscanf(line.c_str(), "AnonHugePages: %lu kB", &kb) == 1) return size_t{kb} << 10;
  }
  return 0;
}

// What happens while the kernel is at work on pages that are to become huge, which begin at that address.
std::function<void(uintptr_t)> during_collapse;

// Whether the kernel and the machine can do it.
bool CollapsesPages() {
  const auto arena = Make(2 * kMiB);
  unsigned char* block = Take(*arena, 2 * kMiB);
  Fill(block, 2 * kMiB, 1);
  return forksnap::CollapsePages(Address(block), 2 * kMiB);
}
#endif

bool IsMapped(uintptr_t address) {
  unsigned char seen = 0;
  return mincore(reinterpret_cast<void*>(address), 1, &seen) == 0;
}

// Runs the work in a child of fork() and returns its exit code.
template <typename Work>
int InChild(Work work) {
  const pid_t pid = fork();
  if (pid == 0) _exit(work());
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

#ifdef __linux__
// In the place of the C library's, which other tests and the arena itself get through this one as well. By its symbol,
// since the C libraries do not agree whether it is noexcept.
extern "C" int ObservedMadvise(void* start, size_t bytes, int advice) __asm__("madvise");
extern "C" int ObservedMadvise(void* start, size_t bytes, int advice) {
  constexpr int kCollapse = 25;
  if (advice == kCollapse && during_collapse) during_collapse(Address(start));
  return static_cast<int>(syscall(SYS_madvise, start, bytes, advice));
}
#endif

TEST(BlocksAreZeroedAndAligned) {
  const auto arena = Make(8 * kMiB);
  unsigned char* small = Take(*arena, 1);
  unsigned char* other = Take(*arena, 100);
  unsigned char* large = Take(*arena, 3 * kMiB);
  CHECK_EQ(Address(small) % 64, 0u);
  CHECK_EQ(Address(other) % 64, 0u);
  CHECK_EQ(Address(large) % kHugePageBytes, 0u);
  CHECK(AllAre(large, 3 * kMiB, 0));
  const auto stats = arena->Stats();
  CHECK_EQ(stats.mapped_bytes, 8 * kMiB);
  CHECK_EQ(stats.used_bytes, 3 * kMiB + 101);
  CHECK_EQ(stats.blocks, 3u);
}

TEST(ReusedMemoryIsZeroedWhetherGivenBackOrNot) {
  const auto arena = Make(8 * kMiB);
  for (const size_t bytes : {size_t{64}, size_t{5000}, 2 * kMiB, 3 * kMiB + 64, 6 * kMiB}) {
    // The neighbour keeps the first page in use, so that it cannot be given back.
    unsigned char* neighbour = Take(*arena, 64);
    unsigned char* block = Take(*arena, bytes);
    Fill(block, bytes, 0xaa);
    CHECK(arena->Free(block));
    unsigned char* again = Take(*arena, bytes);
    CHECK_EQ(again, block);
    CHECK(AllAre(again, bytes, 0));
    CHECK(arena->Free(again));
    CHECK(arena->Free(neighbour));
  }
}

TEST(FreedPagesGoBackToTheSystem) {
  const auto arena = Make(8 * kMiB, SIZE_MAX, false);
  unsigned char* block = Take(*arena, 4 * kMiB);
  Fill(block, 4 * kMiB, 1);
  CHECK_EQ(ResidentPages(block, 4 * kMiB), 4 * kMiB / static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  CHECK(arena->Free(block));
#ifdef __linux__
  CHECK_EQ(ResidentPages(block, 4 * kMiB), 0u);
#endif
}

TEST(GrowsByRegionsAndUnmapsThem) {
  const auto arena = Make(1);
  CHECK_EQ(arena->Stats().mapped_bytes, kHugePageBytes);
  unsigned char* large = Take(*arena, 5 * kMiB);
  CHECK_EQ(arena->Stats().mapped_bytes, kHugePageBytes + 6 * kMiB);
  CHECK_EQ(arena->Stats().regions.size(), 2u);
  CHECK(arena->Free(large));
  CHECK_EQ(arena->Stats().mapped_bytes, kHugePageBytes);
  CHECK(!IsMapped(Address(large)));
  // The first region stays, even when it is empty.
  CHECK(arena->Free(Take(*arena, 100)));
  CHECK_EQ(arena->Stats().regions.size(), 1u);
}

TEST(KeepsToItsLimit) {
  const auto arena = Make(4 * kMiB, 7 * kMiB);
  int error = 1;
  unsigned char* block = Take(*arena, 4 * kMiB);
  CHECK(arena->Allocate(2 * kMiB + 1, &error) == nullptr);
  CHECK_EQ(error, 0);
  unsigned char* last = Take(*arena, 2 * kMiB);
  CHECK(arena->Allocate(1, &error) == nullptr);
  CHECK_EQ(error, 0);
  CHECK(arena->Free(block));
  CHECK(arena->Free(last));
  CHECK(Take(*arena, 4 * kMiB) != nullptr);
  CHECK(Arena::Create({4 * kMiB, 3 * kMiB, true}, &error) == nullptr);
  CHECK_EQ(error, 0);
}

TEST(TellsTheSystemsError) {
  int error = 0;
  CHECK(Arena::Create({size_t{1} << 50, SIZE_MAX, true}, &error) == nullptr);
  CHECK_EQ(error, ENOMEM);
  const auto arena = Make(kMiB);
  error = 0;
  CHECK(arena->Allocate(size_t{1} << 50, &error) == nullptr);
  CHECK_EQ(error, ENOMEM);
  CHECK(arena->Allocate(0, &error) == nullptr);
  CHECK(arena->Allocate(SIZE_MAX, &error) == nullptr);
}

TEST(FreesOnlyWhatIsABlocksBeginning) {
  const auto arena = Make(4 * kMiB);
  const auto other = Make(4 * kMiB);
  unsigned char* block = Take(*arena, 128);
  CHECK(arena->Holds(block));
  CHECK(!other->Free(block));
  CHECK(!arena->Free(block + 64));
  CHECK(!arena->Free(nullptr));
  CHECK(arena->Free(block));
  CHECK(!arena->Free(block));
  CHECK(!arena->Holds(block));
}

TEST(AForksChildHasTheMemoryAndKeepsItsWritesToItself) {
  const auto arena = Make(4 * kMiB);
  unsigned char* block = Take(*arena, 3 * kMiB);
  Fill(block, 3 * kMiB, 7);
  const int code = InChild([&] {
    if (!AllAre(block, 3 * kMiB, 7)) return 1;
    Fill(block, 3 * kMiB, 9);
    int error = 0;
    return arena->Allocate(64, &error) == nullptr ? 2 : 0;
  });
  CHECK_EQ(code, 0);
  CHECK(AllAre(block, 3 * kMiB, 7));
}

TEST(WrittenPagesAreDroppedOnceTheyAreComplete) {
  const auto arena = Make(16 * kMiB);
  unsigned char* block = Take(*arena, 5 * kMiB);
  Fill(block, 5 * kMiB, 7);
  const int code = InChild([&] {
    WrittenPages written;
    if (written.Add(block, kMiB) != 0) return 1;
    if (written.Add(block + 3 * kMiB, kMiB) != 0) return 2;
    if (!AllAre(block, 5 * kMiB, 7)) return 3;
    // Both pages become complete by what lies between.
    if (written.Add(block + kMiB, 2 * kMiB) != 4 * kMiB) return 4;
    if (!AllAre(block, 4 * kMiB, 0)) return 5;
    // The last page is not wholly written.
    if (written.Add(block + 4 * kMiB, kMiB) != 0) return 6;
    return AllAre(block + 4 * kMiB, kMiB, 7) ? 0 : 7;
  });
  CHECK_EQ(code, 0);
  CHECK(AllAre(block, 5 * kMiB, 7));
}

TEST(WrittenPagesOfSmallPagesAndOfBlocksSideBySide) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const auto arena = Make(4 * kMiB, SIZE_MAX, false);
  unsigned char* first = Take(*arena, page / 2);
  unsigned char* second = Take(*arena, page);
  CHECK_EQ(second, first + page / 2);
  Fill(first, page / 2, 7);
  Fill(second, page, 7);
  const int code = InChild([&] {
    WrittenPages written;
    if (written.Add(second, page) != 0) return 1;
    if (written.Add(first, page / 2) != page) return 2;
    return AllAre(first, page, 0) && AllAre(second + page / 2, page / 2, 7) ? 0 : 3;
  });
  CHECK_EQ(code, 0);
}

TEST(ArenasAreCollapsedWhileTheyAreUsedAndWhileTheirRegionsComeAndGo) {
  const auto kept = Make(4 * kMiB);
  unsigned char* block = Take(*kept, 4 * kMiB);
  Fill(block, 4 * kMiB, 7);
  LivingArenas::Add(kept);
  CHECK(LivingArenas::Any());
  {
    // One that is gone is passed over.
    LivingArenas::Add(Make(2 * kMiB));
  }
  std::atomic<bool> over{false};
  std::thread worker([&] {
    while (!over) LivingArenas::Collapse(std::chrono::microseconds(100));
  });
  for (int i = 0; i < 200; ++i) {
    unsigned char* other = Take(*kept, 4 * kMiB);
    Fill(other, 4 * kMiB, static_cast<unsigned char>(i));
    CHECK(AllAre(other, 4 * kMiB, static_cast<unsigned char>(i)));
    CHECK(kept->Free(other));
  }
  over = true;
  worker.join();
  while (!LivingArenas::Collapse(std::chrono::seconds(1))) continue;
  CHECK(AllAre(block, 4 * kMiB, 7));
  // A region that became empty while it was worked on is gone, too.
  CHECK_EQ(kept->Stats().mapped_bytes, 4 * kMiB);
}

#ifdef __linux__
TEST(ARegionThatIsWorkedOnStaysUntilTheWorkIsDoneAndIsThenGoneIfItIsEmpty) {
  for (const bool taken_again : {false, true}) {
    const auto arena = Make(4 * kMiB);
    Fill(Take(*arena, 4 * kMiB), 4 * kMiB, 7);
    unsigned char* other = Take(*arena, 4 * kMiB);
    Fill(other, 4 * kMiB, 8);
    CHECK_EQ(arena->Stats().mapped_bytes, 8 * kMiB);
    int seen = 0;
    during_collapse = [&](uintptr_t start) {
      if (start != Address(other)) return;
      ++seen;
      CHECK(arena->Free(other));
      CHECK(IsMapped(start));
      if (taken_again) CHECK_EQ(Take(*arena, 4 * kMiB), other);
    };
    CHECK_EQ(arena->Collapse(0, std::chrono::seconds(60)), 0u);
    during_collapse = nullptr;
    CHECK_EQ(seen, 1);
    CHECK_EQ(IsMapped(Address(other)), taken_again);
    CHECK_EQ(arena->Stats().mapped_bytes, taken_again ? 8 * kMiB : 4 * kMiB);
  }
}

TEST(AnArenaThatGoesWhileItIsCollapsedKeepsNoOtherFromIt) {
  constexpr size_t kBytes = 32 * kMiB;
  auto first = Make(kBytes);
  auto second = Make(kBytes);
  // Worked on in the order in which they are added.
  if (first->Stats().regions[0].start < second->Stats().regions[0].start) std::swap(first, second);
  Fill(Take(*first, kBytes), kBytes, 7);
  unsigned char* block = Take(*second, kBytes);
  CHECK_EQ(madvise(block, kBytes, MADV_NOHUGEPAGE), 0);
  Fill(block, kBytes, 8);
  CHECK_EQ(madvise(block, kBytes, MADV_HUGEPAGE), 0);
  CHECK_EQ(AnonHugeBytes(Address(block)), 0u);
  while (!LivingArenas::Collapse(std::chrono::seconds(1))) continue;
  LivingArenas::Add(first);
  LivingArenas::Add(second);
  LivingArenas::Collapse(std::chrono::microseconds(50));
  first.reset();
  while (!LivingArenas::Collapse(std::chrono::seconds(1))) continue;
  if (CollapsesPages()) CHECK_EQ(AnonHugeBytes(Address(block)), kBytes);
}
#endif

TEST(CollapsingGoesOnWhereItEndedAndChangesNothing) {
  const auto arena = Make(64 * kMiB);
  unsigned char* block = Take(*arena, 60 * kMiB);
  Fill(block, 60 * kMiB, 7);
  // A budget that is used up at once: a portion of 8 MiB each time.
  std::vector<size_t> seen;
  uintptr_t at = 0;
  do {
    at = arena->Collapse(at, std::chrono::nanoseconds(0));
    if (at != 0) seen.push_back(at - Address(block));
  } while (at != 0);
  CHECK_EQ(seen.size(), 8u);
  CHECK_EQ(seen[0], 8 * kMiB);
  CHECK_EQ(seen[7], 60 * kMiB);
  CHECK_EQ(arena->Collapse(0, std::chrono::seconds(60)), 0u);
  CHECK(AllAre(block, 60 * kMiB, 7));
  CHECK(arena->Free(block));
  // What is empty stays so.
  CHECK_EQ(arena->Collapse(0, std::chrono::nanoseconds(0)), 0u);
#ifdef __linux__
  CHECK_EQ(ResidentPages(block, 60 * kMiB), 0u);
#endif
}

TEST(WhatIsNoArenasIsPassedOver) {
  WrittenPages written;
  std::vector<unsigned char> own(3 * kHugePageBytes, 7);
  CHECK_EQ(written.Add(own.data(), own.size()), 0u);
  CHECK(AllAre(own.data(), own.size(), 7));
  const auto arena = Make(4 * kMiB);
  unsigned char* block = Take(*arena, 4 * kMiB);
  // More than the region: a range that nobody can have from an arena.
  CHECK_EQ(written.Add(block, 5 * kMiB), 0u);
  CHECK_EQ(written.Add(block, 0), 0u);
}

namespace {

// Every block is filled with a number of its own and checked before it is freed.
class Model {
 public:
  Model(unsigned seed, bool huge_pages, size_t max_bytes)
      : random_(seed), max_bytes_(max_bytes), arena_(Make(2 * kMiB, max_bytes, huge_pages)) {}

  void Run(int steps) {
    for (int i = 0; i < steps; ++i) {
      if (blocks_.empty() || random_() % 5 < 3) {
        Allocate();
      } else {
        FreeOne();
      }
      if (i % 64 == 0) CheckFigures();
    }
    while (!blocks_.empty()) FreeOne();
    CheckFigures();
    CHECK_EQ(arena_->Stats().regions.size(), 1u);
    // The whole of the first region is one extent again.
    CHECK(Take(*arena_, 2 * kMiB) != nullptr);
    CHECK_EQ(arena_->Stats().mapped_bytes, 2 * kMiB);
  }

 private:
  struct Block {
    unsigned char* data;
    size_t bytes;
    unsigned char value;
  };

  size_t AnySize() {
    switch (random_() % 4) {
      case 0:
        return 1 + random_() % 200;
      case 1:
        return 1 + random_() % (64 << 10);
      case 2:
        return 1 + random_() % (2 * kMiB);
      default:
        // Around whole huge pages, where the rules change.
        return (1 + random_() % 2) * kHugePageBytes - 64 + 64 * (random_() % 3);
    }
  }

  void Allocate() {
    const size_t bytes = AnySize();
    int error = 1;
    auto* data = static_cast<unsigned char*>(arena_->Allocate(bytes, &error));
    if (data == nullptr) {
      CHECK_EQ(error, 0);
      // Refused for the limit only: a region for it would not have fitted.
      CHECK(arena_->Stats().mapped_bytes + bytes > max_bytes_ - kHugePageBytes);
      return;
    }
    for (const Block& block : blocks_) CHECK(data + bytes <= block.data || block.data + block.bytes <= data);
    CHECK(AllAre(data, bytes, 0));
    const auto value = static_cast<unsigned char>(1 + random_() % 255);
    Fill(data, bytes, value);
    blocks_.push_back({data, bytes, value});
  }

  void FreeOne() {
    std::swap(blocks_[random_() % blocks_.size()], blocks_.back());
    const Block block = blocks_.back();
    blocks_.pop_back();
    CHECK(AllAre(block.data, block.bytes, block.value));
    CHECK(arena_->Free(block.data));
    CHECK(!arena_->Free(block.data));
  }

  void CheckFigures() {
    const auto stats = arena_->Stats();
    size_t used = 0;
    for (const Block& block : blocks_) used += block.bytes;
    size_t mapped = 0;
    for (const Range& region : stats.regions) mapped += region.end - region.start;
    CHECK_EQ(stats.used_bytes, used);
    CHECK_EQ(stats.blocks, blocks_.size());
    CHECK_EQ(stats.mapped_bytes, mapped);
    CHECK(mapped <= max_bytes_);
  }

  std::mt19937 random_;
  size_t max_bytes_;
  std::shared_ptr<Arena> arena_;
  std::vector<Block> blocks_;
};

}  // namespace

TEST(FuzzAgainstAModel) {
  for (unsigned seed = 1; seed <= 6; ++seed) {
    const bool limited = seed % 3 == 0;
    Model(seed, seed % 2 == 0, limited ? 24 * kMiB : SIZE_MAX).Run(300);
  }
}

TEST(ManyThreadsShareOne) {
  const auto arena = Make(4 * kMiB);
  std::vector<std::thread> threads;
  for (unsigned number = 1; number <= 4; ++number) {
    threads.emplace_back([&arena, number] {
      std::mt19937 random(number);
      for (int i = 0; i < 200; ++i) {
        const size_t bytes = 1 + random() % (i % 10 == 0 ? 3 * kMiB : 10000);
        unsigned char* block = Take(*arena, bytes);
        CHECK(AllAre(block, bytes, 0));
        Fill(block, bytes, static_cast<unsigned char>(number));
        CHECK(AllAre(block, bytes, static_cast<unsigned char>(number)));
        CHECK(arena->Free(block));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(arena->Stats().blocks, 0u);
}

TEST_MAIN
