#include "replace_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "system_error.h"

#ifdef __APPLE__
#include <crt_externs.h>
// Only the executable may name the variable itself.
#define environ (*_NSGetEnviron())
#else
extern "C" char** environ;
#endif

namespace forksnap {

namespace {

using Strings = std::vector<std::string>;

std::vector<char*> Pointers(Strings& strings) {
  std::vector<char*> pointers;
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

bool IsAssignmentOf(const char* assignment, const std::string& name) {
  return strncmp(assignment, name.c_str(), name.size()) == 0 && assignment[name.size()] == '=';
}

// The environment with some variables changed. The others stay byte for byte, also where they are no valid UTF-8.
Strings EnvironmentWith(const Napi::Object& changes) {
  Strings result;
  std::vector<std::pair<std::string, std::string>> changed;
  for (const auto& entry : changes) {
    changed.emplace_back(entry.first.As<Napi::String>(), static_cast<Napi::Value>(entry.second).As<Napi::String>());
  }
  for (char** assignment = environ; *assignment != nullptr; ++assignment) {
    bool kept = true;
    for (const auto& [name, value] : changed) kept &= !IsAssignmentOf(*assignment, name);
    if (kept) result.emplace_back(*assignment);
  }
  for (const auto& [name, value] : changed) result.emplace_back(name).append("=").append(value);
  return result;
}

// What Node sets at its start and execve() would hand on. Taken back if there is no program after all.
class NodeTraces {
 public:
  // Node ignores these two, and keeps handlers of its own for others, which execve() itself resets.
  NodeTraces() {
    struct sigaction by_default = {};
    by_default.sa_handler = SIG_DFL;
    sigaction(SIGPIPE, &by_default, &pipe_);
    sigaction(SIGXFSZ, &by_default, &file_size_);
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, &mask_);
    // Node marks all that it has inherited, so that programs that it starts do not get it. Which descriptors those
    // are is not known any more: beyond the first three only the sockets of systemd's kind of start tell.
    for (int fd = 0; fd < 3 + ListenFds(); ++fd) Unmark(fd);
  }

  void Restore() {
    pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
    sigaction(SIGPIPE, &pipe_, nullptr);
    sigaction(SIGXFSZ, &file_size_, nullptr);
    for (const int fd : unmarked_) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }

 private:
  static int ListenFds() {
    const char* const pid = getenv("LISTEN_PID");
    const char* const count = getenv("LISTEN_FDS");
    if (pid == nullptr || count == nullptr || strtol(pid, nullptr, 10) != getpid()) return 0;
    const long fds = strtol(count, nullptr, 10);
    return fds > 0 && fds < 1024 ? static_cast<int>(fds) : 0;
  }

  void Unmark(int fd) {
    const int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || (flags & FD_CLOEXEC) == 0) return;
    fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC);
    unmarked_.push_back(fd);
  }

  sigset_t mask_;
  struct sigaction pipe_;
  struct sigaction file_size_;
  std::vector<int> unmarked_;
};

// replaceProcess(command, environmentChanges): the first of the command is looked up in PATH. Throws with the errno's
// name as its code; otherwise it does not return.
void ReplaceProcess(const Napi::CallbackInfo& info) {
  const auto command = info[0].As<Napi::Array>();
  Strings arguments;
  for (uint32_t i = 0; i < command.Length(); ++i) {
    arguments.push_back(static_cast<Napi::Value>(command[i]).As<Napi::String>());
  }
  Strings environment = EnvironmentWith(info[1].As<Napi::Object>());
  const std::vector<char*> argument_pointers = Pointers(arguments);
  std::vector<char*> environment_pointers = Pointers(environment);
  char** const own_environment = environ;
  NodeTraces traces;
  environ = environment_pointers.data();
  execvp(argument_pointers[0], argument_pointers.data());
  const int error_number = errno;
  environ = own_environment;
  traces.Restore();
  throw SystemError(info.Env(), "execve", error_number);
}

}  // namespace

void InitReplaceProcess(Napi::Env env, Napi::Object exports) {
  exports["replaceProcess"] = Napi::Function::New(env, ReplaceProcess, "replaceProcess");
}

}  // namespace forksnap
