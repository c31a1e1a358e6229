// The parser of /proc/self/smaps: on text of our own, in pieces of every size, and against the kernel's real file.
#include "smaps.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "check.h"

using forksnap::Range;
using forksnap::SmapsParser;
using forksnap::SmapsScan;

namespace {

std::string Mapping(const char* header, const char* flags) {
  return std::string(header) + "\nSize:               1024 kB\nRss:                 900 kB\n" +
         "Anonymous:           900 kB\nAnonHugePages:         0 kB\nShmemPmdMapped:       0 kB\n" +
         "VmFlags: " + flags + " \n";
}

SmapsScan Parse(const std::string& text) {
  SmapsParser parser;
  parser.Push(text.data(), text.size());
  return parser.Finish();
}

bool Covers(const SmapsScan& scan, uintptr_t start, uintptr_t end) {
  return std::any_of(scan.dontfork.begin(), scan.dontfork.end(),
                     [&](const Range& range) { return range.start <= start && range.end >= end; });
}

bool Meets(const SmapsScan& scan, uintptr_t start, uintptr_t end) {
  return std::any_of(scan.dontfork.begin(), scan.dontfork.end(),
                     [&](const Range& range) { return range.start < end && range.end > start; });
}

const std::string kText =
    Mapping("00400000-00500000 r-xp 00000000 fe:00 1234    /opt/node/bin/node", "rd ex mr mw me") +
    Mapping("1a2b000000-1a2b040000 rw-p 00000000 00:00 0 ", "rd wr mr mw me dc ac") +
    Mapping("1a2b040000-1a2b080000 ---p 00000000 00:00 0 ", "mr mw me dc") +
    Mapping("1a2c000000-1a2c040000 rw-p 00000000 00:00 0 ", "rd wr mr mw me ac") +
    Mapping("7f0000000000-7f0000040000 rw-p 00000000 00:00 0 ", "rd wr mr mw me dc sd") +
    Mapping("7f1200000000-7f1200001000 r--p 00000000 fe:00 99 /lib/libc.so.6", "rd mr mw me");

}  // namespace

TEST(FindsTheFlagAndMergesNeighbours) {
  const SmapsScan scan = Parse(kText);
  CHECK(scan.complete);
  CHECK_EQ(scan.mappings, 6u);
  CHECK_EQ(scan.dontfork.size(), 2u);
  CHECK_EQ(scan.dontfork[0].start, 0x1a2b000000u);
  CHECK_EQ(scan.dontfork[0].end, 0x1a2b080000u);
  CHECK_EQ(scan.dontfork[1].start, 0x7f0000000000u);
  CHECK_EQ(scan.dontfork[1].end, 0x7f0000040000u);
  CHECK_EQ(scan.lowest_library, 0x7f1200000000u);
}

TEST(PiecesOfEverySizeGiveTheSame) {
  for (size_t piece = 1; piece <= 200; ++piece) {
    SmapsParser parser;
    for (size_t at = 0; at < kText.size(); at += piece) {
      parser.Push(kText.data() + at, std::min(piece, kText.size() - at));
    }
    const SmapsScan scan = parser.Finish();
    CHECK(scan.complete);
    CHECK_EQ(scan.mappings, 6u);
    CHECK_EQ(scan.dontfork.size(), 2u);
    CHECK_EQ(scan.dontfork[0].end, 0x1a2b080000u);
  }
}

TEST(FieldsThatBeginWithHexadecimalDigitsAreNoHeaders) {
  const SmapsScan scan = Parse(
      "1000-2000 rw-p 00000000 00:00 0 \nAnonHugePages:      2048 kB\nFilePmdMapped:  0 kB\nabc-def: 1 kB\n"
      "added:  0 kB\ndead beef 1 kB\nVmFlags: rd dc \n");
  CHECK_EQ(scan.mappings, 1u);
  CHECK_EQ(scan.dontfork.size(), 1u);
  CHECK_EQ(scan.dontfork[0].start, 0x1000u);
  CHECK_EQ(scan.dontfork[0].end, 0x2000u);
}

