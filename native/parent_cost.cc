#include "parent_cost.h"

#include <sys/resource.h>
#include <unistd.h>

#include "v8_gc.h"

namespace forksnap {

namespace {

// costSoFar(): totals of this process; whoever wants those of a while takes differences.
Napi::Value CostSoFar(const Napi::CallbackInfo& info) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const GcFigures& gc = CurrentGcFigures();
  Napi::Object result = Napi::Object::New(info.Env());
  result["faults"] = static_cast<double>(usage.ru_minflt);
  result["youngGcs"] = static_cast<double>(gc.young);
  result["fullGcs"] = static_cast<double>(gc.full);
  result["markings"] = static_cast<double>(gc.markings);
  result["marking"] = IsMarking();
  result["gcMs"] = gc.ms;
  return result;
}

void SetFullGcDeferred(const Napi::CallbackInfo& info) { DeferFullGc(info[0].ToBoolean()); }

}  // namespace

void InitParentCost(Napi::Env env, Napi::Object exports) {
  exports["costSoFar"] = Napi::Function::New(env, CostSoFar, "costSoFar");
  exports["deferFullGc"] = Napi::Function::New(env, SetFullGcDeferred, "deferFullGc");
  exports["pageBytes"] = Napi::Number::New(env, static_cast<double>(sysconf(_SC_PAGESIZE)));
}

}  // namespace forksnap
