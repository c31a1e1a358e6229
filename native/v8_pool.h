// What needs V8's or Node's C++ headers, v8_gc.h aside: parking V8's worker threads and Worker isolates, and what a
// child must change in its isolate. Other files see only this header, which includes neither.
#ifndef FORKSNAP_V8_POOL_H_
#define FORKSNAP_V8_POOL_H_

#include <memory>

#include "gate.h"

namespace forksnap {

// Worker threads that the platform reports for the current isolate: one too many on Node's own platform, which counts
// its scheduler of delayed tasks; 0 if there is no platform.
int ReportedV8Workers();

// Posts `count` tasks that park in `round`.
void PostParkingTasks(const std::shared_ptr<GateRound>& round, int count);

// Makes the current isolate, a Worker's, known for InterruptIsolates() until its environment ends. Idempotent.
void RegisterCurrentIsolate();

int RegisteredIsolates();

// Asks every registered isolate to park in `round` at its next JavaScript safe point, where it holds no lock of V8. One
// that runs no JavaScript does not come; the last look covers it.
void InterruptIsolates(const std::shared_ptr<GateRound>& round);

// Whether the current isolate is inside its microtask queue.
bool IsRunningMicrotasks();

// Runs `hook` when the process exits by way of process.exit() or of an empty loop, before Node joins its threads.
void AtProcessExit(void (*hook)(void*), void* argument);

// In the child: no microtask checkpoint ever runs again, and a heap that is full ends in `on_fatal`, which must not
// return.
using FatalHandler = void (*)(bool out_of_memory, const char* location, const char* message);
void PrepareIsolateInChild(bool suppress_microtasks, FatalHandler on_fatal);

// In the child, whose platform has lost its threads: starts `count` new ones and gives them all that is posted for
// worker threads from now on, so that concurrent compilation and parallel garbage collection work again. False where
// this platform or a limit does not allow that; the main thread then works alone as before.
bool StartV8WorkersInChild(int count);

}  // namespace forksnap

#endif  // FORKSNAP_V8_POOL_H_
