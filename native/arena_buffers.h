// The arena's face to JavaScript: its blocks as ArrayBuffers.
#ifndef FORKSNAP_ARENA_BUFFERS_H_
#define FORKSNAP_ARENA_BUFFERS_H_

#include <napi.h>

namespace forksnap {

void InitArenaBuffers(Napi::Env env, Napi::Object exports);

}  // namespace forksnap

#endif  // FORKSNAP_ARENA_BUFFERS_H_
