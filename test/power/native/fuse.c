#include "fuse.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "disk.h"

typedef struct fuse_in_header header;

// A request's answer: an errno, or bytes, which are the caller's.
typedef struct {
  int error;
  const void* bytes;
  size_t count;
} answer;

static answer fail(int error) { return (answer){.error = error}; }
static answer done(void) { return (answer){.error = 0}; }
static answer give(const void* bytes, size_t count) { return (answer){.bytes = bytes, .count = count}; }

static bool is_directory(const node* it) { return S_ISDIR(it->now.mode); }

static struct fuse_attr attr_of(const node* it) {
  const attributes* now = &it->now;
  return (struct fuse_attr){
      .ino = it->id,
      .size = it->data.size,
      .blocks = (it->data.size + 511) / 512,
      .atime = now->atime.tv_sec,
      .mtime = now->mtime.tv_sec,
      .ctime = now->ctime.tv_sec,
      .atimensec = now->atime.tv_nsec,
      .mtimensec = now->mtime.tv_nsec,
      .ctimensec = now->ctime.tv_nsec,
      .mode = now->mode,
      .nlink = it->links,
      .uid = now->uid,
      .gid = now->gid,
      .blksize = 4096,
  };
}

// No validity is given for names and attributes anywhere, so that the kernel asks each time.
static struct fuse_entry_out entry_of(const node* it) {
  return (struct fuse_entry_out){.nodeid = it->id, .attr = attr_of(it)};
}

static answer init(const struct fuse_init_in* in) {
  static struct fuse_init_out out;
  if (in->major != FUSE_KERNEL_VERSION) errx(1, "the kernel speaks FUSE %u, not %u", in->major, FUSE_KERNEL_VERSION);
  out = (struct fuse_init_out){
      .major = FUSE_KERNEL_VERSION,
      .minor = FUSE_KERNEL_MINOR_VERSION,
      .max_readahead = in->max_readahead,
      .flags = in->flags & (FUSE_BIG_WRITES | FUSE_MAX_PAGES),
      .max_background = 12,
      .congestion_threshold = 9,
      .max_write = WRITE_BYTES_MAX,
      .time_gran = 1,
      .max_pages = WRITE_BYTES_MAX / 4096,
  };
  return give(&out, sizeof out);
}

static answer entry_answer(node* it) {
  static struct fuse_entry_out out;
  out = entry_of(it);
  return give(&out, sizeof out);
}

static answer attr_answer(const node* it) {
  static struct fuse_attr_out out;
  out = (struct fuse_attr_out){.attr = attr_of(it)};
  return give(&out, sizeof out);
}

static answer lookup(node* directory, const char* name) {
  node* found = disk_find(directory, name);
  return found == NULL ? fail(ENOENT) : entry_answer(found);
}

static answer make(node* directory, const header* in, mode_t mode, const char* name) {
  if (disk_find(directory, name) != NULL) return fail(EEXIST);
  return entry_answer(disk_add(directory, name, mode, in->uid, in->gid));
}

// The kernel's cache would hide what was lost. To close a file asks nothing, so it works without power too.
static struct fuse_open_out opened(void) {
  return (struct fuse_open_out){.open_flags = FOPEN_DIRECT_IO | FOPEN_NOFLUSH};
}

static answer create(node* directory, const header* in, const struct fuse_create_in* how) {
  static struct {
    struct fuse_entry_out entry;
    struct fuse_open_out open;
  } out;
  answer made = make(directory, in, S_IFREG | (how->mode & 07777), (const char*)(how + 1));
  if (made.error != 0) return made;
  out.entry = *(const struct fuse_entry_out*)made.bytes;
  out.open = opened();
  return give(&out, sizeof out);
}

static answer open_file(void) {
  static struct fuse_open_out out;
  out = opened();
  return give(&out, sizeof out);
}

static answer unlink_name(node* directory, const char* name, bool directory_wanted) {
  node* it = disk_find(directory, name);
  if (it == NULL) return fail(ENOENT);
  if (is_directory(it) != directory_wanted) return fail(directory_wanted ? ENOTDIR : EISDIR);
  if (it->entries.count > 0) return fail(ENOTEMPTY);
  disk_remove(directory, name);
  return done();
}

static answer rename_name(node* from, uint64_t to_id, uint32_t flags, const char* name) {
  const char* new_name = name + strlen(name) + 1;
  node* to = disk_node(to_id);
  node* it = disk_find(from, name);
  if (it == NULL || to == NULL) return fail(ENOENT);
  if ((flags & ~(uint32_t)RENAME_NOREPLACE) != 0) return fail(EINVAL);
  node* there = disk_find(to, new_name);
  if (there != NULL && (flags & RENAME_NOREPLACE) != 0) return fail(EEXIST);
  if (there != NULL && is_directory(there) != is_directory(it)) return fail(is_directory(it) ? ENOTDIR : EISDIR);
  if (there != NULL && there->entries.count > 0) return fail(ENOTEMPTY);
  disk_rename(from, name, to, new_name);
  return done();
}

