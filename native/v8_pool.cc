#include "v8_pool.h"

#include <node.h>
#include <string.h>
#include <v8-platform.h>
#include <v8.h>

#include <array>
#include <map>
#include <mutex>
#include <utility>

#include "child_threads.h"

namespace forksnap {

namespace {

v8::Platform* CurrentPlatform() {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  if (isolate == nullptr) return nullptr;
  v8::HandleScope scope(isolate);
  node::Environment* environment = node::GetCurrentEnvironment(isolate->GetCurrentContext());
  return environment == nullptr ? nullptr : node::GetMultiIsolatePlatform(environment);
}

// Runs on a worker thread of V8's, or is destroyed unrun when the platform ends first.
class ParkingTask : public v8::Task {
 public:
  explicit ParkingTask(std::shared_ptr<GateRound> round) : round_(std::move(round)) {}
  void Run() override { round_->Park(); }

 private:
  const std::shared_ptr<GateRound> round_;
};

// The isolates of Workers that have loaded forksnap. Interrupts carry a number instead of a pointer: one that is served
// after its entry has gone must find nothing.
struct IsolateRegistry {
  struct Entry {
    v8::Isolate* isolate = nullptr;
    std::shared_ptr<GateRound> round;
    // An interrupt that was never served is still on its way; a second one would only pile up.
    bool requested = false;
  };
  std::mutex mutex;
  std::map<uintptr_t, Entry> entries;
  uintptr_t next = 1;
};

// Never destroyed: Workers may end after the statics of this library have.
IsolateRegistry& Registry() {
  static IsolateRegistry* registry = new IsolateRegistry;
  return *registry;
}

void ParkIsolate(v8::Isolate*, void* number) {
  std::shared_ptr<GateRound> round;
  {
    IsolateRegistry& registry = Registry();
    std::lock_guard<std::mutex> lock(registry.mutex);
    auto found = registry.entries.find(reinterpret_cast<uintptr_t>(number));
    if (found == registry.entries.end()) return;
    found->second.requested = false;
    round = std::move(found->second.round);
    found->second.round = nullptr;
  }
  if (round != nullptr) round->Park();
}

// An isolate that is going away must leave before it is disposed of.
void ForgetIsolate(void* number) {
  IsolateRegistry& registry = Registry();
  std::lock_guard<std::mutex> lock(registry.mutex);
  registry.entries.erase(reinterpret_cast<uintptr_t>(number));
}

FatalHandler fatal_handler = nullptr;

void OnOutOfMemory(const char* location, const v8::OOMDetails& details) {
  fatal_handler(true, location == nullptr ? "" : location, details.detail == nullptr ? "" : details.detail);
}

void OnFatalError(const char* location, const char* message) {
  fatal_handler(false, location == nullptr ? "" : location, message == nullptr ? "" : message);
}

}  // namespace

int ReportedV8Workers() {
  v8::Platform* platform = CurrentPlatform();
  return platform == nullptr ? 0 : platform->NumberOfWorkerThreads();
}

void PostParkingTasks(const std::shared_ptr<GateRound>& round, int count) {
  v8::Platform* platform = CurrentPlatform();
  if (platform == nullptr) return;
  for (int i = 0; i < count; ++i) {
    auto task = std::make_unique<ParkingTask>(round);
    // The most urgent priority: where the platform knows priorities, the rest of the queue must not come first.
#if V8_MAJOR_VERSION >= 13
    platform->PostTaskOnWorkerThread(v8::TaskPriority::kUserBlocking, std::move(task));
#else
    platform->CallBlockingTaskOnWorkerThread(std::move(task));
#endif
  }
}

void RegisterCurrentIsolate() {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  uintptr_t number = 0;
  {
    IsolateRegistry& registry = Registry();
    std::lock_guard<std::mutex> lock(registry.mutex);
    for (const auto& entry : registry.entries) {
      if (entry.second.isolate == isolate) return;
    }
    number = registry.next++;
    registry.entries[number].isolate = isolate;
  }
  node::AddEnvironmentCleanupHook(isolate, ForgetIsolate, reinterpret_cast<void*>(number));
}

int RegisteredIsolates() {
  IsolateRegistry& registry = Registry();
  std::lock_guard<std::mutex> lock(registry.mutex);
  return static_cast<int>(registry.entries.size());
}

void InterruptIsolates(const std::shared_ptr<GateRound>& round) {
  IsolateRegistry& registry = Registry();
  std::lock_guard<std::mutex> lock(registry.mutex);
  for (auto& [number, entry] : registry.entries) {
    entry.round = round;
    if (entry.requested) continue;
    entry.requested = true;
    entry.isolate->RequestInterrupt(ParkIsolate, reinterpret_cast<void*>(number));
  }
}

bool IsRunningMicrotasks() { return v8::MicrotasksScope::IsRunningMicrotasks(v8::Isolate::GetCurrent()); }

void AtProcessExit(void (*hook)(void*), void* argument) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::HandleScope scope(isolate);
  node::Environment* environment = node::GetCurrentEnvironment(isolate->GetCurrentContext());
  if (environment != nullptr) node::AtExit(environment, hook, argument);
}

