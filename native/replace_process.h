// Replaces this process by another program, which finds it as if Node had never been there.
#ifndef FORKSNAP_REPLACE_PROCESS_H_
#define FORKSNAP_REPLACE_PROCESS_H_

#include <napi.h>

namespace forksnap {

void InitReplaceProcess(Napi::Env env, Napi::Object exports);

}  // namespace forksnap

#endif  // FORKSNAP_REPLACE_PROCESS_H_
