// Texts of the kernel's that are not as they should be: whatever they hold, the parsers come to an end within their
// bytes, and a text that comes in pieces says the same. Under AddressSanitizer a step outside is seen.
#include <stdint.h>

#include <string>
#include <vector>

#include "check.h"
#include "smaps.h"
#include "threads.h"

using forksnap::Range;
using forksnap::SmapsParser;
using forksnap::SmapsScan;

namespace {

constexpr int kCases = 4000;

// Always the same numbers, so that a failure comes again.
class Random {
 public:
  size_t Below(size_t count) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>(state_ >> 33) % count;
  }

 private:
  uint64_t state_ = 7;
};

const std::string kSmaps =
    "00400000-00500000 r-xp 00000000 fe:00 1234    /opt/node/bin/node\nRss: 900 kB\nVmFlags: rd ex mr mw me \n"
    "1a2b000000-1a2b040000 rw-p 00000000 00:00 0 \nAnonHugePages:         0 kB\nVmFlags: rd wr mr mw me dc ac \n"
    "1a2b040000-1a2b080000 ---p 00000000 00:00 0 \nVmFlags: mr mw me dc \n"
    "7f1200000000-7f1200001000 r--p 00000000 fe:00 99 /lib/libc.so.6\nVmFlags: rd mr mw me \n";
const std::string kStat = "1234 (node) S 1 1234 1234 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 11 0 5 100 200";
const std::string kStatus =
    "Name:\tnode\nState:\tS (sleeping)\nTgid:\t1\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n";

std::string Changed(Random* random, std::string text) {
  static const std::string kPieces[] = {
      "\n", "-", ")", " ", "VmFlags:", "ffffffffffffffffffff", "99999999999999999999", " dc", ".so", "\nState:\t"};
  for (size_t steps = 1 + random->Below(4); steps > 0; --steps) {
    const size_t at = random->Below(text.size() + 1);
    switch (random->Below(5)) {
      case 0:
        text.resize(at);
        break;
      case 1:
        text.erase(at, 1 + random->Below(20));
        break;
      case 2:
        text.insert(at, kPieces[random->Below(sizeof kPieces / sizeof kPieces[0])]);
        break;
      case 3:
        text.insert(at, text.substr(random->Below(text.size() + 1), random->Below(60)));
        break;
      default:
        if (at < text.size()) text[at] = static_cast<char>(random->Below(256));
    }
  }
  return text;
}

// Each piece lies in memory of its own, behind whose end nothing may be read.
SmapsScan Parse(const std::string& text, size_t piece) {
  SmapsParser parser;
  for (size_t at = 0; at < text.size(); at += piece) {
    const size_t end = at + piece < text.size() ? at + piece : text.size();
    const std::vector<char> part(text.begin() + static_cast<std::ptrdiff_t>(at),
                                 text.begin() + static_cast<std::ptrdiff_t>(end));
    parser.Push(part.data(), part.size());
  }
  return parser.Finish();
}

bool Same(const std::vector<Range>& one, const std::vector<Range>& other) {
  if (one.size() != other.size()) return false;
  for (size_t i = 0; i < one.size(); ++i) {
    if (one[i].start != other[i].start || one[i].end != other[i].end) return false;
  }
  return true;
}

}  // namespace

TEST(MappingsOfAnyText) {
  Random random;
  for (int i = 0; i < kCases; ++i) {
    const std::string text = Changed(&random, kSmaps);
    const SmapsScan whole = Parse(text, text.size() + 1);
    const SmapsScan pieces = Parse(text, 1 + random.Below(50));
    CHECK(Same(whole.dontfork, pieces.dontfork));
    CHECK(Same(whole.others, pieces.others));
    CHECK_EQ(whole.mappings, pieces.mappings);
    CHECK_EQ(whole.complete, pieces.complete);
    CHECK_EQ(whole.lowest_library, pieces.lowest_library);
    CHECK(Same(HintedSpans(whole), HintedSpans(pieces)));
  }
}

TEST(ThreadsOfAnyText) {
  Random random;
  for (int i = 0; i < kCases; ++i) {
    const std::string stat = Changed(&random, kStat);
    const char state = forksnap::ThreadStateOf(stat);
    CHECK(state == 0 || stat.find(state) != std::string::npos);
    const std::string status = Changed(&random, kStatus);
    // What does not say that the thread sleeps is never taken for sleep.
    if (status.find("\nState:\tS") == std::string::npos) CHECK_EQ(forksnap::SwitchesAsleep(status), -1);
  }
}

TEST_MAIN
