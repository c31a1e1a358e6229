// Lets a forked child inherit the V8 heap, and takes that back afterwards (Linux).
#ifndef FORKSNAP_HEAP_INHERIT_H_
#define FORKSNAP_HEAP_INHERIT_H_

#include <vector>

#include "smaps.h"

namespace forksnap {

// Reads where the kernel's own pages are, once; else the first InheritEverything() does it, in the pause.
void FindKernelPages();

// MADV_DOFORK over all of the user's address space, 0.8-1.7 ms at 3,500 mappings, a third of that
// where nothing is marked. Returns 0, or the errno of a failure
// after which a child would crash.
int InheritEverything();

// The same over one range. Gaps in it, and mappings that refuse, are left to InheritEverything().
void InheritRange(const Range& range);

// MADV_DONTFORK again over these ranges. Whatever is not mapped in them is passed over.
void RestoreDontFork(const std::vector<Range>& ranges);

}  // namespace forksnap

#endif  // FORKSNAP_HEAP_INHERIT_H_
