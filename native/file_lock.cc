#include "file_lock.h"

#include <errno.h>
#include <sys/file.h>

#include <string>

#include "system_error.h"

namespace forksnap {

namespace {

// flock(fd, mode): true if the lock is ours now, false if another open file holds it. Never waits.
Napi::Value Flock(const Napi::CallbackInfo& info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  const std::string mode = info[1].As<Napi::String>().Utf8Value();
  const int operation = mode == "exclusive" ? LOCK_EX : mode == "shared" ? LOCK_SH : LOCK_UN;
  int result = 0;
  do {
    result = flock(fd, operation | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return Napi::Boolean::New(info.Env(), true);
  if (errno == EWOULDBLOCK) return Napi::Boolean::New(info.Env(), false);
  throw SystemError(info.Env(), "flock", errno);
}

}  // namespace

void InitFileLock(Napi::Env env, Napi::Object exports) { exports["flock"] = Napi::Function::New(env, Flock, "flock"); }

}  // namespace forksnap
