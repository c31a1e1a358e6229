// The last look: parsing of thread states, and threads that really run, wait or have odd names.
#include "threads.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "check.h"

using forksnap::AllStillAsleep;
using forksnap::Look;
using forksnap::LookAtThreads;
using forksnap::Sleep;
using forksnap::SleepingThreads;
using forksnap::StillAsleep;
using forksnap::SwitchesAsleep;
using forksnap::ThreadStateOf;

TEST(StateComesAfterTheLastParenthesis) {
  CHECK_EQ(ThreadStateOf("12 (node) S 1 12 12 0 -1"), 'S');
  CHECK_EQ(ThreadStateOf("12 (my thread) R 1 12"), 'R');
  CHECK_EQ(ThreadStateOf("12 (a) S (b) D 1 12"), 'D');
  CHECK_EQ(ThreadStateOf("12 (R) (R) R)) S 1 12"), 'S');
  CHECK_EQ(ThreadStateOf("12 (new\nline) R 1"), 'R');
}

TEST(NonsenseHasNoState) {
  CHECK_EQ(ThreadStateOf(""), 0);
  CHECK_EQ(ThreadStateOf("12 node S 1"), 0);
  CHECK_EQ(ThreadStateOf("12 (node)"), 0);
  CHECK_EQ(ThreadStateOf("12 (node) "), 0);
  CHECK_EQ(ThreadStateOf("12 (node)S 1"), 0);
}

TEST(SwitchesAreTheSumOfBothKinds) {
  const std::string status = "Name:\tnode\nUmask:\t0022\nState:\tS (sleeping)\nPid:\t12\n";
  const std::string counts = "voluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n";
  CHECK_EQ(SwitchesAsleep(status + counts), 695);
  CHECK_EQ(SwitchesAsleep("Name:\tnode\nState:\tR (running)\n" + counts), -1);
  CHECK_EQ(SwitchesAsleep("Name:\tnode\nState:\tD (disk sleep)\n" + counts), -1);
  CHECK_EQ(SwitchesAsleep(status), -1);
  CHECK_EQ(SwitchesAsleep(counts), -1);
  CHECK_EQ(SwitchesAsleep(""), -1);
}

#ifdef __linux__

namespace {

// How soon a thread comes to rest, or to run, is the scheduler's affair: look until it is so. A test that waits for
// what never comes is ended by the time limit of the test program.
void LookUntilAtRest() {
  while (!LookAtThreads({}).at_rest) std::this_thread::yield();
}

// A sanitizer may have a thread of its own that runs now and then, so the one that is meant is named.
Look LookUntilBusy(pid_t tid, const std::vector<pid_t>& parked) {
  for (;;) {
    const Look look = LookAtThreads(parked);
    if (!look.at_rest && look.busy_tid == tid) return look;
    std::this_thread::yield();
  }
}

// A thread that spins until told to wait, and waits until told to end.
class Thread {
 public:
  explicit Thread(const char* name) {
    thread_ = std::thread([this, name] {
      pthread_setname_np(pthread_self(), name);
      tid_.set_value(forksnap::CurrentTid());
      while (spin_.load()) continue;
      end_.get_future().wait();
    });
    tid = tid_.get_future().get();
  }
  ~Thread() {
    Rest();
    end_.set_value();
    thread_.join();
  }
  void Rest() { spin_.store(false); }
  pid_t tid = 0;

 private:
  std::promise<pid_t> tid_;
  std::promise<void> end_;
  std::atomic<bool> spin_{true};
  std::thread thread_;
};

}  // namespace

TEST(ARunningThreadIsSeenAndAWaitingOneIsRest) {
  LookUntilAtRest();
  Thread thread("plain");
  CHECK_EQ(LookUntilBusy(thread.tid, {}).busy_state, 'R');
  thread.Rest();
  LookUntilAtRest();
}

TEST(AParkedThreadIsNotAsked) {
  Thread thread("parked");
  LookUntilBusy(thread.tid, {});
  for (int i = 0; i < 1000; ++i) CHECK(LookAtThreads({1, thread.tid}).busy_tid != thread.tid);
  LookUntilBusy(thread.tid, {1, thread.tid + 1});
}

TEST(ANameCannotHideARunningThread) {
  Thread thread("x) S 1 (y");
  CHECK_EQ(LookUntilBusy(thread.tid, {}).busy_state, 'R');
}

TEST(ANameCannotKeepAWaitingThreadBusy) {
  Thread thread(") R (");
  thread.Rest();
  LookUntilAtRest();
}

namespace {

// A thread that reads from a pipe, once for each byte that it is sent, and ends with the pipe.
class Reader {
 public:
  Reader() {
    CHECK_EQ(pipe(ends_), 0);
    thread_ = std::thread([this] {
      tid_.set_value(forksnap::CurrentTid());
      for (char byte = 0; read(ends_[0], &byte, 1) == 1;) reads_.fetch_add(1);
    });
    tid = tid_.get_future().get();
  }
  ~Reader() {
    close(ends_[1]);
    thread_.join();
    close(ends_[0]);
  }
  void Wake() {
    const int before = reads_.load();
    CHECK_EQ(write(ends_[1], "", 1), 1);
    while (reads_.load() == before) std::this_thread::yield();
  }
  Sleep UntilAsleep() const {
    for (;;) {
      for (const Sleep& sleep : SleepingThreads({})) {
        if (sleep.tid == tid && sleep.OutsideWait()) return sleep;
      }
      std::this_thread::yield();
    }
  }
  pid_t tid = 0;

 private:
  int ends_[2] = {-1, -1};
  std::atomic<int> reads_{0};
  std::promise<pid_t> tid_;
  std::thread thread_;
};

}  // namespace

TEST(AThreadThatHasWokenIsNotStillAsleep) {
  Reader reader;
  const Sleep first = reader.UntilAsleep();
  for (int i = 0; i < 100; ++i) CHECK(StillAsleep(first));
  reader.Wake();
  const Sleep second = reader.UntilAsleep();
  CHECK(!StillAsleep(first));
  CHECK(StillAsleep(second));
}

TEST(AThreadThatIsGoneIsNotStillAsleep) {
  Sleep sleep;
  {
    Reader reader;
    sleep = reader.UntilAsleep();
  }
  CHECK(!StillAsleep(sleep));
}

TEST(AThreadThatWaitsOnALockIsAsleepInTheProcessItself) {
  Thread thread("locked");
  thread.Rest();
  for (;;) {
    const std::vector<Sleep> sleeping = SleepingThreads({});
    const auto found =
        std::find_if(sleeping.begin(), sleeping.end(), [&](const Sleep& sleep) { return sleep.tid == thread.tid; });
    if (found != sleeping.end() && found->syscall >= 0) {
      CHECK(!found->OutsideWait());
      break;
    }
    std::this_thread::yield();
  }
  for (const Sleep& sleep : SleepingThreads({thread.tid})) CHECK(sleep.tid != thread.tid);
}

TEST(AllAreAsleepButOneThatHasWoken) {
  Reader reader;
  const Sleep sleep = reader.UntilAsleep();
  CHECK(!AllStillAsleep({}, {}));
  reader.Wake();
  reader.UntilAsleep();
  CHECK(!AllStillAsleep({sleep}, {}));
}

#endif

TEST_MAIN
