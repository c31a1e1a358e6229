#include <string.h>
#include <sys/stat.h>

#include "disk.h"

static uint64_t state;

// SplitMix64.
static uint64_t draw(void) {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

static size_t draw_below(size_t limit) { return draw() % limit; }

// A disk writes sectors: a smaller part of a file is never torn, a larger one may be.
enum { SECTOR_BYTES = 512 };

static void apply(names* kept, const change* it) {
  entry* removed = it->removed == NULL ? NULL : names_find(kept, it->removed);
  // If the name's own creation was lost, it may still mean an older file, which this change was not about.
  if (removed != NULL && removed->target == it->target) names_unset(kept, removed);
  if (it->added != NULL) names_set(kept, it->added, it->target);
}

static void cut_directory(node* it, fate fate) {
  size_t first = draw_below(it->change_count + 1);
  for (size_t i = 0; i < it->change_count; i++) {
    bool some = draw_below(2) == 0;
    bool last = i + 1 == it->change_count;
    bool kept = fate == KEEP_ALL || (fate == KEEP_SOME && some) || (fate == KEEP_FIRST && i < first) ||
                (fate == KEEP_LAST && last);
    if (kept) apply(&it->kept_entries, &it->changes[i]);
  }
  names_copy(&it->entries, &it->kept_entries);
  disk_clear_changes(it);
}

static size_t cut_size(size_t kept, size_t now) {
  size_t from = kept < now ? kept : now;
  size_t to = kept < now ? now : kept;
  switch (draw_below(3)) {
    case 0:
      return kept;
    case 1:
      return now;
    default:
      return from + draw_below(to - from + 1);
  }
}

// Each sector that was written since the last sync is the new one or the old one; where there was none, it is zeros.
static void tear(node* it) {
  size_t tenths = 1 + draw_below(9);
  size_t size = cut_size(it->kept_data.size, it->data.size);
  content_resize(&it->kept_data, size);
  size_t end = it->dirty_to < size ? it->dirty_to : size;
  if (end > it->data.size) end = it->data.size;
  size_t at = it->dirty_from - it->dirty_from % SECTOR_BYTES;
  for (; at < end; at += SECTOR_BYTES) {
    size_t count = end - at < SECTOR_BYTES ? end - at : SECTOR_BYTES;
    if (draw_below(10) < tenths) memcpy(it->kept_data.bytes + at, it->data.bytes + at, count);
  }
}

static void cut_file(node* it, fate fate) {
  if (fate == KEEP_ALL) disk_sync(it, true);
  if (fate == KEEP_SOME) tear(it);
  content_resize(&it->data, it->kept_data.size);
  if (it->data.size > 0) memcpy(it->data.bytes, it->kept_data.bytes, it->data.size);
  it->dirty_from = it->dirty_to = 0;
}

static void reach(node* it) {
  it->links++;
  if (it->reachable) return;
  it->reachable = true;
  for (size_t i = 0; i < it->entries.count; i++) reach(it->entries.items[i].target);
}

static fate drawn(fate fate, size_t choices) { return fate == ANY_FATE ? draw_below(choices) : fate; }

void disk_cut(uint64_t seed, fate names_fate, fate data_fate) {
  state = seed;
  names_fate = drawn(names_fate, ANY_FATE);
  data_fate = drawn(data_fate, KEEP_FIRST);
  for (uint64_t id = ROOT_ID; id <= disk_last_id(); id++) {
    node* it = disk_node(id);
    if (it == NULL) continue;
    if (data_fate == KEEP_ALL || (data_fate == KEEP_SOME && draw_below(2) == 0)) it->kept = it->now;
    it->now = it->kept;
    it->links = 0;
    it->reachable = false;
    if (S_ISDIR(it->now.mode)) {
      cut_directory(it, names_fate);
    } else {
      cut_file(it, data_fate);
    }
  }
  reach(disk_node(ROOT_ID));
  for (uint64_t id = ROOT_ID; id <= disk_last_id(); id++) {
    node* it = disk_node(id);
    if (it != NULL && !it->reachable) disk_forget(it);
  }
}
