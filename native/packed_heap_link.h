// The addon's side of the packed heap: what the preloaded library (packed_heap/preload.cc) offers, if it is there.
#ifndef FORKSNAP_PACKED_HEAP_LINK_H_
#define FORKSNAP_PACKED_HEAP_LINK_H_

#include <napi.h>

namespace forksnap {

void InitPackedHeap(Napi::Env env, Napi::Object exports);

}  // namespace forksnap

#endif  // FORKSNAP_PACKED_HEAP_LINK_H_
