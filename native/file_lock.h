// flock() on a descriptor: the kernel's lock on a store's directory, gone when its owner is, however that died.
#ifndef FORKSNAP_FILE_LOCK_H_
#define FORKSNAP_FILE_LOCK_H_

#include <napi.h>

namespace forksnap {

void InitFileLock(Napi::Env env, Napi::Object exports);

}  // namespace forksnap

#endif  // FORKSNAP_FILE_LOCK_H_