void PrepareIsolateInChild(bool suppress_microtasks, FatalHandler on_fatal) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  fatal_handler = on_fatal;
  isolate->SetFatalErrorHandler(OnFatalError);
  isolate->SetOOMErrorHandler(OnOutOfMemory);
  if (!suppress_microtasks) return;
  // Never deleted: the scope ends with the process.
  static auto* suppress = new v8::Isolate::SuppressMicrotaskExecutionScope(isolate);
  (void)suppress;
}

namespace {

// The pool of a child. Never deleted: it ends with the process.
v8::Platform* child_pool = nullptr;

// The virtuals of v8::Platform by which work gets to worker threads. Jobs come through them too.
#if V8_MAJOR_VERSION >= 12
struct Posting : v8::Platform {
  static constexpr auto kNow = &Posting::PostTaskOnWorkerThreadImpl;
  static constexpr auto kLater = &Posting::PostDelayedTaskOnWorkerThreadImpl;
};

void PostNow(v8::Platform*, v8::TaskPriority priority, std::unique_ptr<v8::Task> task,
             const v8::SourceLocation& location) {
  (child_pool->*Posting::kNow)(priority, std::move(task), location);
}

void PostLater(v8::Platform*, v8::TaskPriority priority, std::unique_ptr<v8::Task> task, double delay,
               const v8::SourceLocation& location) {
  (child_pool->*Posting::kLater)(priority, std::move(task), delay, location);
}
#else
struct Posting {
  static constexpr auto kNow = &v8::Platform::CallOnWorkerThread;
  static constexpr auto kLater = &v8::Platform::CallDelayedOnWorkerThread;
};

void PostNow(v8::Platform*, std::unique_ptr<v8::Task> task) { (child_pool->*Posting::kNow)(std::move(task)); }

void PostLater(v8::Platform*, std::unique_ptr<v8::Task> task, double delay) {
  (child_pool->*Posting::kLater)(std::move(task), delay);
}
#endif

// By the C++ ABI of Linux and macOS a pointer to a virtual member function holds where its slot is in the table.
template <typename Member>
size_t SlotOf(Member member) {
  uintptr_t words[2];
  static_assert(sizeof member == sizeof words, "a pointer to a member function has two words");
  memcpy(words, &member, sizeof words);
#if defined(__aarch64__) || defined(__arm__)
  return words[0] / sizeof(void*);
#else
  return (words[0] - 1) / sizeof(void*);
#endif
}

// What an object's table of virtuals has before its slots: the offset to its top, and its type.
constexpr size_t kTableHead = 2;
// More slots than Node's platform has. What is copied beyond them is never used; there is much data after the table.
constexpr size_t kTableSlots = 64;
// Beside its workers a platform of Node's starts a thread for delayed tasks, with a loop.
constexpr int kOtherThreads = 1;

template <typename Function>
void* AddressOf(Function* function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

bool StartV8WorkersInChild(int count) {
  v8::Platform* platform = CurrentPlatform();
  if (platform == nullptr || count <= 0 || !CanStartThreads(count + kOtherThreads) || !CanStartLoop()) return false;
  child_pool = node::MultiIsolatePlatform::Create(count).release();
  void** const table = *reinterpret_cast<void***>(platform);
  // Another class than Node's own (an embedder's) may have other ways to its threads.
  if (*reinterpret_cast<void***>(child_pool) != table) return false;
  const size_t now = SlotOf(Posting::kNow);
  const size_t later = SlotOf(Posting::kLater);
  if (now >= kTableSlots || later >= kTableSlots) return false;
  // A copy, since the new pool is of the same class: its own table must stay as it is.
  static std::array<void*, kTableHead + kTableSlots> copy;
  memcpy(copy.data(), table - kTableHead, sizeof copy);
  copy[kTableHead + now] = AddressOf(PostNow);
  copy[kTableHead + later] = AddressOf(PostLater);
  *reinterpret_cast<void***>(platform) = copy.data() + kTableHead;
  return true;
}

}  // namespace forksnap
