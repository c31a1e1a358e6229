// The last look: parsing of thread states, and threads that really run, wait or have odd names.
#include "threads.h"

#include <pthread.h>

#include <atomic>
#include <future>
#include <thread>

#include "check.h"

using forksnap::Look;
using forksnap::LookAtThreads;
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

#endif

TEST_MAIN
