#include <napi.h>
#include <node_version.h>

#include "arena_buffers.h"
#include "child_watch.h"
#include "file_lock.h"
#include "fork.h"
#include "packed_heap_link.h"
#include "parent_cost.h"
#include "quiesce.h"
#include "replace_process.h"
#include "write_back.h"

// Read from the file by src/binding.ts before it loads it: the addon uses V8's own interface, and in a Node with
// another one it would not be refused, but crash.
extern "C" __attribute__((used, visibility("default"))) const char forksnap_built_for[] =
    "forksnap addon for Node ABI " NODE_STRINGIFY(NODE_MODULE_VERSION) ";";

#ifdef FORKSNAP_PORTABLE
// Looked for by scripts/test-portable.mjs.
extern "C" __attribute__((used, visibility("default"))) const char forksnap_portable[] = "forksnap addon, portable";
#endif

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  forksnap::InitQuiesce(env, exports);
  forksnap::InitFork(env, exports);
  forksnap::InitChildWatch(env, exports);
  forksnap::InitFileLock(env, exports);
  forksnap::InitPackedHeap(env, exports);
  forksnap::InitParentCost(env, exports);
  forksnap::InitArenaBuffers(env, exports);
  forksnap::InitWriteBack(env, exports);
  forksnap::InitReplaceProcess(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(forksnap, Init)
