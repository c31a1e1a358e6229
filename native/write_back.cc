#include "write_back.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>

#include "system_error.h"

namespace forksnap {

namespace {

// 0 or an errno. ENOSYS where the system has no such call.
int WriteBackRange(int fd, int64_t start, int64_t bytes, bool wait) {
#ifdef __linux__
  const unsigned started = SYNC_FILE_RANGE_WRITE;
  const unsigned over = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  while (sync_file_range(fd, start, bytes, wait ? over : started) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
#else
  return ENOSYS;
#endif
}

// writeBack(fd, start, bytes, wait): has the disk begin with these bytes of the file, or waits until it has them. No
// substitute for a sync: neither the file's length nor the disk's own cache is seen to. False where there is no such
// call for the descriptor, or a sandbox refuses it: whoever asked then syncs.
Napi::Value WriteBack(const Napi::CallbackInfo& info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  const int64_t start = info[1].As<Napi::Number>().Int64Value();
  const int64_t bytes = info[2].As<Napi::Number>().Int64Value();
  const int error = WriteBackRange(fd, start, bytes, info[3].As<Napi::Boolean>());
  if (error == 0) return Napi::Boolean::New(info.Env(), true);
  for (const int none : {ENOSYS, ESPIPE, EINVAL, EOPNOTSUPP, EPERM, EACCES}) {
    if (error == none) return Napi::Boolean::New(info.Env(), false);
  }
  throw SystemError(info.Env(), "sync_file_range", error);
}

}  // namespace

void InitWriteBack(Napi::Env env, Napi::Object exports) {
  exports["writeBack"] = Napi::Function::New(env, WriteBack, "writeBack");
}

}  // namespace forksnap
