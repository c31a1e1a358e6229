#include "status_page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <new>

#include "platform.h"

namespace forksnap {

// Two processes meet here, so that only lock-free atomics may coordinate them: a lock held by a child that was killed
// would hang the parent. What is not atomic is written before `outcome` and read after it.
struct StatusPage::Shared {
  std::atomic<uint64_t> rows{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> cow_bytes{0};
  std::atomic<uint64_t> faults{0};
  std::atomic<uint64_t> young_gcs{0};
  std::atomic<uint64_t> full_gcs{0};
  std::atomic<uint64_t> beats{0};
  std::atomic<uint32_t> outcome{0};
  uint32_t message_length = 0;
  uint64_t result_length = 0;
  char message[kMessageMax];
  // Pages of it that nobody touches cost nothing.
  unsigned char result[kResultMax];
};

static_assert(std::atomic<uint64_t>::is_always_lock_free, "the page is shared between processes");

namespace {

uint64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

// Length of the longest prefix of at most `limit` bytes that does not end inside a UTF-8 character.
size_t CutUtf8(const char* text, size_t length, size_t limit) {
  if (length <= limit) return length;
  size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return end;
}

}  // namespace

StatusPage::StatusPage() {
#if defined(MAP_ANONYMOUS)
  const int flags = MAP_SHARED | MAP_ANONYMOUS;
#else
  const int flags = MAP_SHARED | MAP_ANON;
#endif
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, flags, -1, 0);
  if (memory == MAP_FAILED) {
    error_ = errno;
    return;
  }
  shared_ = new (memory) Shared;
}

StatusPage::~StatusPage() { Close(); }

void StatusPage::Close() {
  if (shared_ == nullptr) return;
  munmap(shared_, sizeof(Shared));
  shared_ = nullptr;
}

void StatusPage::SetProgress(uint64_t rows, uint64_t bytes) {
  shared_->rows.store(rows, std::memory_order_relaxed);
  shared_->bytes.store(bytes, std::memory_order_relaxed);
  shared_->beats.fetch_add(1, std::memory_order_release);
}

void StatusPage::MeasureCow(bool force) {
  // Walking the page tables takes tens of milliseconds per gigabyte; one hundredth of the child's time may go there.
  constexpr uint64_t kRestPerCost = 100;
  const uint64_t start = NowNs();
  if (!force && start < next_measure_ns_) return;
  shared_->cow_bytes.store(PrivateDirtyBytes(), std::memory_order_relaxed);
  const uint64_t end = NowNs();
  next_measure_ns_ = end + std::max<uint64_t>(250000000u, (end - start) * kRestPerCost);
  shared_->beats.fetch_add(1, std::memory_order_release);
}

void StatusPage::SetCost(uint64_t faults, uint64_t young_gcs, uint64_t full_gcs) {
  shared_->faults.store(faults, std::memory_order_relaxed);
  shared_->young_gcs.store(young_gcs, std::memory_order_relaxed);
  shared_->full_gcs.store(full_gcs, std::memory_order_relaxed);
}

bool StatusPage::SetResult(const void* data, size_t length) {
  if (length > kResultMax) return false;
  memcpy(shared_->result, data, length);
  shared_->result_length = length;
  return true;
}

void StatusPage::SetOutcome(Outcome outcome, const char* message, size_t length) {
  if (shared_->outcome.load(std::memory_order_relaxed) != 0) return;
  const size_t kept = CutUtf8(message, length, kMessageMax);
  memcpy(shared_->message, message, kept);
  shared_->message_length = static_cast<uint32_t>(kept);
  shared_->outcome.store(static_cast<uint32_t>(outcome), std::memory_order_release);
}

StatusPage::State StatusPage::Read() const {
  State state;
  const uint32_t outcome = shared_->outcome.load(std::memory_order_acquire);
  state.outcome = static_cast<Outcome>(outcome);
  state.beats = shared_->beats.load(std::memory_order_acquire);
  state.rows = shared_->rows.load(std::memory_order_relaxed);
  state.bytes = shared_->bytes.load(std::memory_order_relaxed);
  state.cow_bytes = shared_->cow_bytes.load(std::memory_order_relaxed);
  state.faults = shared_->faults.load(std::memory_order_relaxed);
  state.young_gcs = shared_->young_gcs.load(std::memory_order_relaxed);
  state.full_gcs = shared_->full_gcs.load(std::memory_order_relaxed);
  // The child's memory is the child's word: a length is never trusted beyond the field.
  if (outcome != 0) {
    state.message.assign(shared_->message, std::min<size_t>(shared_->message_length, kMessageMax));
  }
  return state;
}

const void* StatusPage::result() const { return shared_->result; }

size_t StatusPage::result_length() const { return std::min<size_t>(shared_->result_length, kResultMax); }

uint64_t PrivateDirtyBytes() {
#if FORKSNAP_USE_LINUX
  const int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[4096];
  size_t length = 0;
  ssize_t got = 0;
  while (length < sizeof text - 1 && (got = read(fd, text + length, sizeof text - 1 - length)) > 0) {
    length += static_cast<size_t>(got);
  }
  close(fd);
  text[length] = '\0';
  static constexpr char kField[] = "Private_Dirty:";
  const char* found = strstr(text, kField);
  return found == nullptr ? 0 : strtoull(found + sizeof kField - 1, nullptr, 10) * 1024;
#else
  return 0;
#endif
}

}  // namespace forksnap
