#include "quiesce.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "heap_inherit.h"
#include "heap_mark.h"
#include "loop_callback.h"
#include "malloc_trim.h"
#include "system_error.h"
#include "uv_pool.h"
#include "v8_gc.h"
#include "v8_pool.h"

namespace forksnap {

namespace {

// The caller's hook runs while they are parked; it must not wait for one of them for longer.
constexpr int kIsolatePatienceMs = 1000;
// So many of V8's mappings get another mark in one system call: some 20 us, in which nobody else can map memory.
constexpr size_t kRangesAtOnce = 64;
constexpr auto kPutBackTurn = std::chrono::microseconds(200);

uv_loop_t* LoopOf(Napi::Env env) {
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  return loop;
}

}  // namespace

// Arrivals happen on threads that may outlive the attempt (a task that is served late), so that they hold this by
// shared_ptr, and the handle is only ever touched under the lock.
struct Quiescence::Waker {
  std::mutex mutex;
  uv_async_t* async = nullptr;
  Napi::FunctionReference on_event;
  std::unique_ptr<Napi::AsyncContext> context;
  napi_env env = nullptr;
  // Set by the main thread when the attempt has ended; a wake-up that was already on its way is then dropped.
  bool ended = false;

  void Wake() {
    std::lock_guard<std::mutex> lock(mutex);
    if (async != nullptr) uv_async_send(async);
  }

  static void OnWake(uv_async_t* async) {
    // The callback may end the attempt and with it the last other reference.
    const std::shared_ptr<Waker> self = *static_cast<std::shared_ptr<Waker>*>(async->data);
    if (self->ended) return;
    Napi::Env env(self->env);
    Napi::HandleScope scope(env);
    CallFromLoop(env, self->on_event, *self->context);
  }

