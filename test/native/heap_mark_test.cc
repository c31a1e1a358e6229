// The mark MADV_DONTFORK, lifted for a fork of our own and put back before anybody else's (Linux).
#include "heap_mark.h"

#ifdef __linux__

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "check.h"

using forksnap::CutSpans;
using forksnap::HeapMark;
using forksnap::Range;

namespace {

constexpr size_t kBytes = 1 << 20;
const std::atomic<bool> kGoOn{false};

Range MarkedPages() {
  void* pages = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(pages != MAP_FAILED);
  static_cast<char*>(pages)[0] = 42;
  CHECK_EQ(madvise(pages, kBytes, MADV_DONTFORK), 0);
  const auto start = reinterpret_cast<uintptr_t>(pages);
  return {start, start + kBytes};
}

bool Mapped(const Range& range) {
  unsigned char resident[kBytes / 4096];
  return mincore(reinterpret_cast<void*>(range.start), kBytes, resident) == 0;
}

// Forks as anybody would; bit i says whether the child has range i.
int Inherited(const std::vector<Range>& ranges) {
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    int bits = 0;
    for (size_t i = 0; i < ranges.size(); ++i) bits |= Mapped(ranges[i]) ? 1 << i : 0;
    _exit(bits);
  }
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFEXITED(status));
  return WEXITSTATUS(status);
}

int InheritedByOwn(const std::vector<Range>& ranges) {
  const HeapMark::OwnFork own;
  return Inherited(ranges);
}

void Unmap(const std::vector<Range>& ranges) {
  for (const Range& range : ranges) CHECK_EQ(munmap(reinterpret_cast<void*>(range.start), kBytes), 0);
}

bool Same(const std::vector<Range>& ranges, const std::vector<Range>& others) {
  if (ranges.size() != others.size()) return false;
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].start != others[i].start || ranges[i].end != others[i].end) return false;
  }
  return true;
}

}  // namespace

TEST(SpansAreCutWhereTheNextRangeWouldBeOneTooMany) {
  const std::vector<Range> ranges = {{10, 11}, {12, 13}, {14, 15}, {16, 17}, {20, 21}, {50, 51}};
  CHECK(Same(CutSpans({{5, 18}, {19, 30}, {40, 60}}, ranges, 2), {{5, 14}, {14, 18}, {19, 30}, {40, 60}}));
  CHECK(Same(CutSpans({{5, 18}}, ranges, 1), {{5, 12}, {12, 14}, {14, 16}, {16, 18}}));
  CHECK(Same(CutSpans({{11, 18}}, ranges, 9), {{11, 18}}));
  CHECK(Same(CutSpans({}, ranges, 2), {}));
}

TEST(AForkOfOurOwnInheritsAndTheMarkStaysLifted) {
  const std::vector<Range> ranges = {MarkedPages(), MarkedPages()};
  CHECK_EQ(InheritedByOwn(ranges), 0);
  HeapMark::Get().Lift(ranges, kGoOn);
  CHECK_EQ(InheritedByOwn(ranges), 3);
  CHECK(HeapMark::Get().lifted());
  HeapMark::Get().PutBack();
  CHECK(!HeapMark::Get().lifted());
  CHECK_EQ(InheritedByOwn(ranges), 0);
  Unmap(ranges);
}

TEST(AnybodyElsesForkPutsItBackFirst) {
  const std::vector<Range> ranges = {MarkedPages(), MarkedPages()};
  HeapMark::Get().Lift(ranges, kGoOn);
  CHECK_EQ(Inherited(ranges), 0);
  CHECK(!HeapMark::Get().lifted());
  HeapMark::Get().Lift(ranges, kGoOn);
  int inherited = -1;
  std::thread([&] { inherited = Inherited(ranges); }).join();
  CHECK_EQ(inherited, 0);
  Unmap(ranges);
}

// A C library may hold a lock over the hooks that the fork of our own is to take next.
TEST(AnybodyElsesForkDoesNotWaitForOneOfOurOwn) {
  const std::vector<Range> ranges = {MarkedPages()};
  HeapMark::Get().Lift(ranges, kGoOn);
  {
    std::promise<int> inherited;
    std::future<int> told = inherited.get_future();
    const HeapMark::OwnFork own;
    std::thread other([&] { inherited.set_value(Inherited(ranges)); });
    CHECK(told.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
    CHECK_EQ(told.get(), 1);
    other.join();
  }
  CHECK(HeapMark::Get().lifted());
  HeapMark::Get().PutBack();
  Unmap(ranges);
}

TEST(ItIsPutBackInPortions) {
  const std::vector<Range> ranges = {MarkedPages(), MarkedPages(), MarkedPages()};
  HeapMark::Get().Lift(ranges, kGoOn);
  CHECK(HeapMark::Get().PutBackFor(std::chrono::microseconds(0)));
  CHECK_EQ(InheritedByOwn(ranges), 6);
  CHECK(HeapMark::Get().PutBackFor(std::chrono::microseconds(0)));
  CHECK(!HeapMark::Get().PutBackFor(std::chrono::microseconds(0)));
  CHECK(!HeapMark::Get().PutBackFor(std::chrono::microseconds(0)));
  CHECK_EQ(InheritedByOwn(ranges), 0);
  Unmap(ranges);
}

TEST(LiftingThatIsCancelledIsPutBackLikeAny) {
  const std::vector<Range> ranges = {MarkedPages()};
  const std::atomic<bool> cancelled{true};
  HeapMark::Get().Lift(ranges, cancelled);
  CHECK_EQ(InheritedByOwn(ranges), 0);
  CHECK(HeapMark::Get().lifted());
  HeapMark::Get().PutBack();
  Unmap(ranges);
}

TEST(NothingIsPutBackInAChildOfOurOwn) {
  const std::vector<Range> ranges = {MarkedPages()};
  HeapMark::Get().Lift(ranges, kGoOn);
  const pid_t pid = [] {
    const HeapMark::OwnFork own;
    return fork();
  }();
  CHECK(pid >= 0);
  if (pid == 0) _exit(HeapMark::Get().lifted() ? 1 : Inherited(ranges) == 1 ? 0 : 2);
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, 0);
  HeapMark::Get().PutBack();
  Unmap(ranges);
}

TEST_MAIN

#else
int main() { return 0; }
#endif
