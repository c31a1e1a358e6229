// What a living child costs its parent: page faults and garbage collections.
#ifndef FORKSNAP_PARENT_COST_H_
#define FORKSNAP_PARENT_COST_H_

#include <napi.h>

namespace forksnap {

void InitParentCost(Napi::Env env, Napi::Object exports);

}  // namespace forksnap

#endif  // FORKSNAP_PARENT_COST_H_