  // The references to JavaScript are dropped here, on the main thread and outside of any callback of theirs; whoever
  // drops the last shared_ptr may be another thread.
  static void OnClosed(uv_handle_t* handle) {
    auto* self = static_cast<std::shared_ptr<Waker>*>(handle->data);
    Napi::HandleScope scope(Napi::Env((*self)->env));
    (*self)->on_event.Reset();
    (*self)->context.reset();
    delete self;
    delete reinterpret_cast<uv_async_t*>(handle);
  }
};

Quiescence& Quiescence::Get() {
  // Never destroyed: parked threads may still look at their rounds while the process exits.
  static Quiescence* quiescence = new Quiescence;
  return *quiescence;
}

std::shared_ptr<GateRound> Quiescence::NewRound(int patience_ms) {
  std::shared_ptr<Waker> waker = waker_;
  std::function<void()> on_arrival;
  if (waker != nullptr) on_arrival = [waker] { waker->Wake(); };
  return std::make_shared<GateRound>(std::chrono::milliseconds(patience_ms), std::move(on_arrival));
}

void Quiescence::StartRounds(int patience_ms) {
  pool_round_ = NewRound(patience_ms);
  v8_round_ = NewRound(patience_ms);
  isolates_round_ = NewRound(kIsolatePatienceMs);
  pool_posted_ = false;
  v8_posted_ = false;
  watched_.clear();
  excused_.clear();
}

void Quiescence::Activate(int patience_ms) {
  // process.exit() joins V8's workers and libuv's pool before any cleanup hook runs.
  if (!exit_hooked_) {
    exit_hooked_ = true;
    AtProcessExit(ReleaseAtExit, this);
  }
  StartRounds(patience_ms);
  scan_done_ = false;
  active_ = true;
}

void Quiescence::ReleaseRounds() {
  {
    const auto lock = pool_round_->Freeze();
    if (pool_round_->ParkedFrozen() > 0) NotePoolThreads(pool_round_->TidsFrozen());
  }
  pool_round_->Release();
  v8_round_->Release();
  isolates_round_->Release();
}

void Quiescence::Unpark(int patience_ms) {
  ReleaseRounds();
  StartRounds(patience_ms);
}

void Quiescence::Begin(Napi::Env env, Napi::Function on_event, int patience_ms) {
  auto waker = std::make_shared<Waker>();
  waker->env = env;
  waker->on_event = Napi::Persistent(on_event);
  waker->context = std::make_unique<Napi::AsyncContext>(env, "forksnap.quiesce");
  // Only a handle that was initialised may be closed.
  auto async = std::make_unique<uv_async_t>();
  const int error = uv_async_init(LoopOf(env), async.get(), Waker::OnWake);
  if (error != 0) throw SystemError(env, "uv_async_init", -error);
  async->data = new std::shared_ptr<Waker>(waker);
  waker->async = async.release();
  waker_ = std::move(waker);
  Activate(patience_ms);
}

void Quiescence::BeginBlocking(int patience_ms) {
  waker_ = nullptr;
  Activate(patience_ms);
}

void Quiescence::ScanMappings() {
  // What is not marked would be taken for somebody else's.
  HeapMark::Get().PutBack();
  gc_at_scan_ = GcCount();
  FindKernelPages();
  if (waker_ == nullptr) {
    scan_ = ScanSmaps(nullptr);
    scan_done_ = true;
    return;
  }
  scan_cancel_ = false;
  try {
    scan_thread_ = std::thread([this, waker = waker_] {
      TrimMalloc();
      scan_ = ScanSmaps(&scan_cancel_);
      if (scan_.complete) {
        HeapMark::Get().Lift(CutSpans(HintedSpans(scan_), scan_.dontfork, kRangesAtOnce), scan_cancel_);
      }
      scan_done_.store(true, std::memory_order_release);
      waker->Wake();
    });
  } catch (const std::system_error& refused) {
    // A limit on processes counts threads too. Uncaught, this would end the server.
    throw SystemError(waker_->env, "pthread_create", refused.code().value());
  }
}

void Quiescence::JoinScan() {
  if (scan_thread_.joinable()) scan_thread_.join();
}

void Quiescence::ParkPool(Napi::Env env) {
  if (pool_posted_) return;
  pool_posted_ = true;
  const int error = ParkUvPool(LoopOf(env), pool_round_, UvPoolSize().most);
  if (error != 0) throw SystemError(env, "uv_queue_work", -error);
}

void Quiescence::NotePoolThreads(const std::vector<pid_t>& tids) {
  for (const pid_t tid : tids) {
    if (std::find(pool_tids_.begin(), pool_tids_.end(), tid) == pool_tids_.end()) pool_tids_.push_back(tid);
  }
}

void Quiescence::WatchPool() {
  if (excused_.empty()) watched_ = SleepingThreads({});
}

int Quiescence::PoolThreads() const { return pool_learned_ >= 0 ? pool_learned_ : UvPoolSize().most; }

bool Quiescence::ExcusePool() {
  const int missing = progress().pool_needed - progress().pool_parked;
  if (missing <= 0) return true;
  std::vector<pid_t> parked;
  {
    const auto lock = pool_round_->Freeze();
    if (pool_round_->ParkedFrozen() > 0) parked = pool_round_->TidsFrozen();
  }
  NotePoolThreads(parked);
  const bool known = static_cast<int>(pool_tids_.size()) >= PoolThreads();
  std::vector<Sleep> asleep;
  for (const Sleep& sleep : watched_) {
    auto among = [&](const std::vector<pid_t>& tids) {
      return std::find(tids.begin(), tids.end(), sleep.tid) != tids.end();
    };
    if (among(parked) || (known && !among(pool_tids_))) continue;
    if (sleep.OutsideWait() && StillAsleep(sleep)) asleep.push_back(sleep);
  }
  if (static_cast<int>(asleep.size()) < missing) return false;
  excused_ = std::move(asleep);
  all_asleep_ = !known;
  return true;
}

// The first thread that was excused and neither sleeps on nor is parked by now, or 0.
pid_t Quiescence::WokenOf(const std::vector<pid_t>& parked) const {
  if (excused_.empty()) return 0;
  for (const Sleep& sleep : excused_) {
    const bool came = std::find(parked.begin(), parked.end(), sleep.tid) != parked.end();
    if (!came && !StillAsleep(sleep)) return sleep.tid;
  }
  return all_asleep_ && !AllStillAsleep(watched_, parked) ? excused_.front().tid : 0;
}

void Quiescence::ParkV8Workers() {
  if (v8_posted_) return;
  v8_posted_ = true;
  v8_reported_ = ReportedV8Workers();
  PostParkingTasks(v8_round_, v8_reported_);
}

void Quiescence::ParkIsolates() {
  isolates_round_->Release();
  isolates_round_ = NewRound(kIsolatePatienceMs);
  InterruptIsolates(isolates_round_);
}

void Quiescence::ReleaseIsolates() { isolates_round_->Release(); }

bool Quiescence::WaitBlocking(GateRound::Clock::time_point until) {
  const Progress before = progress();
  const bool pool = pool_round_->WaitFor(before.pool_needed, until);
  const bool v8 = v8_round_->WaitFor(before.v8_needed, until);
  // Not knowing the numbers yet, all that could be waited for is the time; what came by then is taken, and the last
  // look decides.
  const Progress after = progress();
  return (pool || (!after.pool_known && after.pool_parked >= UvPoolSize().least)) &&
         (v8 || (!after.v8_known && after.v8_parked >= after.v8_needed - 1));
}

Quiescence::Progress Quiescence::progress() const {
  Progress result{};
  if (!active_) return result;
  const PoolSize size = UvPoolSize();
  result.scanned = scan_done_.load(std::memory_order_acquire);
  result.pool_parked = pool_round_->Parked();
  result.pool_known = pool_learned_ >= 0 || size.least == size.most;
  // One that was excused may have come all the same.
  result.pool_needed = std::max(0, PoolThreads() - static_cast<int>(excused_.size()));
  result.v8_parked = v8_round_->Parked();
  result.v8_known = v8_learned_ >= 0;
  result.v8_needed = v8_learned_ >= 0 ? v8_learned_ : v8_reported_;
  result.isolates_parked = isolates_round_->Parked();
  result.isolates = RegisteredIsolates();
  return result;
}

// A round that has run out in the meantime (the main thread was blocked) has nobody parked, and nothing to teach.
void Quiescence::LearnPool() {
  if (const int parked = pool_round_->Parked(); parked > 0) pool_learned_ = parked;
}

void Quiescence::LearnV8() {
  if (const int parked = v8_round_->Parked(); parked >= v8_reported_ - 1) v8_learned_ = parked;
}

Quiescence::Hold::Hold(Quiescence& quiescence) {
  if (!quiescence.active_) return;
  const Progress needed = quiescence.progress();
  auto take = [this](GateRound& round) {
    locks_.push_back(round.Freeze());
    const std::vector<pid_t>& tids = round.TidsFrozen();
    const int parked = round.ParkedFrozen();
    if (parked > 0) tids_.insert(tids_.end(), tids.begin(), tids.end());
    return parked;
  };
  const int pool = take(*quiescence.pool_round_);
  const std::vector<pid_t> pool_tids = tids_;
  const int v8 = take(*quiescence.v8_round_);
  take(*quiescence.isolates_round_);
  // More than expected may arrive (a number learned too low mends itself so); fewer may not.
  if (needed.v8_known) quiescence.v8_learned_ = std::max(quiescence.v8_learned_, v8);
  if (needed.pool_known && pool > quiescence.PoolThreads()) quiescence.pool_learned_ = pool;
  const int v8_least = needed.v8_known ? needed.v8_needed : needed.v8_needed - 1;
  const int pool_least = needed.pool_known ? needed.pool_needed : UvPoolSize().least;
  quiescence.NotePoolThreads(pool_tids);
  complete_ = quiescence.pool_posted_ && quiescence.v8_posted_ && pool >= pool_least && v8 >= v8_least;
  if (complete_) woken_ = quiescence.WokenOf(tids_);
}

void Quiescence::RestoreMark() const {
  if (!scan_done_.load(std::memory_order_acquire) || !scan_.complete) return;
  if (GcCount() == gc_at_scan_) {
    // Without a collection since the scan began V8 has unmapped nothing, and every range is still its own.
    RestoreDontFork(scan_.dontfork);
    HeapMark::Get().Settle();
  } else if (!HeapMark::Get().lifted()) {
    RestoreDontFork(HintedSpans(scan_));
  }
}

void Quiescence::CloseLoopHandle() {
  if (waker_ == nullptr) return;
  uv_async_t* async = nullptr;
  {
    std::lock_guard<std::mutex> lock(waker_->mutex);
    async = std::exchange(waker_->async, nullptr);
  }
  waker_->ended = true;
  if (async != nullptr) uv_close(reinterpret_cast<uv_handle_t*>(async), Waker::OnClosed);
  waker_ = nullptr;
}

void Quiescence::End() {
  if (!active_) return;
  active_ = false;
  ReleaseRounds();
  scan_cancel_ = true;
  JoinScan();
  CloseLoopHandle();
}

void Quiescence::ReleaseAtExit(void* self) { static_cast<Quiescence*>(self)->End(); }

namespace {

Quiescence& Active(Napi::Env env) {
  Quiescence& quiescence = Quiescence::Get();
  if (!quiescence.active()) throw Napi::Error::New(env, "no quiescence has begun");
  return quiescence;
}

void Begin(const Napi::CallbackInfo& info) {
  if (Quiescence::Get().active()) throw Napi::Error::New(info.Env(), "a quiescence is already under way");
  Quiescence::Get().Begin(info.Env(), info[0].As<Napi::Function>(), info[1].As<Napi::Number>().Int32Value());
}

template <void (Quiescence::*Step)()>
void Run(const Napi::CallbackInfo& info) {
  (Active(info.Env()).*Step)();
}

void ParkPool(const Napi::CallbackInfo& info) { Active(info.Env()).ParkPool(info.Env()); }

void Unpark(const Napi::CallbackInfo& info) { Active(info.Env()).Unpark(info[0].As<Napi::Number>().Int32Value()); }

void End(const Napi::CallbackInfo&) { Quiescence::Get().End(); }

Napi::Value GetProgress(const Napi::CallbackInfo& info) {
  const Quiescence::Progress progress = Active(info.Env()).progress();
  Napi::Object result = Napi::Object::New(info.Env());
  result["scanned"] = progress.scanned;
  result["poolParked"] = progress.pool_parked;
  result["poolNeeded"] = progress.pool_needed;
  result["poolKnown"] = progress.pool_known;
  result["v8Parked"] = progress.v8_parked;
  result["v8Needed"] = progress.v8_needed;
  result["v8Known"] = progress.v8_known;
  result["isolatesParked"] = progress.isolates_parked;
  result["isolates"] = progress.isolates;
  return result;
}

Napi::Value ExcusePool(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), Active(info.Env()).ExcusePool());
}

