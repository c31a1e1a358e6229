#include "malloc_trim.h"

// Any header of the C library says which one it is; stddef.h is the compiler's.
#include <stddef.h>
#include <stdlib.h>

#ifdef __GLIBC__
#include <dlfcn.h>
#include <malloc.h>
#endif

namespace forksnap {

#ifdef __GLIBC__

namespace {

// Below that, a fork is faster for it by less than a quarter of a millisecond, and what is kept will be wanted again.
constexpr size_t kWorthwhileBytes = size_t{8} << 20;

// As glibc's own, which headers before 2.33 do not have.
struct MallocInfo {
  size_t not_looked_at[8];
  size_t free_bytes;
  size_t free_at_top;
};

// Free bytes that malloc keeps, whether they are in memory or not. The call is looked up, so that the addon can be
// loaded with a glibc before 2.33, which is trimmed without a question.
size_t KeptBytes() {
  static const auto info = reinterpret_cast<MallocInfo (*)()>(dlsym(RTLD_DEFAULT, "mallinfo2"));
  return info == nullptr ? kWorthwhileBytes : info().free_bytes;
}

}  // namespace

void TrimMalloc() {
  if (KeptBytes() >= kWorthwhileBytes) malloc_trim(0);
}

#else

void TrimMalloc() {}

#endif

}  // namespace forksnap
