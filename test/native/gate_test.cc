// The gate on which foreign threads park. Run under ThreadSanitizer too: who reads what under which lock is the point.
#include "gate.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>

#include "check.h"
#include "threads.h"

using forksnap::GateRound;
using Clock = GateRound::Clock;

namespace {

Clock::time_point In(int seconds) { return Clock::now() + std::chrono::seconds(seconds); }

// Threads that park on one round and count how many have left it.
class Crowd {
 public:
  Crowd(std::shared_ptr<GateRound> round, int count) : round_(std::move(round)) {
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([this] {
        round_->Park();
        left_.fetch_add(1);
      });
    }
  }
  ~Crowd() { Join(); }
  void Join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  int left() const { return left_.load(); }

 private:
  std::shared_ptr<GateRound> round_;
  std::atomic<int> left_{0};
  std::vector<std::thread> threads_;
};

}  // namespace

TEST(EverybodyParksAndEverybodyLeaves) {
  std::atomic<int> arrivals{0};
  auto round = std::make_shared<GateRound>(std::chrono::seconds(60), [&] { arrivals.fetch_add(1); });
  CHECK_EQ(round->Parked(), 0);
  Crowd crowd(round, 8);
  CHECK(round->WaitFor(8, In(30)));
  CHECK_EQ(round->Parked(), 8);
  CHECK_EQ(crowd.left(), 0);
  round->Release();
  CHECK_EQ(round->Parked(), 0);
  crowd.Join();
  CHECK_EQ(crowd.left(), 8);
  CHECK_EQ(arrivals.load(), 8);
}

TEST(AReleasedRoundLetsLateComersPass) {
  std::atomic<int> arrivals{0};
  auto round = std::make_shared<GateRound>(std::chrono::seconds(60), [&] { arrivals.fetch_add(1); });
  round->Release();
  round->Release();
  Crowd crowd(round, 3);
  crowd.Join();
  CHECK_EQ(crowd.left(), 3);
  CHECK_EQ(arrivals.load(), 0);
  CHECK(!round->WaitFor(1, In(30)));
}

TEST(TheArrivalIsToldAfterItCounts) {
  // The loop that is woken asks for the count at once: it must find the thread there, and must not deadlock.
  std::atomic<int> seen{0};
  GateRound* raw = nullptr;
  auto round = std::make_shared<GateRound>(std::chrono::seconds(60), [&] { seen.fetch_add(raw->Parked()); });
  raw = round.get();
  Crowd crowd(round, 1);
  CHECK(round->WaitFor(1, In(30)));
  while (seen.load() == 0) std::this_thread::yield();
  CHECK_EQ(seen.load(), 1);
  round->Release();
}

TEST(PatienceBeginsWithTheFirstArrival) {
  auto round = std::make_shared<GateRound>(std::chrono::milliseconds(50), nullptr);
  // A queue may hold the parking tasks back for longer than the threads have patience.
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  Crowd crowd(round, 1);
  CHECK(round->WaitFor(1, In(30)));
  crowd.Join();
  CHECK_EQ(crowd.left(), 1);
}

TEST(TheDeadlineFreesAll) {
  auto round = std::make_shared<GateRound>(std::chrono::milliseconds(50), nullptr);
  Crowd crowd(round, 4);
  // Nobody releases: only the deadline ends this join.
  crowd.Join();
  CHECK_EQ(crowd.left(), 4);
  CHECK_EQ(round->Parked(), 0);
}

TEST(WaitForGivesUpAtItsOwnTime) {
  auto round = std::make_shared<GateRound>(std::chrono::seconds(60), nullptr);
  Crowd crowd(round, 2);
  CHECK(round->WaitFor(2, In(30)));
  CHECK(!round->WaitFor(3, Clock::now() + std::chrono::milliseconds(20)));
  CHECK_EQ(round->Parked(), 2);
  round->Release();
}

TEST(FrozenThreadsStayEvenPastTheDeadline) {
  bool frozen_in_time = false;
  // On a busy machine the first deadlines may pass before all four have arrived.
  for (int ms = 50; !frozen_in_time; ms *= 2) {
    const auto deadline = Clock::now() + std::chrono::milliseconds(ms);
    auto round = std::make_shared<GateRound>(std::chrono::milliseconds(ms), nullptr);
    Crowd crowd(round, 4);
    round->WaitFor(4, deadline);
    const std::unique_lock<std::mutex> frozen = round->Freeze();
    frozen_in_time = round->ParkedFrozen() == 4;
    if (!frozen_in_time) continue;
    CHECK_EQ(round->TidsFrozen().size(), 4u);
    for (const pid_t tid : round->TidsFrozen()) CHECK(tid > 0 && tid != forksnap::CurrentTid());
    std::this_thread::sleep_until(deadline + std::chrono::milliseconds(50));
    CHECK_EQ(round->ParkedFrozen(), 4);
    CHECK_EQ(crowd.left(), 0);
  }
}

TEST(ARoundOutlivesItsAttempt) {
  // A task that was queued keeps its round; the attempt that posted it is long over.
  auto round = std::make_shared<GateRound>(std::chrono::seconds(60), nullptr);
  std::weak_ptr<GateRound> watch = round;
  {
    Crowd crowd(round, 2);
    CHECK(round->WaitFor(2, In(30)));
    GateRound* raw = round.get();
    round.reset();
    CHECK(!watch.expired());
    raw->Release();
  }
  CHECK(watch.expired());
}

TEST(ManyRoundsOfReleaseAgainstArrival) {
  for (int i = 0; i < 200; ++i) {
    auto round = std::make_shared<GateRound>(std::chrono::seconds(60), nullptr);
    Crowd crowd(round, 4);
    if (i % 2) round->WaitFor(i % 5, In(30));
    round->Release();
    crowd.Join();
    CHECK_EQ(crowd.left(), 4);
  }
}

TEST_MAIN
