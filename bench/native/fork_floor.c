// The yardstick for the pause of a fork: a plain C program that maps the same ranges as a measured process, has the
// same pages resident in them, and forks. What the kernel needs here is what it needs for that process at least.
//
//   fork_floor SNAPSHOT-FILE [FORKS | -]
//
// With a dash it says `ready` when all is resident, and then answers each line of its input by a line with the
// milliseconds of one fork: `w` for one after every writable page was written again, `r` for one without.
//
// Pages are made resident in the order in which the measured process has them in physical memory, where the file tells
// it: the kernel keeps a record of each page, in that order, and fork() visits the records in the order of addresses,
// so that it depends on both orders whether they are found in the processor's caches. Else mapping by mapping at
// random, as V8 asks for its memory. In the order of addresses the fork would be faster than that of V8's heap.
//
// The file is written by bench/lib/mappings.ts and described there. The answer (at the input's end) is one JSON object:
//   fork_ms         milliseconds of each fork() after every writable page was written again, so that the kernel must
//                   write-protect all of them, as at the first fork of a process
//   refork_ms       the same without writing in between: the pages are still write-protected from the fork before
//   vmas            number of mappings of this process at the fork, its own few included
//   resident_bytes  anonymous resident memory of this process at the fork, as the kernel counts it
//   huge_bytes      how much of that is in transparent huge pages
//   page_table_bytes  size of the page tables
//   ordered_bytes   how much was made resident in the order of the measured process's physical memory
//   skipped_bytes   resident bytes that were not replayed: their range is taken by this program's own mappings, or the
//                   system refused it
//   skipped_vmas    number of mappings that were not replayed
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kForksDefault = 20, kForksMax = 10000 };

struct Mapping {
  uintptr_t start;
  size_t length;
  int protection;
  bool skipped;
};

struct Run {
  uintptr_t start;
  size_t length;
};

struct Replay {
  struct Run* runs;
  size_t run_count;
  size_t run_capacity;
  size_t ordered_bytes;
  struct Mapping* mappings;
  size_t count;
  size_t capacity;
  size_t skipped_bytes;
  size_t skipped_vmas;
  size_t page;
};

