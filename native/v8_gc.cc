#include "v8_gc.h"

#include <cppgc/heap-state.h>
#include <v8-cppgc.h>
#include <v8.h>

#include <chrono>

namespace forksnap {

namespace {

using Clock = std::chrono::steady_clock;

GcFigures figures;
uint64_t count = 0;
Clock::time_point begun;

// The second of V8's two young collectors has another name in each version.
constexpr int kMinorMarking = 1 << 1;
constexpr int kYoung = v8::kGCTypeScavenge | kMinorMarking;

void OnBegin(v8::Isolate*, v8::GCType, v8::GCCallbackFlags, void*) { begun = Clock::now(); }

void OnEnd(v8::Isolate*, v8::GCType type, v8::GCCallbackFlags, void*) {
  ++count;
  if (type & kYoung) ++figures.young;
  if (type & v8::kGCTypeIncrementalMarking) ++figures.markings;
  if (type & v8::kGCTypeMarkSweepCompact) ++figures.full;
  figures.ms += std::chrono::duration<double, std::milli>(Clock::now() - begun).count();
}

void BeginCounting() {
  static const bool counting = [] {
    v8::Isolate* isolate = v8::Isolate::GetCurrent();
    isolate->AddGCPrologueCallback(OnBegin, nullptr);
    isolate->AddGCEpilogueCallback(OnEnd, nullptr);
    return true;
  }();
  (void)counting;
}

}  // namespace

const GcFigures& CurrentGcFigures() {
  BeginCounting();
  return figures;
}

uint64_t GcCount() {
  BeginCounting();
  return count;
}

// V8 marks its own heap and Node's C++ objects as one, and only of the latter it says whether it does. Noting begin and
// end by the callbacks above would miss what began before them, and trust that no marking is ever given up.
bool IsMarking() {
  v8::CppHeap* heap = v8::Isolate::GetCurrent()->GetCppHeap();
  return heap != nullptr && cppgc::subtle::HeapState::IsMarking(heap->GetHeapHandle());
}

void DeferFullGc(bool defer) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
#if V8_MAJOR_VERSION >= 13
  isolate->SetIsLoading(defer);
#else
  // Asked for a second time it would keep the time of the first.
  isolate->SetRAILMode(v8::PERFORMANCE_ANIMATION);
  if (defer) isolate->SetRAILMode(v8::PERFORMANCE_LOAD);
#endif
}

}  // namespace forksnap
