#include "pieces.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

void* grown(void* items, size_t size) {
  void* result = realloc(items, size);
  if (result == NULL) err(1, "no memory for the disk");
  return result;
}

char* copy_of(const char* text) {
  char* copy = text == NULL ? NULL : strdup(text);
  if (text != NULL && copy == NULL) err(1, "no memory for a name");
  return copy;
}

void content_resize(content* it, size_t size) {
  if (size > it->room) {
    it->room = size > 2 * it->room ? size : 2 * it->room;
    it->bytes = grown(it->bytes, it->room);
  }
  if (size > it->size) memset(it->bytes + it->size, 0, size - it->size);
  it->size = size;
}

entry* names_find(const names* list, const char* name) {
  for (size_t i = 0; i < list->count; i++) {
    if (strcmp(list->items[i].name, name) == 0) return &list->items[i];
  }
  return NULL;
}

void names_set(names* list, const char* name, node* target) {
  entry* found = names_find(list, name);
  if (found != NULL) {
    found->target = target;
    return;
  }
  if (list->count == list->room) {
    list->room = list->room == 0 ? 8 : 2 * list->room;
    list->items = grown(list->items, list->room * sizeof(entry));
  }
  list->items[list->count++] = (entry){copy_of(name), target};
}

void names_unset(names* list, entry* found) {
  free(found->name);
  *found = list->items[--list->count];
}

void names_clear(names* list) {
  while (list->count > 0) names_unset(list, &list->items[list->count - 1]);
}

void names_copy(names* to, const names* from) {
  names_clear(to);
  for (size_t i = 0; i < from->count; i++) names_set(to, from->items[i].name, from->items[i].target);
}
