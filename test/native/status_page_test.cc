// The page that parent and child share, written by a real child and by a thread beside a reader.
#include "status_page.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "check.h"

using forksnap::Outcome;
using forksnap::StatusPage;

namespace {

// Runs `work` in a child and waits for its end.
template <typename Work>
void InChild(Work work) {
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    work();
    _exit(0);
  }
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, 0);
}

void SetOutcome(StatusPage* page, Outcome outcome, const std::string& message) {
  page->SetOutcome(outcome, message.data(), message.size());
}

bool Is(const StatusPage::State& state, Outcome outcome) { return state.outcome == outcome; }

}  // namespace

TEST(AFreshPageIsEmpty) {
  StatusPage page;
  CHECK(page.valid());
  const StatusPage::State state = page.Read();
  CHECK(Is(state, Outcome::kRunning));
  CHECK_EQ(state.rows, 0u);
  CHECK_EQ(state.bytes, 0u);
  CHECK_EQ(state.beats, 0u);
  CHECK_EQ(state.message, "");
  CHECK_EQ(page.result_length(), 0u);
}

TEST(TheParentReadsWhatTheChildWrote) {
  StatusPage page;
  CHECK(page.valid());
  std::vector<unsigned char> result(StatusPage::kResultMax);
  for (size_t i = 0; i < result.size(); ++i) result[i] = static_cast<unsigned char>(i * 31);
  InChild([&] {
    page.SetProgress(uint64_t{1} << 40, uint64_t{1} << 50);
    page.SetCost(uint64_t{1} << 41, 12, 3);
    if (!page.SetResult(result.data(), result.size())) _exit(1);
    SetOutcome(&page, Outcome::kReturned, "");
  });
  const StatusPage::State state = page.Read();
  CHECK(Is(state, Outcome::kReturned));
  CHECK_EQ(state.rows, uint64_t{1} << 40);
  CHECK_EQ(state.bytes, uint64_t{1} << 50);
  CHECK_EQ(state.faults, uint64_t{1} << 41);
  CHECK_EQ(state.young_gcs, 12u);
  CHECK_EQ(state.full_gcs, 3u);
  CHECK_EQ(state.beats, 1u);
  CHECK_EQ(page.result_length(), result.size());
  CHECK_EQ(memcmp(page.result(), result.data(), result.size()), 0);
}

TEST(AResultThatIsTooLargeIsRefused) {
  StatusPage page;
  const std::vector<char> result(StatusPage::kResultMax + 1);
  CHECK(!page.SetResult(result.data(), result.size()));
  CHECK_EQ(page.result_length(), 0u);
}

TEST(TheFirstOutcomeStands) {
  StatusPage page;
  InChild([&] {
    SetOutcome(&page, Outcome::kThrew, "the first");
    SetOutcome(&page, Outcome::kCalledExit, "the second");
  });
  const StatusPage::State state = page.Read();
  CHECK(Is(state, Outcome::kThrew));
  CHECK_EQ(state.message, "the first");
}

TEST(ALongMessageIsCutBetweenCharacters) {
  // The limit falls on every byte of a two-, three- and four-byte character in turn.
  for (const std::string character : {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"}) {
    for (size_t before = 0; before <= character.size(); ++before) {
      const std::string head(StatusPage::kMessageMax - before, 'a');
      StatusPage page;
      SetOutcome(&page, Outcome::kThrew, head + character + "tail");
      // Either the whole character fits or none of it is kept.
      CHECK(page.Read().message == (before == character.size() ? head + character : head));
    }
  }
}

TEST(AKilledChildHasSaidNothing) {
  StatusPage page;
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    page.SetProgress(7, 70);
    kill(getpid(), SIGKILL);
  }
  CHECK_EQ(waitpid(pid, nullptr, 0), pid);
  CHECK(Is(page.Read(), Outcome::kRunning));
  CHECK_EQ(page.Read().rows, 7u);
}

TEST(AReaderBesideTheWriter) {
  // Rows never run backwards, and whoever sees the outcome sees the message that belongs to it.
  StatusPage page;
  constexpr uint64_t kRows = 20000;
  std::thread writer([&] {
    for (uint64_t row = 1; row <= kRows; ++row) page.SetProgress(row, row * 10);
    page.SetResult("result", 6);
    SetOutcome(&page, Outcome::kThrew, "at the end");
  });
  uint64_t last = 0;
  for (;;) {
    const StatusPage::State state = page.Read();
    CHECK(state.rows >= last);
    last = state.rows;
    if (Is(state, Outcome::kRunning)) continue;
    CHECK_EQ(state.message, "at the end");
    CHECK_EQ(page.result_length(), 6u);
    break;
  }
  CHECK_EQ(page.Read().rows, kRows);
  CHECK_EQ(page.Read().beats, kRows);
  writer.join();
}

#ifdef __linux__

TEST(CopyOnWriteBytesAreThePagesThatWereWritten) {
  constexpr size_t kBytes = 16 << 20;
  char* memory = static_cast<char*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  CHECK(memory != MAP_FAILED);
  memset(memory, 1, kBytes);
  StatusPage before;
  StatusPage after;
  InChild([&] {
    before.MeasureCow(true);
    for (size_t at = 0; at < kBytes; at += 4096) ++memory[at];
    after.MeasureCow(true);
  });
  const uint64_t written = after.Read().cow_bytes - before.Read().cow_bytes;
  CHECK(before.Read().beats == 1 && after.Read().beats == 1);
  CHECK(before.Read().cow_bytes < kBytes / 2);
  // ThreadSanitizer writes up to four bytes of its own for each of ours.
  CHECK(written >= kBytes && written < 8 * kBytes);
  CHECK_EQ(munmap(memory, kBytes), 0);
}

TEST(UnforcedMeasuringRests) {
  StatusPage page;
  page.MeasureCow(false);
  page.MeasureCow(false);
  CHECK_EQ(page.Read().beats, 1u);
  page.MeasureCow(true);
  CHECK_EQ(page.Read().beats, 2u);
}

#endif

TEST_MAIN
