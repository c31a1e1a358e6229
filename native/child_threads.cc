#include "child_threads.h"

#include <uv.h>

#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include "gate.h"

namespace forksnap {

bool CanStartThreads(int count) {
  // So long that all of them live at the same time.
  auto round = std::make_shared<GateRound>(std::chrono::minutes(1), nullptr);
  std::vector<std::thread> threads;
  bool can = true;
  try {
    for (int i = 0; i < count; ++i) threads.emplace_back([round] { round->Park(); });
  } catch (const std::system_error&) {
    can = false;
  }
  round->Release();
  for (std::thread& thread : threads) thread.join();
  return can;
}

bool CanStartLoop() {
  uv_loop_t loop;
  if (uv_loop_init(&loop) != 0) return false;
  uv_async_t async;
  const bool can = uv_async_init(&loop, &async, nullptr) == 0;
  if (can) uv_close(reinterpret_cast<uv_handle_t*>(&async), nullptr);
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
  return can;
}

}  // namespace forksnap
