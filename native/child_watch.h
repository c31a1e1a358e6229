// Waiting for a child from JavaScript: waitpid(), and a watch that calls back from the loop when the child has ended.
#ifndef FORKSNAP_CHILD_WATCH_H_
#define FORKSNAP_CHILD_WATCH_H_

#include <napi.h>

namespace forksnap {

void InitChildWatch(Napi::Env env, Napi::Object exports);

}  // namespace forksnap

#endif  // FORKSNAP_CHILD_WATCH_H_
