// Early write-back of a file that is being written.
#ifndef FORKSNAP_WRITE_BACK_H_
#define FORKSNAP_WRITE_BACK_H_

#include <napi.h>

namespace forksnap {

void InitWriteBack(Napi::Env env, Napi::Object exports);

}  // namespace forksnap

#endif  // FORKSNAP_WRITE_BACK_H_
