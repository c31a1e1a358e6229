// Brings the process's other threads to rest: parks them, scans the mappings, wakes the loop when something arrived,
// and lets everybody go again on every path.
#ifndef FORKSNAP_QUIESCE_H_
#define FORKSNAP_QUIESCE_H_

#include <napi.h>
#include <uv.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gate.h"
#include "smaps.h"
#include "threads.h"

namespace forksnap {

// The process's only one, used by the main thread alone. Its order of use: Begin, ScanMappings, ParkPool,
// ParkV8Workers, then in one tick ParkIsolates and a fork under Hold(), then End.
class Quiescence {
 public:
  static Quiescence& Get();

  // A new attempt; `on_event` is called from the loop whenever something may have arrived. Parked threads leave by
  // themselves `patience_ms` after the first has arrived.
  void Begin(Napi::Env env, Napi::Function on_event, int patience_ms);
  void ScanMappings();
  void ParkPool(Napi::Env env);
  // A thread of the pool may be in a call that lasts (a slow DNS server or file system) while the others are held for
  // nothing. WatchPool() notes who is asleep; ExcusePool(), some time later, does without those that are missing if
  // they have been asleep in one and the same system call ever since. True if the rest of the pool is parked.
  void WatchPool();
  bool ExcusePool();
  void ParkV8Workers();
  // Within one tick: asks the Workers' isolates to park, until ReleaseIsolates() or End(). They are never left parked
  // while other code of the main thread runs, which might wait for one of them.
  void ParkIsolates();
  void ReleaseIsolates();
  // Lets everybody go for a while; the scan stays good, and parking may begin again.
  void Unpark(int patience_ms);
  void End();
  // In a child nobody is parked, and locks that other threads held at the fork are held for ever: what runs at the
  // child's exit (process.kill() of itself runs exit hooks first) must not touch them.
  void AbandonInChild() { active_ = false; }
  bool active() const { return active_; }

  // For fork(): waits for the threads without the loop, at most until `until`; true once all have arrived. The scan
  // runs on the calling thread.
  void BeginBlocking(int patience_ms);
  bool WaitBlocking(GateRound::Clock::time_point until);

  struct Progress {
    bool scanned;
    int pool_parked;
    int pool_needed;
    // Whether pool_needed and v8_needed are known, or only the most that there may be.
    bool pool_known;
    int v8_parked;
    int v8_needed;
    bool v8_known;
    int isolates_parked;
    int isolates;
  };
  Progress progress() const;

  // Takes the number of threads that have arrived for the number that there are.
  void LearnPool();
  void LearnV8();

  // The synchronous part. While a Hold exists no parked thread can leave, not even by its deadline.
  class Hold {
   public:
    explicit Hold(Quiescence& quiescence);
    bool complete() const { return complete_; }
    // A thread that was excused is no longer asleep and has not come yet, or 0. It will come, or the round will end.
    pid_t woken() const { return woken_; }
    const std::vector<pid_t>& tids() const { return tids_; }

   private:
    std::vector<std::unique_lock<std::mutex>> locks_;
    std::vector<pid_t> tids_;
    bool complete_ = false;
    pid_t woken_ = 0;
  };

  // After a fork, before anybody is released: marks what must be marked MADV_DONTFORK at once. The rest is left to
  // HeapMark, for later.
  void RestoreMark() const;

 private:
  Quiescence() = default;
  std::shared_ptr<GateRound> NewRound(int patience_ms);
  void Activate(int patience_ms);
  void StartRounds(int patience_ms);
  void ReleaseRounds();
  void NotePoolThreads(const std::vector<pid_t>& tids);
  int PoolThreads() const;
  pid_t WokenOf(const std::vector<pid_t>& parked) const;
  void CloseLoopHandle();
  void JoinScan();
  static void ReleaseAtExit(void* self);

  // Lives as long as its uv handle; arrivals on other threads reach the loop through it.
  struct Waker;
  std::shared_ptr<Waker> waker_;
  bool active_ = false;
  bool exit_hooked_ = false;
  std::shared_ptr<GateRound> pool_round_;
  std::shared_ptr<GateRound> v8_round_;
  std::shared_ptr<GateRound> isolates_round_;
  bool pool_posted_ = false;
  bool v8_posted_ = false;
  int v8_reported_ = 0;
  int v8_learned_ = -1;
  int pool_learned_ = -1;
  // Threads of the pool that have ever been parked. They live as long as the process.
  std::vector<pid_t> pool_tids_;
  std::vector<Sleep> watched_;
  std::vector<Sleep> excused_;
  // Whether it was not known which threads are the pool's, so that whoever is not parked must have been asleep.
  bool all_asleep_ = false;

  std::thread scan_thread_;
  std::atomic<bool> scan_cancel_{false};
  std::atomic<bool> scan_done_{false};
  SmapsScan scan_;
  uint64_t gc_at_scan_ = 0;
};

void InitQuiesce(Napi::Env env, Napi::Object exports);

}  // namespace forksnap

#endif  // FORKSNAP_QUIESCE_H_
