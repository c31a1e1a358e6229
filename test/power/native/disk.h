// A disk in memory that knows what has been synced: every file and directory has a volatile state, which programs see,
// and a kept one, which is what a loss of power leaves.
//
// fsync and fdatasync of a file keep its bytes and its size; fsync keeps its mode, owner and times too. fsync of a
// directory keeps its names. Nothing else keeps anything: to sync a file does not keep its name, and to sync a
// directory does not keep the bytes of its files. What was not synced may be kept or lost, each part by itself.
#ifndef POWER_DISK_H
#define POWER_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "pieces.h"

// One change of a directory since it was last synced: a name goes, a name comes, or both at once in a rename.
typedef struct {
  char* removed;
  char* added;
  node* target;
} change;

typedef struct {
  mode_t mode;
  uid_t uid;
  gid_t gid;
  struct timespec atime;
  struct timespec mtime;
  struct timespec ctime;
} attributes;

struct node {
  uint64_t id;
  uint32_t links;
  bool reachable;
  attributes now, kept;
  // Of a file. Outside of [dirty_from, dirty_to) the two contents are equal as far as both reach.
  content data, kept_data;
  size_t dirty_from, dirty_to;
  // Of a directory.
  names entries, kept_entries;
  change* changes;
  size_t change_count, change_room;
};

// What becomes of the changes that were not synced when the power goes.
typedef enum { LOSE_ALL, KEEP_ALL, KEEP_SOME, KEEP_FIRST, KEEP_LAST, ANY_FATE } fate;

enum { ROOT_ID = 1, FILE_BYTES_MAX = 256 << 20 };

void disk_create(uid_t uid, gid_t gid);

// Null if there is no such node. Ids go from ROOT_ID to disk_last_id().
node* disk_node(uint64_t id);
uint64_t disk_last_id(void);
node* disk_find(node* directory, const char* name);
node* disk_add(node* directory, const char* name, mode_t mode, uid_t uid, gid_t gid);
void disk_link(node* directory, const char* name, node* target);
void disk_remove(node* directory, const char* name);
// What `to` was is replaced.
void disk_rename(node* from, const char* name, node* to, const char* new_name);

// False beyond FILE_BYTES_MAX.
bool disk_resize(node* file, uint64_t size);
bool disk_write(node* file, uint64_t offset, const void* bytes, size_t count);

void disk_sync(node* node, bool data_only);

// For cut.c: forgets what has changed in a directory; forgets a node that nothing means any more.
void disk_clear_changes(node* directory);
void disk_forget(node* node);

// In cut.c. The power goes: afterwards the disk is what was kept, and all of that is on it. The same seed after the
// same history keeps the same things. KEEP_FIRST is for directories: the changes up to some moment, as a journal would
// keep them.
void disk_cut(uint64_t seed, fate names_fate, fate data_fate);

#endif
