#include "child_threads.h"

#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include "gate.h"

namespace forksnap {

namespace {

// Those that are left for the child's own work. Every descriptor of the parent's still has its number here, so that a
// server with many connections leaves few.
constexpr int kSpareDescriptors = 16;

bool CanOpen(int count) {
  std::vector<int> opened;
  while (static_cast<int>(opened.size()) < count) {
    const int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) break;
    opened.push_back(fd);
  }
  for (const int fd : opened) close(fd);
  return static_cast<int>(opened.size()) == count;
}

}  // namespace

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
  const bool started = uv_async_init(&loop, &async, nullptr) == 0;
  const bool can = started && CanOpen(kSpareDescriptors);
  if (started) uv_close(reinterpret_cast<uv_handle_t*>(&async), nullptr);
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
  return can;
}

}  // namespace forksnap
