// The error that JavaScript gets for a failed call to the system.
#ifndef FORKSNAP_SYSTEM_ERROR_H_
#define FORKSNAP_SYSTEM_ERROR_H_

#include <errno.h>
#include <napi.h>
#include <uv.h>

#include <string>

namespace forksnap {

// With the errno's name as its `code`, as Node's own errors have it, and the call's as its `syscall`. `error` is an
// errno, not a code of libuv's.
inline Napi::Error SystemError(Napi::Env env, const char* syscall, int error) {
  // libuv has no name for the one error that matters most after a fork.
  const bool no_child = error == ECHILD;
  const int code = uv_translate_sys_error(error);
  Napi::Error result =
      Napi::Error::New(env, std::string(syscall) + ": " + (no_child ? "no child processes" : uv_strerror(code)));
  result.Set("code", no_child ? "ECHILD" : uv_err_name(code));
  result.Set("syscall", syscall);
  return result;
}

}  // namespace forksnap

#endif  // FORKSNAP_SYSTEM_ERROR_H_
