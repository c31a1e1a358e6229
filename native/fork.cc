#include "fork.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <string>
#include <thread>

#include "child_setup.h"
#include "heap_inherit.h"
#include "heap_mark.h"
#include "quiesce.h"
#include "start_gate.h"
#include "status_page.h"
#include "system_error.h"
#include "threads.h"
#include "v8_gc.h"
#include "v8_pool.h"

namespace forksnap {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kLookTries = 20;
// JavaScript's Number.MAX_SAFE_INTEGER.
constexpr double kWholeMax = 9007199254740991.0;
// The main thread is blocked while it waits for isolates, so that no more than a few milliseconds are allowed.
constexpr auto kIsolatesWait = std::chrono::milliseconds(3);
// Much longer than what the parent still has to do, and short beside what a child takes to write a slice.
constexpr auto kStartWait = std::chrono::milliseconds(100);

double MsSince(Clock::time_point since) {
  return std::chrono::duration<double, std::milli>(Clock::now() - since).count();
}

// Set once, in a child. The page belongs to the parent's object, which the child inherited and never closes.
bool in_child = false;
StatusPage* child_page = nullptr;
pid_t parent_of_child = 0;
// As it was at the fork.
GcFigures parent_gc;

// The system counts a child's faults from 0.
uint64_t Faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_minflt);
}

[[noreturn]] void ExitChild(Outcome outcome, int code, const char* message, size_t length) {
  if (child_page != nullptr) {
    child_page->MeasureCow(true);
    const GcFigures& gc = CurrentGcFigures();
    child_page->SetCost(Faults(), gc.young - parent_gc.young, gc.full - parent_gc.full);
    child_page->SetOutcome(outcome, message, length);
  }
  // exit() would join threads that do not exist here and run the parent's handlers.
  _exit(code);
}

[[noreturn]] void ExitBareChild(int code, const char* message) {
  if (write(STDERR_FILENO, message, strlen(message)) < 0) {
    // Nobody is left to be told.
  }
  _exit(code);
}

void OnFatal(bool out_of_memory, const char* location, const char* message) {
  char text[1024];
  const int length = snprintf(text, sizeof text, "%s: %s%s%s", out_of_memory ? "out of memory" : "fatal error",
                              location, *message == '\0' ? "" : ": ", message);
  const size_t kept = length < 0 ? 0 : std::min<size_t>(static_cast<size_t>(length), sizeof text - 1);
  ExitChild(out_of_memory ? Outcome::kOutOfMemory : Outcome::kFatalError, kExitBroken, text, kept);
}

// The parent's loop must never turn in the child: its epoll set, sockets and timers are the parent's.
void TrapLoop(uv_loop_t* loop) {
  static uv_idle_t trap;
  uv_idle_init(loop, &trap);
  uv_idle_start(&trap, [](uv_idle_t*) {
    static constexpr char kMessage[] =
        "forksnap: the child of fork() returned to the event loop, which belongs to its parent; end the child with "
        "process.exit()\n";
    OnFatal(false, "fork", "the child returned to the event loop");
    ExitBareChild(kExitBroken, kMessage);
  });
}

ChildSetup SetupFrom(const Napi::Object& options) {
  ChildSetup setup;
  setup.parent = getpid();
  setup.keep_stdio = options.Get("keepStdio").ToBoolean();
  setup.title = options.Get("title").ToString().Utf8Value();
  setup.nice = options.Get("nice").ToNumber().Int32Value();
  setup.idle = options.Get("idle").ToBoolean();
  setup.io_priority = options.Get("ioPriority").ToNumber().Int32Value();
  setup.oom_score_adj = options.Get("oomScoreAdj").ToNumber().Int32Value();
  setup.core_dump = options.Get("coreDump").ToBoolean();
  auto numbers = [&](const char* name) {
    std::vector<int> result;
    const Napi::Array array = options.Get(name).As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); ++i) result.push_back(array.Get(i).ToNumber().Int32Value());
    return result;
  };
  setup.keep_fds = numbers("keepFds");
  setup.cpus = numbers("cpus");
  return setup;
}

