// The preloaded library's answers to a program that does not keep V8's habits: a chunk is asked for with 252 KiB too
// many, which V8 unmaps at once. The library stands in for mmap() and the others in this program, as it does in Node.
//
// Not with ThreadSanitizer, which maps memory before the library could be asked for it.
#if defined(__linux__) && !defined(__SANITIZE_THREAD__)

// What the library tells Node by. In this program it has to be there before the library looks.
extern "C" __attribute__((used)) void node_module_register(void*) {}

#include <sys/wait.h>

#include "check.h"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Waddress"
#include "packed_heap/preload.cc"
#pragma GCC diagnostic pop

namespace {

constexpr size_t kAsked = kSlot + kTail;

// Through pointers: the compiler must not put the library's functions into their callers, by whose address it knows
// them.
auto* volatile map = mmap;
auto* volatile unmap = munmap;
auto* volatile protect = mprotect;

// Two places in a program that ask for chunks.
__attribute__((noinline)) char* Ask(int prot) {
  void* const hint = reinterpret_cast<void*>(uintptr_t{7} << 40);
  char* const got = static_cast<char*>(map(hint, kAsked, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  CHECK(got != MAP_FAILED);
  return got;
}
__attribute__((noinline)) char* AskElsewhere(int prot) {
  void* const hint = reinterpret_cast<void*>(uintptr_t{7} << 40);
  char* const got = static_cast<char*>(map(hint, kAsked, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  CHECK(got != MAP_FAILED);
  return got;
}

void Trim(char* chunk) { CHECK_EQ(unmap(chunk + kSlot, kTail), 0); }

// A chunk as V8 takes it.
char* Chunk() {
  char* const chunk = Ask(kReadWrite);
  Trim(chunk);
  return chunk;
}

// After these the place that asks is trusted: its chunks get one slot.
void Gain() {
  for (int i = 0; i < kTrustAfter; ++i) Chunk();
}

// Four slots side by side, of which the second is free: room for a chunk, but not for all that is asked for with it.
struct Hole {
  char* before;
  char* first;
  char* second;
  char* behind;
};
Hole MakeHole() {
  Hole hole = {Chunk(), Chunk(), Chunk(), Chunk()};
  CHECK_EQ(hole.behind - hole.before, static_cast<ptrdiff_t>(3 * kSlot));
  hole.behind[0] = 'b';
  CHECK_EQ(unmap(hole.first, kSlot), 0);
  return hole;
}

struct Ended {
  int status;
  std::string said;
};

// Each case in a process of its own: what the library has learnt cannot be taken back. Returns how it ended.
Ended InChild(void (*run)()) {
  int said[2];
  CHECK_EQ(pipe(said), 0);
  fflush(stdout);
  // As forksnap does before its fork.
  CHECK_EQ(kernel::Advise(region.start(), region.end() - region.start(), MADV_DOFORK), 0);
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    dup2(said[1], STDERR_FILENO);
    close(said[0]);
    close(said[1]);
    run();
    _exit(0);
  }
  close(said[1]);
  Ended ended = {};
  char buffer[4096];
  for (ssize_t got; (got = read(said[0], buffer, sizeof buffer)) > 0;) ended.said.append(buffer, got);
  close(said[0]);
  CHECK_EQ(waitpid(pid, &ended.status, 0), pid);
  return ended;
}

void CheckPasses(void (*run)()) {
  const Ended ended = InChild(run);
  CHECK_EQ(ended.said, "");
  CHECK_EQ(ended.status, 0);
}

uint64_t LiveBytes() {
  uint64_t figures[4];
  CHECK(forksnap_packed_heap_stats(figures));
  return figures[0];
}

bool InRegion(const char* at) { return region.Contains(reinterpret_cast<uintptr_t>(at), 1); }

TEST(TheLibraryIsThere) {
  uint64_t figures[4];
  CHECK(forksnap_packed_heap_stats(figures));
}

TEST(ATrustedPlaceGetsALoneSlotAndItsTrimTakesNothingFromTheNeighbour) {
  CheckPasses([] {
    Gain();
    const Hole hole = MakeHole();
    char* const lone = Ask(kReadWrite);
    CHECK_EQ(static_cast<void*>(lone), static_cast<void*>(hole.first));
    hole.second[0] = 's';
    const uint64_t live = LiveBytes();
    Trim(lone);
    CHECK_EQ(LiveBytes(), live);
    CHECK_EQ(hole.second[0], 's');
    // Still the neighbour's, and not handed out.
    CHECK(Chunk() > hole.behind);
  });
}

TEST(APlaceThatIsNotTrustedNeedsRoomForAll) {
  CheckPasses([] {
    Gain();
    const Hole hole = MakeHole();
    char* const other = AskElsewhere(kReadWrite);
    CHECK(InRegion(other));
    CHECK(other != hole.first);
    memset(other, 'o', kAsked);
    CHECK_EQ(hole.behind[0], 'b');
    CHECK_EQ(unmap(other, kAsked), 0);
  });
}

TEST(EightPromisesAreNeeded) {
  CheckPasses([] {
    for (int i = 0; i < kTrustAfter - 4; ++i) Chunk();
    const Hole hole = MakeHole();
    // Its four chunks are among the eight.
    CHECK_EQ(static_cast<void*>(Ask(kReadWrite)), static_cast<void*>(hole.first));
  });
  CheckPasses([] {
    for (int i = 0; i < kTrustAfter - 5; ++i) Chunk();
    const Hole hole = MakeHole();
    CHECK(Ask(kReadWrite) != hole.first);
  });
}

TEST(GivingTheWholeRequestBackFreesOneSlot) {
  CheckPasses([] {
    Gain();
    const Hole hole = MakeHole();
    char* const lone = Ask(kReadWrite);
    hole.second[0] = 's';
    const uint64_t live = LiveBytes();
    CHECK_EQ(unmap(lone, kAsked), 0);
    CHECK_EQ(LiveBytes(), live - kSlot);
    CHECK_EQ(hole.second[0], 's');
    // And the place is still trusted.
    CHECK_EQ(static_cast<void*>(Chunk()), static_cast<void*>(hole.first));
    CHECK_EQ(hole.second[0], 's');
  });
}

TEST(MemoryThatIsKeptUnreadableIsRefusedAndNobodyIsTrustedAnyMore) {
  CheckPasses([] {
    Gain();
    const Hole hole = MakeHole();
    hole.second[0] = 's';
    char* const lone = Ask(PROT_NONE);
    CHECK_EQ(static_cast<void*>(lone), static_cast<void*>(hole.first));
    errno = 0;
    CHECK_EQ(protect(lone, kAsked, kReadWrite), -1);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(hole.second[0], 's');
    Trim(lone);
    CHECK_EQ(unmap(lone, kSlot), 0);
    CHECK(Ask(kReadWrite) != hole.first);
  });
}

TEST(AnUnreadableChunkThatIsNotTrimmedCostsTheTrust) {
  CheckPasses([] {
    Gain();
    const Hole hole = MakeHole();
    hole.second[0] = 's';
    char* const kept = Ask(PROT_NONE);
    CHECK_EQ(static_cast<void*>(kept), static_cast<void*>(hole.first));
    char* const next = Ask(kReadWrite);
    // All of it is its own.
    memset(next, 'n', kAsked);
    CHECK_EQ(hole.second[0], 's');
    CHECK_EQ(hole.behind[0], 'b');
    CHECK_EQ(protect(kept, kSlot, kReadWrite), 0);
    kept[0] = 'k';
    CHECK_EQ(hole.second[0], 's');
  });
}

TEST(AReadableChunkThatIsNotTrimmedEndsTheProgram) {
  const Ended ended = InChild([] {
    Gain();
    MakeHole();
    Ask(kReadWrite);
    Ask(kReadWrite);
  });
  CHECK(WIFSIGNALED(ended.status));
  CHECK_EQ(WTERMSIG(ended.status), SIGABRT);
  CHECK(ended.said.find("without `forksnap exec`") != std::string::npos);
}

TEST(AnUntrustedPlaceMayKeepAllOfItsMemory) {
  CheckPasses([] {
    for (int i = 0; i < 2 * kTrustAfter; ++i) {
      char* const all = Ask(kReadWrite);
      CHECK(InRegion(all));
      memset(all, i, kAsked);
    }
    const Hole hole = {Ask(kReadWrite), nullptr, nullptr, nullptr};
    Trim(hole.before);
    CHECK_EQ(static_cast<void*>(Chunk()), static_cast<void*>(hole.before + kSlot));
  });
}

}  // namespace

int main(int argc, char** argv) {
  // The library looks at the environment before main().
  if (getenv("PACKED_PRELOAD_TEST") == nullptr) {
    setenv("PACKED_PRELOAD_TEST", "1", 1);
    setenv("FORKSNAP_PACKED_HEAP", "none", 1);
    execv("/proc/self/exe", argv);
    perror("execv");
    return 1;
  }
  return check::Run(argc, argv);
}

#else

#include "check.h"

TEST(NotHere) {}
TEST_MAIN

#endif
