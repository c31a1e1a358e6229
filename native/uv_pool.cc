#include "uv_pool.h"

#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace forksnap {

namespace {

constexpr char kName[] = "UV_THREADPOOL_SIZE";

// libuv's own rules: 4 by default, 0 means 1, at most 1024.
int SizeFrom(const char* text) {
  if (text == nullptr) return 4;
  const unsigned size = static_cast<unsigned>(atoi(text));
  return static_cast<int>(std::clamp(size, 1u, 1024u));
}

int SizeNow() { return SizeFrom(getenv(kName)); }

// The kernel keeps the environment that the process was started with, whatever it has been told since.
int SizeAtStart() {
  std::ifstream file("/proc/self/environ", std::ios::binary);
  if (!file) return SizeNow();
  const std::string prefix = std::string(kName) + "=";
  for (std::string entry; std::getline(file, entry, '\0');) {
    if (entry.compare(0, prefix.size(), prefix) == 0) return SizeFrom(entry.c_str() + prefix.size());
  }
  return SizeFrom(nullptr);
}

const int size_at_load = SizeNow();
const int size_at_start = SizeAtStart();

struct ParkWork {
  uv_work_t request;
  std::shared_ptr<GateRound> round;
};

void Park(uv_work_t* request) { static_cast<ParkWork*>(request->data)->round->Park(); }

void Delete(uv_work_t* request, int) { delete static_cast<ParkWork*>(request->data); }

}  // namespace

PoolSize UvPoolSize() {
  const auto range = std::minmax({SizeNow(), size_at_load, size_at_start});
  return {range.first, range.second};
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
