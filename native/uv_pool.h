// Parks libuv's thread pool.
#ifndef FORKSNAP_UV_POOL_H_
#define FORKSNAP_UV_POOL_H_

#include <uv.h>

#include <memory>

#include "gate.h"

namespace forksnap {

// How many threads libuv's pool may have. libuv reads UV_THREADPOOL_SIZE when the pool is first used; programs may
// have changed it before or after that, so that there are three candidates: the value when the process began, when this
// addon was loaded, and now. `most` is to be posted; only if all agree is the number certain.
struct PoolSize {
  int least;
  int most;
};
PoolSize UvPoolSize();

// Posts `count` work items that park in `round`. Returns 0 or libuv's error.
int ParkUvPool(uv_loop_t* loop, const std::shared_ptr<GateRound>& round, int count);

}  // namespace forksnap

#endif  // FORKSNAP_UV_POOL_H_
