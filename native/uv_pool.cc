#include "uv_pool.h"

#include <stdlib.h>

#include <algorithm>

namespace forksnap {

namespace {

// libuv's own rules: 4 by default, 0 means 1, at most 1024.
int SizeFromEnvironment() {
  const char* text = getenv("UV_THREADPOOL_SIZE");
  if (text == nullptr) return 4;
  const unsigned size = static_cast<unsigned>(atoi(text));
  return static_cast<int>(std::clamp(size, 1u, 1024u));
}

const int size_at_load = SizeFromEnvironment();

struct ParkWork {
  uv_work_t request;
  std::shared_ptr<GateRound> round;
};

void Park(uv_work_t* request) { static_cast<ParkWork*>(request->data)->round->Park(); }

void Delete(uv_work_t* request, int) { delete static_cast<ParkWork*>(request->data); }

}  // namespace

PoolSize UvPoolSize() {
  const int now = SizeFromEnvironment();
  return {std::min(now, size_at_load), std::max(now, size_at_load)};
}

int ParkUvPool(uv_loop_t* loop, const std::shared_ptr<GateRound>& round, int count) {
  for (int i = 0; i < count; ++i) {
    auto* work = new ParkWork{{}, round};
    work->request.data = work;
    const int error = uv_queue_work(loop, &work->request, Park, Delete);
    if (error != 0) {
      delete work;
      return error;
    }
  }
  return 0;
}

}  // namespace forksnap
