// Finds the mappings that a forked child would not inherit, in the text of /proc/self/smaps.
#ifndef FORKSNAP_SMAPS_H_
#define FORKSNAP_SMAPS_H_

#include <stddef.h>
#include <stdint.h>

#include <atomic>
#include <string>
#include <vector>

namespace forksnap {

struct Range {
  uintptr_t start = 0;
  uintptr_t end = 0;
};

struct SmapsScan {
  // Mappings with the flag `dc` (do not copy on fork) and those without it, neighbours merged, in ascending order.
  std::vector<Range> dontfork;
  std::vector<Range> others;
  // Start of the lowest mapping of a shared object. The kernel places mappings that ask for no address just below
  // the libraries; V8 asks for random addresses far below. See HintedSpans().
  uintptr_t lowest_library = 0;
  size_t mappings = 0;
  bool complete = false;
};

// Fed with the text in pieces of any size.
class SmapsParser {
 public:
  void Push(const char* text, size_t length);
  SmapsScan Finish();

 private:
  void Line(const char* line, size_t length);
  bool Header(const char* line, size_t length);

  SmapsScan scan_;
  Range current_;
  std::string partial_;
};

// Reads all of /proc/self/smaps, about 40 ms per GB of resident memory: off the main thread, where it can be. Stops
// early, incomplete, once `cancel` is set.
SmapsScan ScanSmaps(const std::atomic<bool>* cancel);

// The address space in which only mappings with an address hint can be, as far as there are V8's mappings in it and
// nobody else's: from one foreign mapping to the next, gaps included. What V8 maps after the scan lies in such a gap,
// so that a whole span can be given DONTFORK at any later time; malloc and thread stacks never get there.
std::vector<Range> HintedSpans(const SmapsScan& scan);

}  // namespace forksnap

#endif  // FORKSNAP_SMAPS_H_
