#include "arena_buffers.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <v8.h>

#include <chrono>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "arena.h"
#include "fork.h"
#include "system_error.h"

namespace forksnap {

namespace {

// V8's own interface and not Node-API's external buffers: those give a block back one turn of the loop after it was let
// go, and cannot be transferred. Both interfaces use one kind of handle, and Node itself converts it like this.
// NOLINTBEGIN(bugprone-sizeof-expression): a handle is a pointer, and it is the pointer that is copied.
v8::Local<v8::Value> ToV8(napi_value value) {
  v8::Local<v8::Value> local;
  static_assert(sizeof local == sizeof value, "a handle of V8 is one of Node-API");
  memcpy(static_cast<void*>(&local), &value, sizeof value);
  return local;
}

napi_value FromV8(v8::Local<v8::Value> local) {
  napi_value value = nullptr;
  memcpy(&value, &local, sizeof value);
  return value;
}
// NOLINTEND(bugprone-sizeof-expression)

// A buffer's hold on its arena: V8 has it as long as there is a buffer, in this or another thread, or anybody else
// whom the memory was given to, and then calls Drop() on any thread.
struct Lease {
  std::shared_ptr<Arena> arena;

  static void Drop(void* block, size_t, void* data) {
    const std::unique_ptr<Lease> lease(static_cast<Lease*>(data));
    lease->arena->Free(block);
  }
};

// Buffers are let go when the isolate of a Worker ends, which is after Node has unloaded the addons of the Worker.
void NeverUnload() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&NeverUnload), &info) == 0) return;
  dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

// Node-API's own answer, which it knows from how Node was built: V8 would end the process instead of refusing.
bool ExternalBuffersAllowed(Napi::Env env) {
  auto byte = std::make_unique<char>();
  napi_value ignored = nullptr;
  const auto drop = [](napi_env, void* data, void*) { delete static_cast<char*>(data); };
  const napi_status status = napi_create_external_arraybuffer(env, byte.get(), 1, drop, nullptr, &ignored);
  if (status == napi_ok) (void)byte.release();
  return status == napi_ok;
}

[[noreturn]] void ThrowCoded(Napi::Env env, const std::string& message, const char* code) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", code);
  throw error;
}

// `error` is the errno of mmap(), or 0 for the arena's own limit.
[[noreturn]] void ThrowNoMemory(Napi::Env env, int error) {
  if (error == 0) ThrowCoded(env, "the limit is reached", "LIMIT");
  throw SystemError(env, "mmap", error);
}

using ArenaHandle = std::shared_ptr<Arena>;

Arena& ArenaOf(const Napi::Value& value) { return **value.As<Napi::External<ArenaHandle>>().Data(); }

// arenaOpen(bytes, maxBytes, hugePages); a maxBytes of Infinity is none.
Napi::Value Open(const Napi::CallbackInfo& info) {
  if (!ExternalBuffersAllowed(info.Env())) {
    ThrowCoded(info.Env(), "this Node allows no buffers of memory that is not V8's", "NOT_ALLOWED");
  }
  static const bool pinned = (NeverUnload(), true);
  static_cast<void>(pinned);
  ArenaOptions options;
  const double max_bytes = info[1].As<Napi::Number>().DoubleValue();
  options.region_bytes = static_cast<size_t>(info[0].As<Napi::Number>().Int64Value());
  if (max_bytes < static_cast<double>(std::numeric_limits<int64_t>::max())) {
    options.max_bytes = static_cast<size_t>(max_bytes);
  }
  options.huge_pages = info[2].As<Napi::Boolean>();
  int error = 0;
  ArenaHandle arena = Arena::Create(options, &error);
  if (arena == nullptr) ThrowNoMemory(info.Env(), error);
  LivingArenas::Add(arena);
  return Napi::External<ArenaHandle>::New(info.Env(), new ArenaHandle(std::move(arena)),
                                          [](Napi::Env, ArenaHandle* handle) { delete handle; });
}

// arenaAlloc(arena, bytes): a zeroed ArrayBuffer.
Napi::Value Alloc(const Napi::CallbackInfo& info) {
  const ArenaHandle& arena = *info[0].As<Napi::External<ArenaHandle>>().Data();
  const auto bytes = static_cast<size_t>(info[1].As<Napi::Number>().Int64Value());
  int error = 0;
  void* block = arena->Allocate(bytes, &error);
  if (block == nullptr) ThrowNoMemory(info.Env(), error);
  auto backing = v8::ArrayBuffer::NewBackingStore(block, bytes, Lease::Drop, new Lease{arena});
  return Napi::Value(info.Env(), FromV8(v8::ArrayBuffer::New(v8::Isolate::GetCurrent(), std::move(backing))));
}

