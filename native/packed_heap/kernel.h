// The system calls that the packed heap stands in for, made directly: through the C library they would come back to it.
#ifndef FORKSNAP_PACKED_HEAP_KERNEL_H_
#define FORKSNAP_PACKED_HEAP_KERNEL_H_

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// Not yet in the headers of older systems.
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace forksnap::kernel {

// As mmap(): MAP_FAILED and errno on failure.
inline void* Map(void* hint, size_t length, int prot, int flags, int fd, off_t offset) {
  return reinterpret_cast<void*>(syscall(SYS_mmap, hint, length, prot, flags, fd, offset));
}

// The others: 0 or an errno.
inline int Unmap(uintptr_t start, size_t length) { return syscall(SYS_munmap, start, length) == 0 ? 0 : errno; }
inline int Protect(uintptr_t start, size_t length, int prot) {
  return syscall(SYS_mprotect, start, length, prot) == 0 ? 0 : errno;
}
inline int Advise(uintptr_t start, size_t length, int advice) {
  return syscall(SYS_madvise, start, length, advice) == 0 ? 0 : errno;
}

}  // namespace forksnap::kernel

#endif  // FORKSNAP_PACKED_HEAP_KERNEL_H_
