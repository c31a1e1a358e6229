// For tests only: does in the process of a fixture what badly behaved native code would. It is never published.
#include <napi.h>
#include <signal.h>
#include <sys/wait.h>
#include <uv.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <condition_variable>
#include <mutex>

namespace {

// reapNow(): takes the status of a child that has ended, of whichever, or returns 0.
Napi::Value ReapNow(const Napi::CallbackInfo& info) {
  const pid_t got = waitpid(-1, nullptr, WNOHANG);
  return Napi::Number::New(info.Env(), got < 0 ? 0 : got);
}

void IgnoreSigchld(const Napi::CallbackInfo&) { signal(SIGCHLD, SIG_IGN); }

// The main thread's mask. Node clears what it was started with.
void BlockSigterm(const Napi::CallbackInfo&) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

// As on a system that has no such signal.
void OutliveParent(const Napi::CallbackInfo&) {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, 0);
#endif
}

// What a thread of the pool waits for that is stuck inside the process, on a lock.
std::mutex mutex;
std::condition_variable changed;
bool locked = false;
uv_work_t stuck;

// lockPoolThread(): one thread of libuv's pool waits until unlockPoolThread().
void LockPoolThread(const Napi::CallbackInfo& info) {
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(info.Env(), &loop);
  locked = true;
  uv_queue_work(
      loop, &stuck,
      [](uv_work_t*) {
        std::unique_lock<std::mutex> lock(mutex);
        changed.wait(lock, [] { return !locked; });
      },
      [](uv_work_t*, int) {});
}

void UnlockPoolThread(const Napi::CallbackInfo&) {
  const std::lock_guard<std::mutex> lock(mutex);
  locked = false;
  changed.notify_all();
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports["reapNow"] = Napi::Function::New(env, ReapNow, "reapNow");
  exports["outliveParent"] = Napi::Function::New(env, OutliveParent, "outliveParent");
  exports["blockSigterm"] = Napi::Function::New(env, BlockSigterm, "blockSigterm");
  exports["lockPoolThread"] = Napi::Function::New(env, LockPoolThread, "lockPoolThread");
  exports["unlockPoolThread"] = Napi::Function::New(env, UnlockPoolThread, "unlockPoolThread");
  exports["ignoreSigchld"] = Napi::Function::New(env, IgnoreSigchld, "ignoreSigchld");
  return exports;
}

}  // namespace

NODE_API_MODULE(forksnap_test_helper, Init)
