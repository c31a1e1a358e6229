// The mappings of arenas: regions of whole, aligned huge pages, and which of them there are in this process.
#ifndef FORKSNAP_ARENA_PAGES_H_
#define FORKSNAP_ARENA_PAGES_H_

#include <stddef.h>
#include <stdint.h>

#include "smaps.h"

namespace forksnap {

// Maps zeroed memory that a fork's child inherits, aligned to huge pages, between two pages that nobody can touch: so
// no other mapping is merged with it and the system's figures are about it alone. Returns its start, or 0 with errno
// in `error`.
uintptr_t MapRegion(size_t bytes, bool huge_pages, int* error);
void UnmapRegion(uintptr_t start, size_t bytes);

// Gives whole pages back to the system; they read as zeros afterwards. False if the system refuses (locked memory):
// then they are unchanged.
bool DropPages(uintptr_t start, size_t bytes);

// Makes huge pages of what is in memory of these, which are whole huge pages; takes some 0.3 ms for each that is not
// one. False where the system cannot, or not now (no free huge page, or a child still shares them).
bool CollapsePages(uintptr_t start, size_t bytes);

// The region that these bytes lie in, and the size of the pages that it is to have. False if there is none.
bool FindRegion(uintptr_t start, size_t bytes, Range* region, size_t* page_bytes);

}  // namespace forksnap

#endif  // FORKSNAP_ARENA_PAGES_H_
