// The last look before a fork: is every other thread of this process at rest?
#ifndef FORKSNAP_THREADS_H_
#define FORKSNAP_THREADS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace forksnap {

pid_t CurrentTid();

// State letter of a line of /proc/PID/task/TID/stat ('S' = blocked in the kernel), or 0 if the line makes no sense.
// The thread's name stands in parentheses before it and may itself hold spaces and parentheses.
char ThreadStateOf(const std::string& stat_line);

struct Look {
  bool at_rest = false;
  // The first thread that was not at rest, for the error message.
  pid_t busy_tid = 0;
  char busy_state = 0;
};

// Looks once at every thread but the caller. State S proves that a thread does not run; those in `parked` are in our
// own gate and need not be asked. Where the system has no /proc the look passes: there is nothing to see.
Look LookAtThreads(const std::vector<pid_t>& parked);

}  // namespace forksnap

#endif  // FORKSNAP_THREADS_H_
