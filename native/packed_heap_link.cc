#include "packed_heap_link.h"

#include <dlfcn.h>
#include <stdint.h>

namespace forksnap {

namespace {

using ReadStats = bool (*)(uint64_t[4]);
using Collapse = int (*)(uint64_t, uint32_t[2]);

// The library was there before the addon, or it never will be.
template <typename Function>
Function Find(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

// packedHeapStats(): null in a process whose heap is not packed.
Napi::Value PackedHeapStats(const Napi::CallbackInfo& info) {
  static const auto read = Find<ReadStats>("forksnap_packed_heap_stats");
  uint64_t figures[4] = {};
  if (read == nullptr || !read(figures)) return info.Env().Null();
  Napi::Object result = Napi::Object::New(info.Env());
  result["liveBytes"] = static_cast<double>(figures[0]);
  result["idleBytes"] = static_cast<double>(figures[1]);
  result["committedBytes"] = static_cast<double>(figures[2]);
  result["reservedBytes"] = static_cast<double>(figures[3]);
  return result;
}

// packedHeapCollapse(budgetMs): makes split pages huge again, one at least, until the budget is spent.
Napi::Value PackedHeapCollapse(const Napi::CallbackInfo& info) {
  static const auto collapse = Find<Collapse>("forksnap_packed_heap_collapse");
  const double budget_ms = info[0].As<Napi::Number>().DoubleValue();
  // Written so that NaN fails.
  if (!(budget_ms >= 0 && budget_ms <= 1000)) {
    throw Napi::Error::New(info.Env(), "packedHeapCollapse(budgetMs) takes milliseconds from 0 to 1000");
  }
  uint32_t figures[2] = {};
  const int state = collapse == nullptr ? 2 : collapse(static_cast<uint64_t>(budget_ms * 1e6), figures);
  Napi::Object result = Napi::Object::New(info.Env());
  result["made"] = figures[0];
  result["refused"] = figures[1];
  result["finished"] = state != 0;
  result["unsupported"] = state == 2;
  return result;
}

}  // namespace

void InitPackedHeap(Napi::Env env, Napi::Object exports) {
  exports["packedHeapStats"] = Napi::Function::New(env, PackedHeapStats, "packedHeapStats");
  exports["packedHeapCollapse"] = Napi::Function::New(env, PackedHeapCollapse, "packedHeapCollapse");
}

}  // namespace forksnap
