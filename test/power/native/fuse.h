// The kernel's requests for the mounted disk, over the plain /dev/fuse protocol.
#ifndef POWER_FUSE_H
#define POWER_FUSE_H

#include <stdbool.h>
#include <stdint.h>

enum { WRITE_BYTES_MAX = 128 << 10 };

// What a request does, for those who count requests.
typedef enum { LOOKS = 0, WRITES = 1, SYNCS = 2, NAMES = 4 } request_kind;

// The kind of a request that was read from the device.
request_kind fuse_kind(const void* request);

// Its number, by which it is answered.
uint64_t fuse_unique(const void* request);

// Does what the request asks for. Returns false if it could not be answered because the mount has ended.
bool fuse_serve(int fuse_fd, const void* request);

// Answers a request that was not done.
void fuse_refuse(int fuse_fd, uint64_t unique);

#endif