static answer link_name(node* directory, uint64_t id, const char* name) {
  node* it = disk_node(id);
  if (it == NULL) return fail(ENOENT);
  if (disk_find(directory, name) != NULL) return fail(EEXIST);
  disk_link(directory, name, it);
  return entry_answer(it);
}

static struct timespec time_or_now(uint32_t now, uint64_t seconds, uint32_t nanoseconds) {
  struct timespec result = {.tv_sec = seconds, .tv_nsec = nanoseconds};
  if (now != 0) clock_gettime(CLOCK_REALTIME, &result);
  return result;
}

static answer set_attributes(node* it, const struct fuse_setattr_in* in) {
  attributes* now = &it->now;
  if ((in->valid & FATTR_SIZE) != 0 && is_directory(it)) return fail(EISDIR);
  if ((in->valid & FATTR_SIZE) != 0 && !disk_resize(it, in->size)) return fail(EFBIG);
  if ((in->valid & FATTR_MODE) != 0) now->mode = (now->mode & S_IFMT) | (in->mode & 07777);
  if ((in->valid & FATTR_UID) != 0) now->uid = in->uid;
  if ((in->valid & FATTR_GID) != 0) now->gid = in->gid;
  if ((in->valid & FATTR_ATIME) != 0) now->atime = time_or_now(in->valid & FATTR_ATIME_NOW, in->atime, in->atimensec);
  if ((in->valid & FATTR_MTIME) != 0) now->mtime = time_or_now(in->valid & FATTR_MTIME_NOW, in->mtime, in->mtimensec);
  clock_gettime(CLOCK_REALTIME, &now->ctime);
  return attr_answer(it);
}

static answer read_file(const node* it, const struct fuse_read_in* in) {
  if (is_directory(it)) return fail(EISDIR);
  if (in->offset >= it->data.size) return done();
  size_t left = it->data.size - in->offset;
  return give(it->data.bytes + in->offset, in->size < left ? in->size : left);
}

static answer write_file(node* it, const struct fuse_write_in* in) {
  static struct fuse_write_out out;
  if (!disk_write(it, in->offset, in + 1, in->size)) return fail(EFBIG);
  out = (struct fuse_write_out){.size = in->size};
  return give(&out, sizeof out);
}

static answer allocate(node* it, const struct fuse_fallocate_in* in) {
  enum { KEEP_SIZE = 1 };
  if ((in->mode & ~(uint32_t)KEEP_SIZE) != 0) return fail(EOPNOTSUPP);
  uint64_t end = in->offset + in->length;
  if (in->mode == 0 && end > it->data.size && !disk_resize(it, end)) return fail(EFBIG);
  return done();
}

// A directory as it was when it was opened: what is removed while it is read moves nothing.
typedef struct {
  size_t count;
  char bytes[];
} listing;

static listing* list(const node* directory) {
  size_t room = sizeof(listing);
  for (size_t i = 0; i < directory->entries.count; i++) {
    room += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + strlen(directory->entries.items[i].name));
  }
  listing* it = calloc(1, room);
  if (it == NULL) err(1, "no memory to list a directory");
  for (size_t i = 0; i < directory->entries.count; i++) {
    const entry* one = &directory->entries.items[i];
    struct fuse_dirent* out = (struct fuse_dirent*)(it->bytes + it->count);
    out->ino = one->target->id;
    out->namelen = strlen(one->name);
    out->type = is_directory(one->target) ? DT_DIR : DT_REG;
    memcpy(out->name, one->name, out->namelen);
    it->count += FUSE_DIRENT_SIZE(out);
    out->off = it->count;
  }
  return it;
}

static answer open_directory(const node* directory) {
  static struct fuse_open_out out;
  if (!is_directory(directory)) return fail(ENOTDIR);
  out = (struct fuse_open_out){.fh = (uintptr_t)list(directory)};
  return give(&out, sizeof out);
}

static answer read_directory(const struct fuse_read_in* in) {
  const listing* it = (const listing*)(uintptr_t)in->fh;
  size_t end = in->offset;
  while (end < it->count) {
    const struct fuse_dirent* one = (const struct fuse_dirent*)(it->bytes + end);
    if (one->off - in->offset > in->size) break;
    end = one->off;
  }
  return give(it->bytes + in->offset, end - in->offset);
}