// putHeapMarkBack(all): goes on with it unless a fork is being prepared, for a fraction of a millisecond or to the end;
// true while there is more to do.
Napi::Value PutHeapMarkBack(const Napi::CallbackInfo& info) {
  if (Quiescence::Get().active()) return Napi::Boolean::New(info.Env(), false);
  if (!info[0].ToBoolean()) return Napi::Boolean::New(info.Env(), HeapMark::Get().PutBackFor(kPutBackTurn));
  HeapMark::Get().PutBack();
  return Napi::Boolean::New(info.Env(), false);
}

void RegisterIsolate(const Napi::CallbackInfo&) { RegisterCurrentIsolate(); }

Napi::Value GetFullGcCount(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(CurrentGcFigures().full));
}

}  // namespace

void InitQuiesce(Napi::Env env, Napi::Object exports) {
  auto add = [&](const char* name, void (*function)(const Napi::CallbackInfo&)) {
    exports[name] = Napi::Function::New(env, function, name);
  };
  add("quiesceBegin", Begin);
  add("quiesceScan", Run<&Quiescence::ScanMappings>);
  add("quiesceParkPool", ParkPool);
  add("quiesceWatchPool", Run<&Quiescence::WatchPool>);
  exports["quiesceExcusePool"] = Napi::Function::New(env, ExcusePool, "quiesceExcusePool");
  add("quiesceParkV8Workers", Run<&Quiescence::ParkV8Workers>);
  add("quiesceReleaseIsolates", Run<&Quiescence::ReleaseIsolates>);
  add("quiesceUnpark", Unpark);
  add("quiesceLearnPool", Run<&Quiescence::LearnPool>);
  add("quiesceLearnV8", Run<&Quiescence::LearnV8>);
  add("quiesceEnd", End);
  add("registerIsolate", RegisterIsolate);
  exports["fullGcCount"] = Napi::Function::New(env, GetFullGcCount, "fullGcCount");
  exports["putHeapMarkBack"] = Napi::Function::New(env, PutHeapMarkBack, "putHeapMarkBack");
  exports["quiesceProgress"] = Napi::Function::New(env, GetProgress, "quiesceProgress");
}

}  // namespace forksnap