TEST(ANameThatLooksLikeTheFlagIsNotOne) {
  const SmapsScan scan = Parse(Mapping("1000-2000 rw-p 00000000 00:00 0   /tmp/a dc b", "rd wr dd"));
  CHECK_EQ(scan.mappings, 1u);
  CHECK_EQ(scan.dontfork.size(), 0u);
}

TEST(TornAndEmptyTextIsIncomplete) {
  CHECK(!Parse("").complete);
  CHECK(!Parse(kText.substr(0, kText.size() - 3)).complete);
}

TEST(ASpanEndsAtTheNextForeignMapping) {
  const std::vector<Range> spans = forksnap::HintedSpans(Parse(kText));
  CHECK_EQ(spans.size(), 1u);
  // The executable below keeps 64 GiB for the heap of brk() to grow into.
  CHECK_EQ(spans[0].start, 0x1000500000u);
  CHECK_EQ(spans[0].end, 0x1a2c000000u);
}

TEST(SpansCoverTheGapsBetweenTheirMappings) {
  const std::vector<Range> spans = forksnap::HintedSpans(
      Parse(Mapping("00400000-00500000 r-xp 00000000 fe:00 1234    /opt/node/bin/node", "rd ex mr mw me") +
            Mapping("00500000-00700000 rw-p 00000000 00:00 0          [heap]", "rd wr mr mw me") +
            Mapping("00800000-00840000 rw-p 00000000 00:00 0 ", "rd wr mr mw me dc") +
            Mapping("1a2b000000-1a2b040000 rw-p 00000000 00:00 0 ", "rd wr mr mw me dc") +
            Mapping("c000000000-c000400000 rw-p 00000000 00:00 0 ", "rd wr mr mw me") +
            Mapping("c100000000-c100400000 rw-p 00000000 00:00 0 ", "rd wr mr mw me") +
            Mapping("1dead0000000-1dead0040000 rw-p 00000000 00:00 0 ", "rd wr mr mw me dc") +
            Mapping("550000000000-550000040000 rw-p 00000000 00:00 0 [heap]", "rd wr mr mw me") +
            Mapping("7f1200000000-7f1200001000 r--p 00000000 fe:00 99 /lib/libc.so.6", "rd mr mw me")));
  CHECK_EQ(spans.size(), 2u);
  CHECK_EQ(spans[0].start, 0x800000u);
  CHECK_EQ(spans[0].end, 0xc000000000u);
  CHECK_EQ(spans[1].start, 0xc100400000u + (uintptr_t{1} << 36));
  CHECK_EQ(spans[1].end, uintptr_t{1} << 46);
}

TEST(NoSpansWithoutAnyMappingOfTheHeapOrALibrary) {
  SmapsScan unknown = Parse(kText);
  unknown.lowest_library = 0;
  CHECK_EQ(forksnap::HintedSpans(unknown).size(), 0u);
  SmapsScan foreign = Parse(kText);
  foreign.dontfork.clear();
  CHECK_EQ(forksnap::HintedSpans(foreign).size(), 0u);
}

#ifdef __linux__

TEST(TheKernelsOwnFile) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  // Three pages, of which the one in the middle is marked: a range must be neither too long nor too short.
  char* pages = static_cast<char*>(mmap(nullptr, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  CHECK(pages != MAP_FAILED);
  const uintptr_t at = reinterpret_cast<uintptr_t>(pages);
  CHECK(!Meets(forksnap::ScanSmaps(nullptr), at, at + 3 * page));
  CHECK_EQ(madvise(pages + page, page, MADV_DONTFORK), 0);
  const SmapsScan scan = forksnap::ScanSmaps(nullptr);
  CHECK(scan.complete);
  CHECK(Covers(scan, at + page, at + 2 * page));
  CHECK(!Meets(scan, at, at + page));
  CHECK(!Meets(scan, at + 2 * page, at + 3 * page));
  CHECK(scan.lowest_library != 0);
  CHECK_EQ(munmap(pages, 3 * page), 0);
}

TEST(ACancelledScanIsIncomplete) {
  const std::atomic<bool> cancel{true};
  CHECK(!forksnap::ScanSmaps(&cancel).complete);
}

#endif

TEST_MAIN
