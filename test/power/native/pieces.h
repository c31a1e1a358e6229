// What files and directories of the disk are made of: bytes that grow, and lists of names.
#ifndef POWER_PIECES_H
#define POWER_PIECES_H

#include <stddef.h>
#include <stdint.h>

typedef struct node node;

typedef struct {
  char* name;
  node* target;
} entry;

typedef struct {
  entry* items;
  size_t count;
  size_t room;
} names;

typedef struct {
  uint8_t* bytes;
  size_t size;
  size_t room;
} content;

// These end the process where there is no memory.
void* grown(void* items, size_t size);
char* copy_of(const char* text);

// What is new is zeros.
void content_resize(content* it, size_t size);

entry* names_find(const names* list, const char* name);
void names_set(names* list, const char* name, node* target);
void names_unset(names* list, entry* found);
void names_clear(names* list);
void names_copy(names* to, const names* from);

#endif
