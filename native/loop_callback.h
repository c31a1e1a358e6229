// Calling JavaScript from a callback of libuv's.
#ifndef FORKSNAP_LOOP_CALLBACK_H_
#define FORKSNAP_LOOP_CALLBACK_H_

#include <napi.h>

#include <vector>

namespace forksnap {

// Ticks and microtasks run after the call, and those may be anybody's: what they throw belongs to the process's own
// handling of uncaught exceptions. As a C++ exception it would pass through libuv and end the server.
inline void CallFromLoop(napi_env env, const Napi::FunctionReference& function, const Napi::AsyncContext& context) {
  try {
    function.MakeCallback(Napi::Env(env).Global(), std::vector<napi_value>{}, context);
  } catch (const Napi::Error& error) {
    napi_fatal_exception(env, error.Value());
  }
}

}  // namespace forksnap

#endif  // FORKSNAP_LOOP_CALLBACK_H_
