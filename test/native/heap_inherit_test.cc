// MADV_DOFORK over everything, a fork that proves it, and MADV_DONTFORK back where it was (Linux).
#include "heap_inherit.h"

#ifdef __linux__

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

using forksnap::Range;

namespace {

constexpr size_t kBytes = 1 << 20;

char* MarkedPages() {
  void* pages = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(pages != MAP_FAILED);
  static_cast<char*>(pages)[kBytes / 2] = 42;
  CHECK_EQ(madvise(pages, kBytes, MADV_DONTFORK), 0);
  return static_cast<char*>(pages);
}

// Whether a child has the pages: it asks the kernel, since touching what it has not would end it by a signal.
bool ChildInherits(const char* pages) {
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    unsigned char resident[kBytes / 4096];
    const bool mapped = mincore(const_cast<char*>(pages), kBytes, resident) == 0;
    _exit(mapped && pages[kBytes / 2] == 42 ? 0 : 1);
  }
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFEXITED(status));
  return WEXITSTATUS(status) == 0;
}

}  // namespace

TEST(InheritsAndTakesBack) {
  char* pages = MarkedPages();
  const Range range{reinterpret_cast<uintptr_t>(pages), reinterpret_cast<uintptr_t>(pages) + kBytes};
  CHECK(!ChildInherits(pages));
  CHECK_EQ(forksnap::InheritEverything(), 0);
  CHECK(ChildInherits(pages));
  forksnap::RestoreDontFork({range});
  CHECK(!ChildInherits(pages));
  CHECK_EQ(munmap(pages, kBytes), 0);
}

TEST(WhatTheScanFoundIsWhatIsRestored) {
  char* pages = MarkedPages();
  const forksnap::SmapsScan scan = forksnap::ScanSmaps(nullptr);
  CHECK(scan.complete);
  CHECK_EQ(forksnap::InheritEverything(), 0);
  CHECK(ChildInherits(pages));
  forksnap::RestoreDontFork(scan.dontfork);
  CHECK(!ChildInherits(pages));
  CHECK_EQ(munmap(pages, kBytes), 0);
}

TEST(ARangeThatIsGoneIsPassedOver) {
  char* gone = MarkedPages();
  char* pages = MarkedPages();
  const uintptr_t at = reinterpret_cast<uintptr_t>(pages);
  const uintptr_t was = reinterpret_cast<uintptr_t>(gone);
  CHECK_EQ(forksnap::InheritEverything(), 0);
  CHECK_EQ(munmap(gone, kBytes), 0);
  forksnap::RestoreDontFork({Range{was, was + kBytes}, Range{at, at + kBytes}});
  CHECK(!ChildInherits(pages));
  CHECK_EQ(munmap(pages, kBytes), 0);
}

TEST(ManyMappingsAllOverTheAddressSpace) {
  std::vector<char*> all;
  for (uintptr_t at = uintptr_t{1} << 36; at < uintptr_t{1} << 46; at += uintptr_t{1} << 38) {
    void* pages = mmap(reinterpret_cast<void*>(at), kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    static_cast<char*>(pages)[kBytes / 2] = 42;
    CHECK_EQ(madvise(pages, kBytes, MADV_DONTFORK), 0);
    all.push_back(static_cast<char*>(pages));
  }
  CHECK_EQ(forksnap::InheritEverything(), 0);
  for (char* pages : all) CHECK(ChildInherits(pages));
  for (char* pages : all) CHECK_EQ(munmap(pages, kBytes), 0);
}

TEST_MAIN

#else
int main() { return 0; }
#endif
