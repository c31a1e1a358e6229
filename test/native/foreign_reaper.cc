// For tests only: does in the process of a fixture what badly behaved native code would. It is never published.
#include <napi.h>
#include <signal.h>
#include <sys/wait.h>

namespace {

// reapNow(): takes the status of a child that has ended, of whichever, or returns 0.
Napi::Value ReapNow(const Napi::CallbackInfo& info) {
  const pid_t got = waitpid(-1, nullptr, WNOHANG);
  return Napi::Number::New(info.Env(), got < 0 ? 0 : got);
}

void IgnoreSigchld(const Napi::CallbackInfo&) { signal(SIGCHLD, SIG_IGN); }

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports["reapNow"] = Napi::Function::New(env, ReapNow, "reapNow");
  exports["ignoreSigchld"] = Napi::Function::New(env, IgnoreSigchld, "ignoreSigchld");
  return exports;
}

}  // namespace

NODE_API_MODULE(forksnap_test_helper, Init)
