// The synchronous part of a snapshot: hold, look, fork; in the child the first steps, then JavaScript, then _exit().
#ifndef FORKSNAP_FORK_H_
#define FORKSNAP_FORK_H_

#include <napi.h>

namespace forksnap {

// Whether this process is a child of one of the two forks.
bool InChild();

void InitFork(Napi::Env env, Napi::Object exports);

}  // namespace forksnap

#endif  // FORKSNAP_FORK_H_
