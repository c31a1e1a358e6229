#include "threads.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "platform.h"

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

int64_t SwitchesAsleep(const std::string& text) {
  // The fields' names begin a line; the thread's name, in the first one, cannot hold a line break here.
  const size_t state = text.find("\nState:\t");
  if (state == std::string::npos || text.compare(state + 8, 1, "S") != 0) return -1;
  uint64_t sum = 0;
  for (const char* name : {"\nvoluntary_ctxt_switches:\t", "\nnonvoluntary_ctxt_switches:\t"}) {
    const size_t field = text.find(name);
    if (field == std::string::npos) return -1;
    sum += strtoull(text.c_str() + field + strlen(name), nullptr, 10);
  }
  return static_cast<int64_t>(sum & INT64_MAX);
}

#if FORKSNAP_USE_LINUX

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

// The text of a small file of a thread's, or nothing.
std::string ReadOf(int task_fd, pid_t tid, const char* name) {
  char path[64];
  snprintf(path, sizeof path, "%d/%s", tid, name);
  const int fd = openat(task_fd, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::string text(4096, '\0');
  const ssize_t length = read(fd, text.data(), text.size());
  close(fd);
  text.resize(length < 0 ? 0 : static_cast<size_t>(length));
  return text;
}

int OpenTasks() { return open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

bool Has(const std::vector<pid_t>& tids, pid_t tid) { return std::find(tids.begin(), tids.end(), tid) != tids.end(); }

// Calls `visit` with each thread but the caller and those in `parked`, until it says no; false then, or without /proc.
template <typename Visit>
bool EachThread(const std::vector<pid_t>& parked, Visit visit) {
  const pid_t self = CurrentTid();
  DIR* tasks = opendir("/proc/self/task");
  if (tasks == nullptr) return false;
  bool on = true;
  while (const dirent* entry = on ? readdir(tasks) : nullptr) {
    const pid_t tid = static_cast<pid_t>(atoi(entry->d_name));
    if (tid > 0 && tid != self && !Has(parked, tid)) on = visit(dirfd(tasks), tid);
  }
  closedir(tasks);
  return on;
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

bool Sleep::OutsideWait() const {
  switch (syscall) {
    case -1:
    case SYS_futex:
#ifdef SYS_futex_waitv
    case SYS_futex_waitv:
#endif
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
#endif
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2:
#endif
    case SYS_epoll_pwait:
      return false;
    default:
      return true;
  }
}

std::vector<Sleep> SleepingThreads(const std::vector<pid_t>& parked) {
  std::vector<Sleep> result;
  EachThread(parked, [&](int tasks, pid_t tid) {
    const int64_t switches = SwitchesAsleep(ReadOf(tasks, tid, "status"));
    if (switches < 0) return true;
    // "running", or the number of the call and its arguments.
    const std::string call = ReadOf(tasks, tid, "syscall");
    char* rest = nullptr;
    const long number = strtol(call.c_str(), &rest, 10);
    result.push_back({tid, static_cast<uint64_t>(switches), rest == call.c_str() ? -1 : number});
    return true;
  });
  return result;
}

bool StillAsleep(const Sleep& sleep) {
  const int tasks = OpenTasks();
  if (tasks < 0) return false;
  const int64_t switches = SwitchesAsleep(ReadOf(tasks, sleep.tid, "status"));
  close(tasks);
  return switches >= 0 && static_cast<uint64_t>(switches) == sleep.switches;
}

bool AllStillAsleep(const std::vector<Sleep>& before, const std::vector<pid_t>& parked) {
  return EachThread(parked, [&](int tasks, pid_t tid) {
    const int64_t switches = SwitchesAsleep(ReadOf(tasks, tid, "status"));
    return switches >= 0 && std::any_of(before.begin(), before.end(), [&](const Sleep& sleep) {
             return sleep.tid == tid && sleep.switches == static_cast<uint64_t>(switches);
           });
  });
}

#else

bool Sleep::OutsideWait() const { return false; }
std::vector<Sleep> SleepingThreads(const std::vector<pid_t>&) { return {}; }
bool StillAsleep(const Sleep&) { return false; }
bool AllStillAsleep(const std::vector<Sleep>&, const std::vector<pid_t>&) { return false; }

Look LookAtThreads(const std::vector<pid_t>&) {
  Look look;
  look.at_rest = true;
  return look;
}

#endif

}  // namespace forksnap
