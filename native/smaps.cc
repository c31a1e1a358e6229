#include "smaps.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace forksnap {

namespace {

bool IsHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

uintptr_t HexDigit(char c) { return static_cast<uintptr_t>(c <= '9' ? c - '0' : c - 'a' + 10); }

// Reads hexadecimal digits from *at on; returns false if there is none.
bool ReadHex(const char* line, size_t length, size_t* at, uintptr_t* value) {
  const size_t first = *at;
  *value = 0;
  while (*at < length && IsHex(line[*at])) *value = (*value << 4) | HexDigit(line[(*at)++]);
  return *at > first;
}

bool Contains(const char* line, size_t length, const char* what) {
  return memmem(line, length, what, strlen(what)) != nullptr;
}

}  // namespace

void SmapsParser::Push(const char* text, size_t length) {
  size_t begin = 0;
  while (begin < length) {
    const void* newline = memchr(text + begin, '\n', length - begin);
    if (newline == nullptr) {
      partial_.append(text + begin, length - begin);
      return;
    }
    const size_t end = static_cast<size_t>(static_cast<const char*>(newline) - text);
    if (partial_.empty()) {
      Line(text + begin, end - begin);
    } else {
      partial_.append(text + begin, end - begin);
      Line(partial_.data(), partial_.size());
      partial_.clear();
    }
    begin = end + 1;
  }
}

// A header is `start-end perms ...`: lower-case hexadecimal and a dash. `AnonHugePages:` begins with a letter that is a
// hexadecimal digit in upper case, and `dirty` fields could one day begin with a lower-case one, so that only the dash
// after the digits decides.
bool SmapsParser::Header(const char* line, size_t length) {
  size_t at = 0;
  Range range;
  if (!ReadHex(line, length, &at, &range.start) || at >= length || line[at] != '-') return false;
  ++at;
  if (!ReadHex(line, length, &at, &range.end) || at >= length || line[at] != ' ') return false;
  current_ = range;
  ++scan_.mappings;
  if (scan_.lowest_library == 0 && Contains(line, length, ".so")) scan_.lowest_library = range.start;
  return true;
}

void SmapsParser::Line(const char* line, size_t length) {
  static constexpr char kFlags[] = "VmFlags:";
  if (length == 0 || Header(line, length)) return;
  if (length < sizeof kFlags || memcmp(line, kFlags, sizeof kFlags - 1) != 0) return;
  // Flags are pairs of letters, each with a space before it.
  std::vector<Range>& ranges = Contains(line, length, " dc") ? scan_.dontfork : scan_.others;
  if (!ranges.empty() && ranges.back().end == current_.start) {
    ranges.back().end = current_.end;
  } else {
    ranges.push_back(current_);
  }
}

SmapsScan SmapsParser::Finish() {
  scan_.complete = partial_.empty() && scan_.mappings > 0;
  return std::move(scan_);
}

SmapsScan ScanSmaps(const std::atomic<bool>* cancel) {
  const int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return SmapsScan();
  SmapsParser parser;
  std::vector<char> buffer(1 << 16);
  bool complete = false;
  while (cancel == nullptr || !cancel->load(std::memory_order_relaxed)) {
    const ssize_t length = read(fd, buffer.data(), buffer.size());
    if (length < 0) break;
    if (length == 0) {
      complete = true;
      break;
    }
    parser.Push(buffer.data(), static_cast<size_t>(length));
  }
  close(fd);
  SmapsScan scan = parser.Finish();
  scan.complete = scan.complete && complete;
  return scan;
}

std::vector<Range> HintedSpans(const SmapsScan& scan) {
  // A process whose unhinted mappings filled a terabyte below its libraries would be the first.
  constexpr uintptr_t kUnhintedSpan = uintptr_t{1} << 40;
  // V8 draws its addresses from 46 bits; above it may be an executable, and behind that the heap of brk().
  constexpr uintptr_t kHintedTop = uintptr_t{1} << 46;
  // How much room a foreign mapping gets to grow upwards, as brk() does.
  constexpr uintptr_t kGrowth = uintptr_t{1} << 36;
  std::vector<Range> result;
  if (scan.lowest_library <= kUnhintedSpan) return result;
  const uintptr_t top = std::min(scan.lowest_library - kUnhintedSpan, kHintedTop);
  auto own = scan.dontfork.begin();
  uintptr_t floor = 0;
  auto add_span_up_to = [&](uintptr_t ceiling) {
    while (own != scan.dontfork.end() && own->end <= floor) ++own;
    if (own == scan.dontfork.end() || own->end > ceiling) return;
    result.push_back({std::min(own->start, floor + kGrowth), ceiling});
  };
  for (const Range& other : scan.others) {
    if (other.start >= top) break;
    add_span_up_to(other.start);
    floor = other.end;
  }
  if (floor < top) add_span_up_to(top);
  return result;
}

}  // namespace forksnap
