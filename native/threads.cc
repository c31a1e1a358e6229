#include "threads.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>

#ifdef __linux__
#include <sys/syscall.h>
#else
#include <pthread.h>
#endif

namespace forksnap {

pid_t CurrentTid() {
#ifdef __linux__
  return static_cast<pid_t>(syscall(SYS_gettid));
#else
  uint64_t tid = 0;
  pthread_threadid_np(nullptr, &tid);
  return static_cast<pid_t>(tid);
#endif
}

char ThreadStateOf(const std::string& stat_line) {
  const size_t close = stat_line.rfind(')');
  if (close == std::string::npos || close + 2 >= stat_line.size() || stat_line[close + 1] != ' ') return 0;
  return stat_line[close + 2];
}

#ifdef __linux__

namespace {

// 0 means that the thread is gone, which is rest enough.
char StateOf(int task_fd, const char* tid) {
  char path[32];
  snprintf(path, sizeof path, "%.20s/stat", tid);
  const int fd = openat(task_fd, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char buffer[512];
  const ssize_t length = read(fd, buffer, sizeof buffer);
  close(fd);
  if (length <= 0) return 0;
  const char state = ThreadStateOf(std::string(buffer, static_cast<size_t>(length)));
  return state == 0 ? '?' : state;
}

// A zombie thread (Z, X) runs no more; I is an idle kernel thread's state, listed for completeness.
bool IsRest(char state) { return state == 0 || state == 'S' || state == 'Z' || state == 'X' || state == 'I'; }

}  // namespace

Look LookAtThreads(const std::vector<pid_t>& parked) {
  Look look;
  const pid_t self = CurrentTid();
  DIR* tasks = opendir("/proc/self/task");
  // Without /proc nothing can be proved; a fork on a guess is what this look exists to prevent.
  if (tasks == nullptr) {
    look.busy_state = '?';
    return look;
  }
  look.at_rest = true;
  while (const dirent* entry = readdir(tasks)) {
    const pid_t tid = static_cast<pid_t>(atoi(entry->d_name));
    if (tid <= 0 || tid == self) continue;
    if (std::find(parked.begin(), parked.end(), tid) != parked.end()) continue;
    const char state = StateOf(dirfd(tasks), entry->d_name);
    if (IsRest(state)) continue;
    look.at_rest = false;
    look.busy_tid = tid;
    look.busy_state = state;
    break;
  }
  closedir(tasks);
  return look;
}

#else

Look LookAtThreads(const std::vector<pid_t>&) {
  Look look;
  look.at_rest = true;
  return look;
}

#endif

}  // namespace forksnap