struct ForkResult {
  enum class Kind { kForked, kNotParked, kBusy, kFailed } kind = Kind::kFailed;
  pid_t pid = -1;
  double look_ms = 0;
  double inherit_ms = 0;
  double fork_ms = 0;
  double restore_ms = 0;
  double release_ms = 0;
  const char* syscall = "";
  int error = 0;
  Look look;
};

// Looks again a few times: a thread that has only just arrived at the gate needs microseconds to fall asleep there.
// Isolates that were interrupted in this tick need 0.2 ms in the median to come.
Look LookUntilAtRest(const std::vector<pid_t>& parked) {
  const auto isolates_until = Clock::now() + (RegisteredIsolates() > 0 ? kIsolatesWait : Clock::duration(0));
  Look look;
  for (int i = 0;; ++i) {
    look = LookAtThreads(parked);
    if (look.at_rest) break;
    if (i < kLookTries) {
      sched_yield();
    } else if (Clock::now() < isolates_until) {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    } else {
      break;
    }
  }
  return look;
}

// In the parent the quiescence has ended when this returns kForked or kFailed; after the other two it goes on.
ForkResult ForkHeld(Quiescence& quiescence, const ChildSetup& setup) {
  ForkResult result;
  {
    const Quiescence::Hold hold(quiescence);
    if (!hold.complete()) {
      result.kind = ForkResult::Kind::kNotParked;
      return result;
    }
    if (hold.woken() != 0) {
      result.kind = ForkResult::Kind::kBusy;
      result.look.busy_tid = hold.woken();
      return result;
    }
    const auto before_look = Clock::now();
    result.look = LookUntilAtRest(hold.tids());
    result.look_ms = MsSince(before_look);
    if (!result.look.at_rest) {
      result.kind = ForkResult::Kind::kBusy;
      return result;
    }
    SignalBlock block;
    std::optional<HeapMark::OwnFork> own_fork(std::in_place);
    result.syscall = "madvise";
    const auto before_inherit = Clock::now();
    result.error = InheritEverything();
    result.inherit_ms = MsSince(before_inherit);
    if (result.error == 0) {
      result.syscall = "fork";
      StartGate::Get().Shut();
      const int parent_cpu = CurrentCpu();
      const auto before = Clock::now();
      result.pid = fork();
      result.error = result.pid < 0 ? errno : 0;
      if (result.pid == 0) {
        LeaveCpu(parent_cpu);
        quiescence.AbandonInChild();
        parent_of_child = setup.parent;
        if (!SetUpChild(setup)) {
          static constexpr char kMessage[] =
              "the child could not be set up: its parent has gone, /proc is missing or no descriptor is free";
          in_child = true;
          ExitChild(Outcome::kSetupFailed, kExitBroken, kMessage, sizeof kMessage - 1);
        }
        block.Abandon();
        result.kind = ForkResult::Kind::kForked;
        StartGate::Get().Await(kStartWait);
        return result;
      }
      result.fork_ms = MsSince(before);
      // The child does so too, but may not have come to it yet when the terminal's Ctrl-C reaches the group.
      if (result.pid > 0) setpgid(result.pid, result.pid);
      result.kind = result.pid > 0 ? ForkResult::Kind::kForked : ForkResult::Kind::kFailed;
    }
    own_fork.reset();
    // Before anybody is released: a worker of V8's could unmap a range, and another thread's malloc take its place.
    const auto before_restore = Clock::now();
    quiescence.RestoreMark();
    result.restore_ms = MsSince(before_restore);
  }
  const auto before_release = Clock::now();
  quiescence.End();
  result.release_ms = MsSince(before_release);
  StartGate::Get().Open();
  return result;
}

Napi::Object ToObject(Napi::Env env, const ForkResult& result) {
  Napi::Object object = Napi::Object::New(env);
  object["pid"] = result.pid;
  object["lookMs"] = result.look_ms;
  object["inheritMs"] = result.inherit_ms;
  object["forkMs"] = result.fork_ms;
  object["restoreMs"] = result.restore_ms;
  object["releaseMs"] = result.release_ms;
  object["notParked"] = result.kind == ForkResult::Kind::kNotParked;
  object["busyTid"] = result.look.busy_tid;
  object["busyState"] = std::string(1, result.look.busy_state == 0 ? ' ' : result.look.busy_state);
  object["errno"] = result.error == 0 ? "" : uv_err_name(uv_translate_sys_error(result.error));
  object["syscall"] = result.syscall;
  return object;
}

