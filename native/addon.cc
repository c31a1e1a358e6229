#include <napi.h>

#include "child_watch.h"
#include "file_lock.h"
#include "fork.h"
#include "quiesce.h"

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  forksnap::InitQuiesce(env, exports);
  forksnap::InitFork(env, exports);
  forksnap::InitChildWatch(env, exports);
  forksnap::InitFileLock(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(forksnap, Init)