static void fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("fork_floor: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

static int protection_of(const char* permissions) {
  return (permissions[0] == 'r' ? PROT_READ : 0) | (permissions[1] == 'w' ? PROT_WRITE : 0) |
         (permissions[2] == 'x' ? PROT_EXEC : 0);
}

// Everything is mapped writable at first, so that read-only pages can be made resident too.
static void map_one(struct Replay* replay, uintptr_t start, size_t length, const char* permissions) {
  if (replay->count == replay->capacity) {
    replay->capacity = replay->capacity ? replay->capacity * 2 : 4096;
    replay->mappings = realloc(replay->mappings, replay->capacity * sizeof(struct Mapping));
    if (!replay->mappings) fail("out of memory for the list of mappings");
  }
  struct Mapping* mapping = &replay->mappings[replay->count];
  *mapping = (struct Mapping){start, length, protection_of(permissions), false};
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  void* got = mmap((void*)start, length, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (got != (void*)start) {
    if (got != MAP_FAILED) munmap(got, length);
    mapping->skipped = true;
    ++replay->skipped_vmas;
  } else if (replay->count % 2) {
    // Neighbours with equal permissions would become one mapping; a flag that fork() does not look at keeps them apart.
    madvise(got, length, MADV_DONTDUMP);
  }
  ++replay->count;
}

static void touch_run(const struct Replay* replay, uintptr_t start, size_t length) {
  for (uintptr_t at = start; at < start + length; at += replay->page) *(volatile char*)at = 1;
}

static void add_run(struct Replay* replay, uintptr_t start, size_t length) {
  if (replay->run_count == replay->run_capacity) {
    replay->run_capacity = replay->run_capacity ? replay->run_capacity * 2 : 4096;
    replay->runs = realloc(replay->runs, replay->run_capacity * sizeof(struct Run));
    if (!replay->runs) fail("out of memory for the list of runs");
  }
  replay->runs[replay->run_count++] = (struct Run){start, length};
}

static uint64_t next_random(uint64_t* state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

// The same order each time.
static void touch_in_random_order(struct Replay* replay) {
  uint64_t state = 88172645463325252;
  for (size_t left = replay->run_count; left > 1; --left) {
    const size_t other = next_random(&state) % left;
    const struct Run run = replay->runs[left - 1];
    replay->runs[left - 1] = replay->runs[other];
    replay->runs[other] = run;
  }
  for (size_t i = 0; i < replay->run_count; ++i) touch_run(replay, replay->runs[i].start, replay->runs[i].length);
}

// Runs in the order of physical memory are touched as they are read: those of each mapping are known by then.
static void touch_ordered(struct Replay* replay, uintptr_t start, size_t length) {
  size_t low = 0, high = replay->count;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (replay->mappings[middle].start <= start) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  const struct Mapping* mapping = low > 0 ? &replay->mappings[low - 1] : NULL;
  if (!mapping || start + length > mapping->start + mapping->length) {
    fail("a run of pages at %#zx lies outside every mapping", (size_t)start);
  }
  if (mapping->skipped) return;
  touch_run(replay, start, length);
  replay->ordered_bytes += length;
}

static void touch(struct Replay* replay, const struct Mapping* mapping, uintptr_t start, size_t length, bool huge) {
  if (start < mapping->start || start + length > mapping->start + mapping->length) {
    fail("a run of pages at %#zx lies outside its mapping", (size_t)start);
  }
  if (mapping->skipped) {
    replay->skipped_bytes += length;
    return;
  }
  if (huge) {
    touch_run(replay, start, length);
  } else {
    add_run(replay, start, length);
  }
}

static void check_header(FILE* file, struct Replay* replay) {
  unsigned version = 0;
  if (fscanf(file, "forksnap-mappings %u %zu\n", &version, &replay->page) != 2 || version != 1) {
    fail("not a snapshot of mappings, or of an unknown version: write it with bench/lib/mappings.ts");
  }
  if (replay->page != (size_t)sysconf(_SC_PAGESIZE)) {
    fail("the snapshot has pages of %zu bytes, this system has %ld", replay->page, sysconf(_SC_PAGESIZE));
  }
}

// One pass over the file. The first maps every range and notes the runs of small pages, which are touched while huge
// pages are switched off for this process; the second touches the huge ones. In this order, one mapping can hold both
// without being split.
static void replay_pass(FILE* file, struct Replay* replay, bool huge_pass) {
  rewind(file);
  check_header(file, replay);
  char kind = 0, permissions[5];
  uint64_t start = 0, length = 0;
  size_t next = 0;
  while (fscanf(file, " %c %" SCNx64 " %" SCNx64, &kind, &start, &length) == 3) {
    if (kind == 'm') {
      if (fscanf(file, " %4s", permissions) != 1 || strlen(permissions) != 4) fail("a mapping without permissions");
      if (!huge_pass) map_one(replay, start, length, permissions);
      ++next;
      continue;
    }
    if (kind == 'o') {
      if (!huge_pass) touch_ordered(replay, start, length);
      continue;
    }
    if (next == 0 || (kind != 'r' && kind != 'h')) fail("unexpected line of kind '%c'", kind);
    if ((kind == 'h') != huge_pass) continue;
    const struct Mapping* mapping = &replay->mappings[next - 1];
    if (huge_pass && !mapping->skipped) madvise((void*)mapping->start, mapping->length, MADV_HUGEPAGE);
    touch(replay, mapping, start, length, huge_pass);
  }
  if (!feof(file)) fail("the snapshot file has a damaged line after mapping %zu", next);
}

static void replay_file(const char* path, struct Replay* replay) {
  FILE* file = fopen(path, "re");
  if (!file) fail("cannot open %s: %s", path, strerror(errno));
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  replay_pass(file, replay, false);
  touch_in_random_order(replay);
  prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
  replay_pass(file, replay, true);
  // From here on the kernel's own collapsing must not change what is measured.
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  fclose(file);
  for (size_t i = 0; i < replay->count; ++i) {
    const struct Mapping* mapping = &replay->mappings[i];
    if (mapping->skipped || mapping->protection == (PROT_READ | PROT_WRITE)) continue;
    if (mprotect((void*)mapping->start, mapping->length, mapping->protection) != 0) ++replay->skipped_vmas;
  }
}

// Writes one byte of every resident page of the writable mappings. mincore() would report pages of the page cache too,
// but these mappings are anonymous, so it reports exactly what is resident.
static void rewrite_pages(const struct Replay* replay) {
  unsigned char resident[4096];
  for (size_t i = 0; i < replay->count; ++i) {
    const struct Mapping* mapping = &replay->mappings[i];
    if (mapping->skipped || !(mapping->protection & PROT_WRITE)) continue;
    for (size_t offset = 0; offset < mapping->length; offset += sizeof resident * replay->page) {
      size_t length = mapping->length - offset;
      if (length > sizeof resident * replay->page) length = sizeof resident * replay->page;
      char* base = (char*)mapping->start + offset;
      if (mincore(base, length, resident) != 0) continue;
      for (size_t page = 0; page * replay->page < length; ++page) {
        if (resident[page] & 1) ++*(volatile char*)(base + page * replay->page);
      }
    }
  }
}

static double fork_once(void) {
  struct timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  clock_gettime(CLOCK_MONOTONIC, &end);
  if (pid < 0) fail("fork: %s", strerror(errno));
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (status != 0) fail("a child ended with status %d", status);
  return (double)(end.tv_sec - begin.tv_sec) * 1e3 + (double)(end.tv_nsec - begin.tv_nsec) / 1e6;
}

static void print_list(const char* name, const double* values, int count) {
  printf("\"%s\":[", name);
  for (int i = 0; i < count; ++i) printf("%s%.4f", i ? "," : "", values[i]);
  printf("],");
}

static size_t kilobytes(const char* path, const char* field) {
  FILE* file = fopen(path, "re");
  if (!file) return 0;
  char line[256];
  size_t kib = 0;
  while (fgets(line, sizeof line, file)) {
    if (strncmp(line, field, strlen(field)) == 0) kib = strtoull(line + strlen(field), NULL, 10);
  }
  fclose(file);
  return kib * 1024;
}

static size_t count_lines(const char* path) {
  FILE* file = fopen(path, "re");
  if (!file) return 0;
  size_t lines = 0;
  for (int c = 0; (c = fgetc(file)) != EOF;) lines += c == '\n';
  fclose(file);
  return lines;
}

static void fork_many(const struct Replay* replay, long forks) {
  double* fork_ms = calloc((size_t)forks * 2, sizeof(double));
  if (!fork_ms) fail("out of memory for the results");
  double* refork_ms = fork_ms + forks;
  for (long i = 0; i < forks; ++i) {
    rewrite_pages(replay);
    fork_ms[i] = fork_once();
    refork_ms[i] = fork_once();
  }
  print_list("fork_ms", fork_ms, (int)forks);
  print_list("refork_ms", refork_ms, (int)forks);
  free(fork_ms);
}

static void fork_on_demand(const struct Replay* replay) {
  char line[16];
  puts("ready");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    if (line[0] == 'w') rewrite_pages(replay);
    printf("%.4f\n", fork_once());
    fflush(stdout);
  }
}

int main(int argc, char** argv) {
  const bool on_demand = argc == 3 && strcmp(argv[2], "-") == 0;
  const long forks = argc > 2 ? strtol(argv[2], NULL, 10) : kForksDefault;
  if (argc < 2 || argc > 3 || (!on_demand && (forks < 1 || forks > kForksMax))) {
    fprintf(stderr, "usage: fork_floor SNAPSHOT-FILE [FORKS | -]   (1 to %d forks, default %d)\n", kForksMax,
            kForksDefault);
    return 2;
  }
  struct Replay replay = {0};
  replay_file(argv[1], &replay);
  if (on_demand) fork_on_demand(&replay);
  putchar('{');
  if (!on_demand) fork_many(&replay, forks);
  printf("\"vmas\":%zu,\"resident_bytes\":%zu,\"huge_bytes\":%zu,\"page_table_bytes\":%zu,",
         count_lines("/proc/self/maps"), kilobytes("/proc/self/smaps_rollup", "Anonymous:"),
         kilobytes("/proc/self/smaps_rollup", "AnonHugePages:"), kilobytes("/proc/self/status", "VmPTE:"));
  printf("\"ordered_bytes\":%zu,", replay.ordered_bytes);
  printf("\"skipped_bytes\":%zu,\"skipped_vmas\":%zu}\n", replay.skipped_bytes, replay.skipped_vmas);
  return 0;
}
