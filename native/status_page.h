// The memory that a parent shares with one child: how far the child is, how it ended, and what it returned.
#ifndef FORKSNAP_STATUS_PAGE_H_
#define FORKSNAP_STATUS_PAGE_H_

#include <stddef.h>
#include <stdint.h>

#include <atomic>
#include <string>

namespace forksnap {

// How the child says that it ended. The exit status says the rest; a child that a signal ended has said nothing.
enum class Outcome : uint32_t {
  kRunning = 0,
  kReturned = 1,
  kThrew = 2,
  kReturnedPromise = 3,
  kCalledExit = 4,
  kAborted = 5,
  kSetupFailed = 6,
  kOutOfMemory = 7,
  kFatalError = 8,
  kResultTooLarge = 9,
};

class StatusPage {
 public:
  // The longest trailer that the slice format knows (format.ts, TRAILER_BYTES_MAX), and what goes before it.
  static constexpr size_t kResultMax = (16 << 20) + 4096;
  static constexpr size_t kMessageMax = 8 << 10;

  // Throws nothing: valid() is false and error() tells the errno if the memory could not be had.
  StatusPage();
  ~StatusPage();
  StatusPage(const StatusPage&) = delete;
  StatusPage& operator=(const StatusPage&) = delete;

  bool valid() const { return shared_ != nullptr; }
  int error() const { return error_; }
  void Close();

  // The child's side. Every call counts as a sign of life.
  void SetProgress(uint64_t rows, uint64_t bytes);
  // Measures the copy-on-write bytes: always if `force`, else only as often as the measuring itself is cheap.
  void MeasureCow(bool force);
  // What the child's life has cost itself, once, at its end.
  void SetCost(uint64_t faults, uint64_t young_gcs, uint64_t full_gcs);
  bool SetResult(const void* data, size_t length);
  // Cuts the message at kMessageMax bytes, between two UTF-8 characters. The first outcome stands.
  void SetOutcome(Outcome outcome, const char* message, size_t length);

  // The parent's side.
  struct State {
    uint64_t rows;
    uint64_t bytes;
    uint64_t cow_bytes;
    uint64_t faults;
    uint64_t young_gcs;
    uint64_t full_gcs;
    uint64_t beats;
    Outcome outcome;
    std::string message;
  };
  State Read() const;
  const void* result() const;
  size_t result_length() const;

 private:
  struct Shared;
  Shared* shared_ = nullptr;
  int error_ = 0;
  uint64_t next_measure_ns_ = 0;
};

// Private dirty bytes of the calling process (Linux; 0 elsewhere): in a child, the pages that parent or child wrote
// since the fork, which is how Redis counts copy-on-write.
uint64_t PrivateDirtyBytes();

}  // namespace forksnap

#endif  // FORKSNAP_STATUS_PAGE_H_
