// Whether a child may have threads of its own. Asked before Node is told to start some, which ends the process if it
// cannot.
#ifndef FORKSNAP_CHILD_THREADS_H_
#define FORKSNAP_CHILD_THREADS_H_

namespace forksnap {

// Starts so many threads at once and lets them end again, as a limit on processes or memory may not allow.
bool CanStartThreads(int count);

// The same for a loop of libuv's with a handle in it, which needs descriptors and must leave some for others.
bool CanStartLoop();

}  // namespace forksnap

#endif  // FORKSNAP_CHILD_THREADS_H_