// arenaFree(arena, buffer): detaches the buffer, by which V8 lets go of the block at once, unless somebody else has
// been given the memory too. False if it is no buffer of the arena's; a detached one is of nobody.
Napi::Value Free(const Napi::CallbackInfo& info) {
  const auto buffer = ToV8(info[1]).As<v8::ArrayBuffer>();
  if (!ArenaOf(info[0]).Holds(buffer->Data())) return Napi::Boolean::New(info.Env(), false);
  const bool detached = buffer->IsDetachable() && buffer->Detach(v8::Local<v8::Value>()).FromMaybe(false);
  if (!detached) ThrowCoded(info.Env(), "the buffer cannot be detached", "NOT_DETACHABLE");
  return Napi::Boolean::New(info.Env(), true);
}

// arenaStats(arena): regions are pairs of hexadecimal addresses as /proc/self/smaps has them.
Napi::Value Stats(const Napi::CallbackInfo& info) {
  const ArenaStats stats = ArenaOf(info[0]).Stats();
  Napi::Object result = Napi::Object::New(info.Env());
  result["mappedBytes"] = static_cast<double>(stats.mapped_bytes);
  result["usedBytes"] = static_cast<double>(stats.used_bytes);
  result["blocks"] = static_cast<double>(stats.blocks);
  Napi::Array regions = Napi::Array::New(info.Env());
  for (const Range& region : stats.regions) {
    char text[40];
    const uintmax_t start = region.start;
    const uintmax_t end = region.end;
    snprintf(text, sizeof text, "%08jx-%08jx", start, end);
    regions[regions.Length()] = text;
  }
  result["regions"] = regions;
  return result;
}

// arenaCollapse(arena, from, ms): returns where to go on, as a bigint, 0n at the end.
Napi::Value Collapse(const Napi::CallbackInfo& info) {
  bool lossless = false;
  const uint64_t from = info[1].As<Napi::BigInt>().Uint64Value(&lossless);
  const std::chrono::duration<double, std::milli> budget(info[2].As<Napi::Number>().DoubleValue());
  const auto whole = std::chrono::duration_cast<std::chrono::nanoseconds>(budget);
  const uint64_t next = ArenaOf(info[0]).Collapse(static_cast<uintptr_t>(from), whole);
  return Napi::BigInt::New(info.Env(), next);
}

// On a thread of libuv's pool, which no fork finds at work.
class CollapseWork : public Napi::AsyncWorker {
 public:
  CollapseWork(const Napi::Function& callback, std::chrono::nanoseconds budget)
      : Napi::AsyncWorker(callback, "forksnap:arenas"), budget_(budget) {}

  void Execute() override { finished_ = LivingArenas::Collapse(budget_); }

  std::vector<napi_value> GetResult(Napi::Env env) override { return {env.Null(), Napi::Boolean::New(env, finished_)}; }

 private:
  const std::chrono::nanoseconds budget_;
  bool finished_ = false;
};

// arenasCollapse(budgetMs, callback): all arenas of the process, a portion at least, until the budget is spent.
void CollapseAll(const Napi::CallbackInfo& info) {
  const std::chrono::duration<double, std::milli> budget(info[0].As<Napi::Number>().DoubleValue());
  const auto whole = std::chrono::duration_cast<std::chrono::nanoseconds>(budget);
  // Deletes itself.
  (new CollapseWork(info[1].As<Napi::Function>(), whole))->Queue();
}

// arenasLive(): whether there are arenas in this process.
Napi::Value AnyLive(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), LivingArenas::Any()); }

// arenaGiveBack(bytes): in a child, what was written and will not be read again; see WrittenPages. In any other process
// it would destroy the state, so that it does nothing there.
Napi::Value GiveBack(const Napi::CallbackInfo& info) {
  static auto* written = new WrittenPages;
  const auto bytes = info[0].As<Napi::Uint8Array>();
  const size_t given = InChild() ? written->Add(bytes.Data(), bytes.ByteLength()) : 0;
  return Napi::Number::New(info.Env(), static_cast<double>(given));
}

}  // namespace

void InitArenaBuffers(Napi::Env env, Napi::Object exports) {
  auto add = [&](const char* name, auto function) { exports[name] = Napi::Function::New(env, function, name); };
  add("arenaOpen", Open);
  add("arenaAlloc", Alloc);
  add("arenaFree", Free);
  add("arenaStats", Stats);
  add("arenaCollapse", Collapse);
  add("arenaGiveBack", GiveBack);
  add("arenasCollapse", CollapseAll);
  add("arenasLive", AnyLive);
}

}  // namespace forksnap
