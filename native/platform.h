// Whether to use what only Linux has. With FORKSNAP_PORTABLE a build for Linux does without it, as far as it can: so
// the branches for other systems are compiled and tested where there is only Linux. See docs/portable.md.
#ifndef FORKSNAP_PLATFORM_H_
#define FORKSNAP_PLATFORM_H_

#if defined(__linux__) && !defined(FORKSNAP_PORTABLE)
#define FORKSNAP_USE_LINUX 1
#else
#define FORKSNAP_USE_LINUX 0
#endif

#endif  // FORKSNAP_PLATFORM_H_
