// Stands between the addon and libuv, and mmap: the addon's own objects are linked once more with `--wrap` of these
// calls (see test/helpers/uv-faults.ts). FORKSNAP_UV_FAULT=<call>:<nth> makes the nth one, counted from 1, fail.
#include <sys/mman.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

struct uv_loop_s;
struct uv_async_s;
struct uv_work_s;

namespace {

// Counts the calls of one kind; true for the one that is to fail. The main thread alone makes them.
bool Fails(const char* call, int* count) {
  const char* fault = getenv("FORKSNAP_UV_FAULT");
  const size_t length = strlen(call);
  if (fault == nullptr || strncmp(fault, call, length) != 0 || fault[length] != ':') return false;
  return ++*count == atoi(fault + length + 1);
}

}  // namespace

extern "C" {

using AsyncCallback = void (*)(uv_async_s*);
using WorkCallback = void (*)(uv_work_s*);
using AfterCallback = void (*)(uv_work_s*, int);

int __real_uv_async_init(uv_loop_s* loop, uv_async_s* async, AsyncCallback callback);
int __real_uv_queue_work(uv_loop_s* loop, uv_work_s* request, WorkCallback work, AfterCallback after);

// libuv's errors are the system's, negated.
int __wrap_uv_async_init(uv_loop_s* loop, uv_async_s* async, AsyncCallback callback) {
  static int count = 0;
  return Fails("uv_async_init", &count) ? -EMFILE : __real_uv_async_init(loop, async, callback);
}

int __wrap_uv_queue_work(uv_loop_s* loop, uv_work_s* request, WorkCallback work, AfterCallback after) {
  static int count = 0;
  return Fails("uv_queue_work", &count) ? -ENOMEM : __real_uv_queue_work(loop, request, work, after);
}

// The system's own, of which the objects call one or the other.
void* __real_mmap(void* address, size_t length, int protection, int flags, int fd, off_t offset);

void* __wrap_mmap(void* address, size_t length, int protection, int flags, int fd, off_t offset) {
  static int count = 0;
  if (!Fails("mmap", &count)) return __real_mmap(address, length, protection, flags, fd, offset);
  errno = ENOMEM;
  return MAP_FAILED;
}

void* __wrap_mmap64(void* address, size_t length, int protection, int flags, int fd, off_t offset) {
  return __wrap_mmap(address, length, protection, flags, fd, offset);
}

}  // extern "C"
