#ifndef FORKSNAP_MALLOC_TRIM_H_
#define FORKSNAP_MALLOC_TRIM_H_

namespace forksnap {

// Gives memory that malloc has been given back, and keeps, back to the system, if there is much of it: a fork would
// copy the tables of its pages for nothing. Takes milliseconds and blocks other threads' malloc meanwhile, one arena
// after the other. Of no effect with a C library other than glibc, or another allocator in its place.
void TrimMalloc();

}  // namespace forksnap

#endif  // FORKSNAP_MALLOC_TRIM_H_