// quiesceLook(): whether a fork would find everybody at rest just now, before the caller's hook is asked for. Workers'
// isolates stay parked after it, for a fork in the same tick; quiesceReleaseIsolates() lets them go if there is none.
Napi::Value LookOnly(const Napi::CallbackInfo& info) {
  Quiescence& quiescence = Quiescence::Get();
  if (!quiescence.active()) return Napi::Boolean::New(info.Env(), false);
  quiescence.ParkIsolates();
  const Quiescence::Hold hold(quiescence);
  if (!hold.complete() || hold.woken() != 0) return Napi::Boolean::New(info.Env(), false);
  return Napi::Boolean::New(info.Env(), LookUntilAtRest(hold.tids()).at_rest);
}

StatusPage* PageOf(const Napi::Value& value) { return value.As<Napi::External<StatusPage>>().Data(); }

// fork(options, page, main): forks and runs main() in the child, which never returns from here.
Napi::Value ForkAndRun(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const ChildSetup setup = SetupFrom(info[0].As<Napi::Object>());
  StatusPage* page = PageOf(info[1]);
  if (!page->valid()) throw Napi::Error::New(env, "the status page is closed");
  const Napi::Function main = info[2].As<Napi::Function>();
  child_page = page;
  parent_gc = CurrentGcFigures();
  const ForkResult result = ForkHeld(Quiescence::Get(), setup);
  if (result.pid != 0) {
    child_page = nullptr;
    return ToObject(env, result);
  }
  in_child = true;
  PrepareIsolateInChild(true, OnFatal);
  napi_value ignored = nullptr;
  napi_call_function(env, env.Global(), main, 0, nullptr, &ignored);
  static constexpr char kMessage[] = "the child's program returned without ending the child";
  ExitChild(Outcome::kThrew, kExitBroken, kMessage, sizeof kMessage - 1);
}

// forkBare(options, waitMs): the low-level fork(), which returns in both processes.
Napi::Value ForkBare(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Quiescence& quiescence = Quiescence::Get();
  if (quiescence.active()) throw Napi::Error::New(env, "a quiescence is already under way");
  const ChildSetup setup = SetupFrom(info[0].As<Napi::Object>());
  const auto wait = std::chrono::milliseconds(info[1].As<Napi::Number>().Int32Value());
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);

  // The scan comes first, while nobody is kept waiting by it.
  quiescence.BeginBlocking(1000);
  quiescence.ScanMappings();
  try {
    quiescence.ParkPool(env);
  } catch (const Napi::Error&) {
    quiescence.End();
    throw;
  }
  quiescence.ParkV8Workers();
  quiescence.ParkIsolates();
  ForkResult result;
  result.kind = ForkResult::Kind::kNotParked;
  if (quiescence.WaitBlocking(Clock::now() + wait)) result = ForkHeld(quiescence, setup);
  if (result.pid != 0) {
    quiescence.End();
    return ToObject(env, result);
  }
  in_child = true;
  PrepareIsolateInChild(true, OnFatal);
  TrapLoop(loop);
  return ToObject(env, result);
}

Napi::Value IsInChild(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), in_child); }

Napi::Value GetPid(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), getpid()); }

Napi::Value IsInMicrotask(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), IsRunningMicrotasks());
}

// What only a child may call. In the parent these would end the server.
void RequireChild(Napi::Env env) {
  if (!in_child) throw Napi::Error::New(env, "only a child of fork() may call this");
}

// Where the system has no signal for a parent's death, an orphan comes to its end. Nobody is left who could publish
// what it wrote, and it must not look as if it had ended well to whoever reaps it.
void RequireParent() {
  if (getppid() != parent_of_child) ExitOrphan();
}

