#include "packed_heap_link.h"

#include <dlfcn.h>
#include <stdint.h>

#include <vector>

namespace forksnap {

namespace {

using ReadStats = bool (*)(uint64_t[4]);
using Collapse = int (*)(uint64_t, uint64_t[4]);

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

// On a thread of libuv's pool: the kernel waits for all processors before it makes a page huge, milliseconds if they
// are busy. No fork comes between, since the pool is parked for it.
class CollapseWork : public Napi::AsyncWorker {
 public:
  CollapseWork(const Napi::Function& callback, double budget_ms)
      : Napi::AsyncWorker(callback, "forksnap:collapse"), budget_ns_(static_cast<uint64_t>(budget_ms * 1e6)) {}

  void Execute() override {
    static const auto collapse = Find<Collapse>("forksnap_packed_heap_collapse_2");
    state_ = collapse == nullptr ? kUnsupported : collapse(budget_ns_, figures_);
  }

  std::vector<napi_value> GetResult(Napi::Env env) override {
    Napi::Object result = Napi::Object::New(env);
    result["made"] = static_cast<double>(figures_[0]);
    result["refused"] = static_cast<double>(figures_[1]);
    result["longestMs"] = static_cast<double>(figures_[2]) / 1e6;
    result["longestCpuMs"] = static_cast<double>(figures_[3]) / 1e6;
    result["finished"] = state_ != 0;
    result["unsupported"] = state_ == kUnsupported;
    return {env.Null(), result};
  }

 private:
  static constexpr int kUnsupported = 2;
  const uint64_t budget_ns_;
  uint64_t figures_[4] = {};
  int state_ = 0;
};

// packedHeapCollapse(budgetMs, callback): makes split pages huge again, one at least, until the budget is spent.
void PackedHeapCollapse(const Napi::CallbackInfo& info) {
  const double budget_ms = info[0].As<Napi::Number>().DoubleValue();
  // Written so that NaN fails.
  if (!(budget_ms >= 0 && budget_ms <= 1000)) {
    throw Napi::Error::New(info.Env(), "packedHeapCollapse(budgetMs) takes milliseconds from 0 to 1000");
  }
  // Deletes itself.
  (new CollapseWork(info[1].As<Napi::Function>(), budget_ms))->Queue();
}

}  // namespace

void InitPackedHeap(Napi::Env env, Napi::Object exports) {
  exports["packedHeapStats"] = Napi::Function::New(env, PackedHeapStats, "packedHeapStats");
  exports["packedHeapCollapse"] = Napi::Function::New(env, PackedHeapCollapse, "packedHeapCollapse");
}

}  // namespace forksnap
