// For tests only: does in the process of a fixture what badly behaved native code would. It is never published.
#include <errno.h>
#include <napi.h>
#include <signal.h>
#include <sys/wait.h>

#include <thread>

namespace {

pid_t WaitForAny(int options) {
  pid_t got = 0;
  do {
    got = waitpid(-1, nullptr, options);
  } while (got < 0 && errno == EINTR);
  return got < 0 ? 0 : got;
}

// reapForeign(onReaped): waits on a thread of its own for whichever child ends first and takes its status.
void ReapForeign(const Napi::CallbackInfo& info) {
  auto on_reaped =
      Napi::ThreadSafeFunction::New(info.Env(), info[0].As<Napi::Function>(), "forksnap.test.reapForeign", 0, 1);
  std::thread([on_reaped]() mutable {
    const pid_t got = WaitForAny(0);
    on_reaped.BlockingCall(
        [got](Napi::Env env, Napi::Function callback) { callback.Call({Napi::Number::New(env, got)}); });
    on_reaped.Release();
  }).detach();
}

// reapNow(): takes the status of a child that has ended, of whichever, or returns 0.
Napi::Value ReapNow(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), WaitForAny(WNOHANG)); }

void IgnoreSigchld(const Napi::CallbackInfo&) { signal(SIGCHLD, SIG_IGN); }

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports["reapForeign"] = Napi::Function::New(env, ReapForeign, "reapForeign");
  exports["reapNow"] = Napi::Function::New(env, ReapNow, "reapNow");
  exports["ignoreSigchld"] = Napi::Function::New(env, IgnoreSigchld, "ignoreSigchld");
  return exports;
}

}  // namespace

NODE_API_MODULE(forksnap_test_helper, Init)
