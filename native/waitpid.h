// Waiting for children of one's own, exactly: waitpid(), the meaning of its status, and pidfds.
#ifndef FORKSNAP_WAITPID_H_
#define FORKSNAP_WAITPID_H_

#include <sys/types.h>

namespace forksnap {

struct WaitStatus {
  bool exited = false;
  int exit_code = -1;
  bool signaled = false;
  int signal = 0;
  bool core_dumped = false;
};

WaitStatus DecodeWaitStatus(int status);

// A descriptor that becomes readable when the process ends (Linux 5.3), or -1 with errno.
int OpenPidfd(pid_t pid);

// Sends through the pidfd, which can never hit a process that merely has the number now. 0, or -1 with errno.
int SignalPidfd(int pidfd, int signal);

}  // namespace forksnap

#endif  // FORKSNAP_WAITPID_H_
