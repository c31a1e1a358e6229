// Counts V8's garbage collections, and asks V8 to put full ones off. Free of V8's headers, as v8_pool.h is.
#ifndef FORKSNAP_V8_GC_H_
#define FORKSNAP_V8_GC_H_

#include <stdint.h>

namespace forksnap {

struct GcFigures {
  uint64_t young = 0;
  // Full collections, which throw away optimised code that refers to objects which have died.
  uint64_t full = 0;
  // Times that marking for a full collection began in small steps between other work.
  uint64_t markings = 0;
  // Time of the main thread in collections of either kind, the steps of marking not included.
  double ms = 0;
};

// Of the current isolate, from the first call on.
const GcFigures& CurrentGcFigures();

// All that is counted in one number: whether there was any collection in between.
uint64_t GcCount();

// Whether marking for a full collection is under way, as V8 has it now.
bool IsMarking();

// While it is put off, V8 begins no full collection until the heap has grown beyond its limit by half of it, or by half
// of what is left to its greatest size; then it collects as ever. It holds for kDeferralMs, unless it is asked for
// again.
constexpr int kDeferralMs = 7000;
void DeferFullGc(bool defer);

}  // namespace forksnap

#endif  // FORKSNAP_V8_GC_H_
