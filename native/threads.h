// The last look before a fork: is every other thread of this process at rest?
#ifndef FORKSNAP_THREADS_H_
#define FORKSNAP_THREADS_H_

#include <stdint.h>
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

// A thread that is asleep in a system call. If it is asleep again with the same number of context switches, it has been
// asleep all the time between: it cannot wake and fall asleep without a switch.
struct Sleep {
  pid_t tid = 0;
  uint64_t switches = 0;
  long syscall = -1;

  // Whether it waits for something outside of the process. One that waits on a futex may be in the middle of a lock's
  // affairs, and one in an event loop is nobody's blocking call.
  bool OutsideWait() const;
};

// The number of context switches of a thread that is asleep, from the text of its /proc/PID/task/TID/status, or -1 if
// it is not asleep or the text makes no sense.
int64_t SwitchesAsleep(const std::string& status_text);

// Every thread but the caller and those in `parked` that is asleep. Empty where the system cannot tell.
std::vector<Sleep> SleepingThreads(const std::vector<pid_t>& parked);

// Whether the thread has been asleep ever since it was found so.
bool StillAsleep(const Sleep& sleep);

// Whether every thread but the caller and those in `parked` has been asleep ever since it was found so in `before`.
bool AllStillAsleep(const std::vector<Sleep>& before, const std::vector<pid_t>& parked);

}  // namespace forksnap

#endif  // FORKSNAP_THREADS_H_
