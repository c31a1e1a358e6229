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
  // Mappings with the flag `dc` (do not copy on fork), neighbours merged.
  std::vector<Range> dontfork;
  // Start of the lowest mapping of a shared object. The kernel places mappings that ask for no address just below
  // the libraries; V8 asks for random addresses far below. See HintedOnly().
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

// The ranges that lie where only mappings with an address hint can be. If anything may have been unmapped since the
// scan, only these are still certainly V8's: malloc and thread stacks never take their place.
std::vector<Range> HintedOnly(const SmapsScan& scan);

}  // namespace forksnap

#endif  // FORKSNAP_SMAPS_H_