static answer release_directory(const struct fuse_release_in* in) {
  free((void*)(uintptr_t)in->fh);
  return done();
}

static answer file_system(void) {
  static const struct fuse_statfs_out out = {
      .st = {.blocks = 1 << 20, .bfree = 1 << 19, .bavail = 1 << 19, .bsize = 4096, .frsize = 4096, .namelen = 255}};
  return give(&out, sizeof out);
}

static answer sync_node(node* it, const struct fuse_fsync_in* in) {
  disk_sync(it, (in->fsync_flags & FUSE_FSYNC_FDATASYNC) != 0);
  return done();
}

static answer respond(const header* in, const void* body) {
  node* it = disk_node(in->nodeid);
  if (in->opcode == FUSE_INIT) return init(body);
  if (in->opcode == FUSE_STATFS) return file_system();
  if (it == NULL) return fail(ENOENT);
  const struct fuse_mkdir_in* mkdir_in = body;
  const struct fuse_mknod_in* mknod_in = body;
  const struct fuse_rename_in* rename_in = body;
  const struct fuse_rename2_in* rename2_in = body;
  const struct fuse_link_in* link_in = body;
  switch (in->opcode) {
    case FUSE_LOOKUP:
      return lookup(it, body);
    case FUSE_GETATTR:
      return attr_answer(it);
    case FUSE_SETATTR:
      return set_attributes(it, body);
    case FUSE_MKDIR:
      return make(it, in, S_IFDIR | (mkdir_in->mode & 07777), (const char*)(mkdir_in + 1));
    case FUSE_MKNOD:
      // A FIFO is the kernel's; all that is on the disk is its name.
      if (!S_ISFIFO(mknod_in->mode)) return fail(EPERM);
      return make(it, in, S_IFIFO | (mknod_in->mode & 07777), (const char*)(mknod_in + 1));
    case FUSE_CREATE:
      return create(it, in, body);
    case FUSE_LINK:
      return link_name(it, link_in->oldnodeid, (const char*)(link_in + 1));
    case FUSE_UNLINK:
      return unlink_name(it, body, false);
    case FUSE_RMDIR:
      return unlink_name(it, body, true);
    case FUSE_RENAME:
      return rename_name(it, rename_in->newdir, 0, (const char*)(rename_in + 1));
    case FUSE_RENAME2:
      return rename_name(it, rename2_in->newdir, rename2_in->flags, (const char*)(rename2_in + 1));
    case FUSE_OPEN:
      return open_file();
    case FUSE_READ:
      return read_file(it, body);
    case FUSE_WRITE:
      return write_file(it, body);
    case FUSE_FALLOCATE:
      return allocate(it, body);
    case FUSE_FSYNC:
    case FUSE_FSYNCDIR:
      return sync_node(it, body);
    case FUSE_OPENDIR:
      return open_directory(it);
    case FUSE_READDIR:
      return read_directory(body);
    case FUSE_RELEASEDIR:
      return release_directory(body);
    case FUSE_RELEASE:
      return done();
    default:
      return fail(ENOSYS);
  }
}

static bool is_answered(uint32_t opcode) {
  return opcode != FUSE_FORGET && opcode != FUSE_BATCH_FORGET && opcode != FUSE_INTERRUPT && opcode != FUSE_DESTROY;
}

request_kind fuse_kind(const void* request) {
  switch (((const header*)request)->opcode) {
    case FUSE_WRITE:
    case FUSE_SETATTR:
    case FUSE_FALLOCATE:
      return WRITES;
    case FUSE_FSYNC:
    case FUSE_FSYNCDIR:
      return SYNCS;
    case FUSE_CREATE:
    case FUSE_MKDIR:
    case FUSE_MKNOD:
    case FUSE_LINK:
    case FUSE_UNLINK:
    case FUSE_RMDIR:
    case FUSE_RENAME:
    case FUSE_RENAME2:
      return NAMES;
    default:
      return LOOKS;
  }
}

uint64_t fuse_unique(const void* request) { return ((const header*)request)->unique; }

static bool reply(int fuse_fd, uint64_t unique, answer it) {
  struct fuse_out_header out = {.len = sizeof out + it.count, .error = -it.error, .unique = unique};
  struct iovec parts[] = {{&out, sizeof out}, {(void*)it.bytes, it.count}};
  if (writev(fuse_fd, parts, 2) >= 0) return true;
  return errno == ENOENT;  // The asking process was killed meanwhile.
}

bool fuse_serve(int fuse_fd, const void* request) {
  const header* in = request;
  return !is_answered(in->opcode) || reply(fuse_fd, in->unique, respond(in, in + 1));
}

void fuse_refuse(int fuse_fd, uint64_t unique) { reply(fuse_fd, unique, fail(EINTR)); }