void ChildExit(const Napi::CallbackInfo& info) {
  RequireChild(info.Env());
  const auto outcome = static_cast<Outcome>(info[0].As<Napi::Number>().Uint32Value());
  const int code = info[1].As<Napi::Number>().Int32Value();
  const std::string message = info[2].As<Napi::String>().Utf8Value();
  if (outcome == Outcome::kReturned) RequireParent();
  ExitChild(outcome, code, message.data(), message.size());
}

// childStartV8Workers(count): true if they run.
Napi::Value ChildStartV8Workers(const Napi::CallbackInfo& info) {
  RequireChild(info.Env());
  return Napi::Boolean::New(info.Env(), StartV8WorkersInChild(info[0].As<Napi::Number>().Int32Value()));
}

void ChildProgress(const Napi::CallbackInfo& info) {
  if (!in_child || child_page == nullptr) return;
  uint64_t totals[2];
  for (size_t i = 0; i < 2; ++i) {
    const double total = info[i].IsNumber() ? info[i].As<Napi::Number>().DoubleValue() : -1;
    // Written so that NaN fails: what is out of the type's range has no defined conversion.
    if (!(total >= 0 && total <= kWholeMax && total == std::floor(total))) {
      throw Napi::Error::New(info.Env(), "childProgress(rows, bytes) takes two whole numbers");
    }
    totals[i] = static_cast<uint64_t>(total);
  }
  child_page->SetProgress(totals[0], totals[1]);
  child_page->MeasureCow(false);
}

Napi::Value ChildResult(const Napi::CallbackInfo& info) {
  RequireChild(info.Env());
  const auto bytes = info[0].As<Napi::Uint8Array>();
  const bool stored = child_page != nullptr && child_page->SetResult(bytes.Data(), bytes.ByteLength());
  return Napi::Boolean::New(info.Env(), stored);
}

// openPage(): the status page for one child.
Napi::Value OpenPage(const Napi::CallbackInfo& info) {
  auto page = std::make_unique<StatusPage>();
  if (!page->valid()) throw SystemError(info.Env(), "mmap", page->error());
  return Napi::External<StatusPage>::New(info.Env(), page.release(), [](Napi::Env, StatusPage* old) { delete old; });
}

Napi::Value ReadPage(const Napi::CallbackInfo& info) {
  const StatusPage* page = PageOf(info[0]);
  if (!page->valid()) throw Napi::Error::New(info.Env(), "the status page is closed");
  const StatusPage::State state = page->Read();
  Napi::Object result = Napi::Object::New(info.Env());
  result["rows"] = static_cast<double>(state.rows);
  result["bytes"] = static_cast<double>(state.bytes);
  result["cowBytes"] = static_cast<double>(state.cow_bytes);
  result["faults"] = static_cast<double>(state.faults);
  result["youngGcs"] = static_cast<double>(state.young_gcs);
  result["fullGcs"] = static_cast<double>(state.full_gcs);
  result["beats"] = static_cast<double>(state.beats);
  result["outcome"] = static_cast<uint32_t>(state.outcome);
  result["message"] = state.message;
  return result;
}

Napi::Value ReadPageResult(const Napi::CallbackInfo& info) {
  const StatusPage* page = PageOf(info[0]);
  if (!page->valid()) throw Napi::Error::New(info.Env(), "the status page is closed");
  return Napi::Buffer<uint8_t>::Copy(info.Env(), static_cast<const uint8_t*>(page->result()), page->result_length());
}

void ClosePage(const Napi::CallbackInfo& info) { PageOf(info[0])->Close(); }

}  // namespace

bool InChild() { return in_child; }

void InitFork(Napi::Env env, Napi::Object exports) {
  auto add = [&](const char* name, auto function) { exports[name] = Napi::Function::New(env, function, name); };
  add("quiesceLook", LookOnly);
  add("fork", ForkAndRun);
  add("forkBare", ForkBare);
  add("isInChild", IsInChild);
  add("getpid", GetPid);
  add("isInMicrotask", IsInMicrotask);
  add("childExit", ChildExit);
  add("childStartV8Workers", ChildStartV8Workers);
  add("childProgress", ChildProgress);
  add("childResult", ChildResult);
  add("openPage", OpenPage);
  add("readPage", ReadPage);
  add("readPageResult", ReadPageResult);
  add("closePage", ClosePage);
}

}  // namespace forksnap
