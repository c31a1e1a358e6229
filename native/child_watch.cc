#include "child_watch.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <memory>

#include "loop_callback.h"
#include "system_error.h"
#include "waitpid.h"

namespace forksnap {

namespace {

// waitpid(pid, options): null while the child runs, else how it ended. Only positive pids: -1 would steal the exit
// status of somebody else's child.
Napi::Value WaitPid(const Napi::CallbackInfo& info) {
  const pid_t pid = info[0].As<Napi::Number>().Int32Value();
  const int options = info[1].As<Napi::Number>().Int32Value();
  if (pid <= 0) throw SystemError(info.Env(), "waitpid", EINVAL);
  int status = 0;
  pid_t got = 0;
  do {
    got = waitpid(pid, &status, options);
  } while (got < 0 && errno == EINTR);
  if (got < 0) throw SystemError(info.Env(), "waitpid", errno);
  if (got == 0) return info.Env().Null();
  const WaitStatus decoded = DecodeWaitStatus(status);
  Napi::Object result = Napi::Object::New(info.Env());
  result["pid"] = got;
  result["exited"] = decoded.exited;
  result["exitCode"] = decoded.exit_code;
  result["signaled"] = decoded.signaled;
  result["signal"] = decoded.signal;
  result["coreDumped"] = decoded.core_dumped;
  return result;
}

// A pidfd in the loop. The uv handle outlives the JavaScript object until libuv has closed it.
class ChildWatch : public Napi::ObjectWrap<ChildWatch> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "ChildWatch",
                       {InstanceMethod<&ChildWatch::Signal>("signal"), InstanceMethod<&ChildWatch::Close>("close")});
  }

  explicit ChildWatch(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ChildWatch>(info) {
    const pid_t pid = info[0].As<Napi::Number>().Int32Value();
    const int fd = OpenPidfd(pid);
    if (fd < 0) throw SystemError(info.Env(), "pidfd_open", errno);
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(info.Env(), &loop);
    auto state = std::make_unique<State>();
    const int error = uv_poll_init(loop, &state->poll, fd);
    if (error != 0) {
      close(fd);
      throw SystemError(info.Env(), "epoll_ctl", -error);
    }
    state->fd = fd;
    state->env = info.Env();
    state->on_end = Napi::Persistent(info[1].As<Napi::Function>());
    state->context = std::make_unique<Napi::AsyncContext>(info.Env(), "forksnap.child");
    state->poll.data = state.get();
    state_ = state.release();
    const int refused = uv_poll_start(&state_->poll, UV_READABLE, OnReadable);
    if (refused != 0) {
      CloseState();
      throw SystemError(info.Env(), "epoll_ctl", -refused);
    }
  }

  ~ChildWatch() override { CloseState(); }

 private:
  struct State {
    uv_poll_t poll;
    int fd = -1;
    napi_env env = nullptr;
    Napi::FunctionReference on_end;
    std::unique_ptr<Napi::AsyncContext> context;
  };

  static void OnReadable(uv_poll_t* poll, int, int) {
    auto* state = static_cast<State*>(poll->data);
    Napi::HandleScope scope(Napi::Env(state->env));
    // The callback may close this watch; the state itself lives until libuv says so.
    uv_poll_stop(poll);
    CallFromLoop(state->env, state->on_end, *state->context);
  }

  static void OnClosed(uv_handle_t* handle) {
    auto* state = static_cast<State*>(handle->data);
    Napi::HandleScope scope(Napi::Env(state->env));
    delete state;
  }

  void CloseState() {
    if (state_ == nullptr) return;
    uv_poll_stop(&state_->poll);
    close(state_->fd);
    uv_close(reinterpret_cast<uv_handle_t*>(&state_->poll), OnClosed);
    state_ = nullptr;
  }

  void Signal(const Napi::CallbackInfo& info) {
    if (state_ == nullptr) throw SystemError(info.Env(), "pidfd_send_signal", ESRCH);
    if (SignalPidfd(state_->fd, info[0].As<Napi::Number>().Int32Value()) != 0) {
      throw SystemError(info.Env(), "pidfd_send_signal", errno);
    }
  }

  void Close(const Napi::CallbackInfo&) { CloseState(); }

  State* state_ = nullptr;
};

}  // namespace

void InitChildWatch(Napi::Env env, Napi::Object exports) {
  exports["waitpid"] = Napi::Function::New(env, WaitPid, "waitpid");
  exports["WNOHANG"] = WNOHANG;
  exports["ChildWatch"] = ChildWatch::Define(env);
}

}  // namespace forksnap
