#include "disk.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static node** nodes;
static size_t node_count, node_room;

static node* new_node(mode_t mode, uid_t uid, gid_t gid) {
  size_t at = 0;
  while (at < node_count && nodes[at] != NULL) at++;
  if (at == node_room) {
    node_room = node_room == 0 ? 64 : 2 * node_room;
    nodes = grown(nodes, node_room * sizeof(node*));
  }
  if (at == node_count) node_count++;
  node* it = calloc(1, sizeof(node));
  if (it == NULL) err(1, "no memory for a node");
  it->id = at + ROOT_ID;
  it->now = (attributes){.mode = mode, .uid = uid, .gid = gid};
  clock_gettime(CLOCK_REALTIME, &it->now.mtime);
  it->now.atime = it->now.ctime = it->now.mtime;
  it->kept = it->now;
  nodes[at] = it;
  return it;
}

void disk_clear_changes(node* directory) {
  for (size_t i = 0; i < directory->change_count; i++) {
    free(directory->changes[i].removed);
    free(directory->changes[i].added);
  }
  directory->change_count = 0;
}

void disk_forget(node* it) {
  nodes[it->id - ROOT_ID] = NULL;
  disk_clear_changes(it);
  names_clear(&it->entries);
  names_clear(&it->kept_entries);
  free(it->changes);
  free(it->entries.items);
  free(it->kept_entries.items);
  free(it->data.bytes);
  free(it->kept_data.bytes);
  free(it);
}

static void touch(node* it) {
  clock_gettime(CLOCK_REALTIME, &it->now.mtime);
  it->now.ctime = it->now.mtime;
}

static void note(node* directory, const char* removed, const char* added, node* target) {
  if (directory->change_count == directory->change_room) {
    directory->change_room = directory->change_room == 0 ? 8 : 2 * directory->change_room;
    directory->changes = grown(directory->changes, directory->change_room * sizeof(change));
  }
  directory->changes[directory->change_count++] = (change){copy_of(removed), copy_of(added), target};
  touch(directory);
}

void disk_create(uid_t uid, gid_t gid) { new_node(S_IFDIR | 0700, uid, gid)->links = 1; }

node* disk_node(uint64_t id) { return id >= ROOT_ID && id < ROOT_ID + node_count ? nodes[id - ROOT_ID] : NULL; }

uint64_t disk_last_id(void) { return ROOT_ID + node_count - 1; }

node* disk_find(node* directory, const char* name) {
  entry* found = names_find(&directory->entries, name);
  return found == NULL ? NULL : found->target;
}

node* disk_add(node* directory, const char* name, mode_t mode, uid_t uid, gid_t gid) {
  node* it = new_node(mode, uid, gid);
  disk_link(directory, name, it);
  return it;
}

void disk_link(node* directory, const char* name, node* target) {
  names_set(&directory->entries, name, target);
  target->links++;
  note(directory, NULL, name, target);
}

void disk_remove(node* directory, const char* name) {
  entry* found = names_find(&directory->entries, name);
  found->target->links--;
  note(directory, name, NULL, found->target);
  names_unset(&directory->entries, found);
}

void disk_rename(node* from, const char* name, node* to, const char* new_name) {
  entry* found = names_find(&from->entries, name);
  node* target = found->target;
  node* replaced = disk_find(to, new_name);
  if (replaced == target) return;
  if (replaced != NULL) replaced->links--;
  names_unset(&from->entries, found);
  names_set(&to->entries, new_name, target);
  note(from, name, from == to ? new_name : NULL, target);
  if (from != to) note(to, NULL, new_name, target);
}

static void soil(node* file, size_t from, size_t to) {
  if (file->dirty_from == file->dirty_to) {
    file->dirty_from = from;
    file->dirty_to = to;
  }
  if (from < file->dirty_from) file->dirty_from = from;
  if (to > file->dirty_to) file->dirty_to = to;
}

bool disk_resize(node* file, uint64_t size) {
  if (size > FILE_BYTES_MAX) return false;
  size_t before = file->data.size;
  soil(file, size < before ? size : before, size < before ? before : size);
  content_resize(&file->data, size);
  touch(file);
  return true;
}

bool disk_write(node* file, uint64_t offset, const void* bytes, size_t count) {
  if (offset > FILE_BYTES_MAX || offset + count > FILE_BYTES_MAX) return false;
  size_t end = offset + count;
  if (end > file->data.size && !disk_resize(file, end)) return false;
  memcpy(file->data.bytes + offset, bytes, count);
  soil(file, offset, end);
  touch(file);
  return true;
}

static void sync_data(node* file) {
  content_resize(&file->kept_data, file->data.size);
  size_t end = file->dirty_to < file->data.size ? file->dirty_to : file->data.size;
  size_t from = file->dirty_from;
  if (from < end) memcpy(file->kept_data.bytes + from, file->data.bytes + from, end - from);
  file->dirty_from = file->dirty_to = 0;
}

void disk_sync(node* it, bool data_only) {
  if (!data_only) it->kept = it->now;
  if (S_ISDIR(it->now.mode)) {
    names_copy(&it->kept_entries, &it->entries);
    disk_clear_changes(it);
  } else {
    sync_data(it);
  }
}
