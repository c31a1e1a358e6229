// A small harness for the native unit tests: TEST registers a case, CHECK and CHECK_EQ end the program at the first
// untruth with its place and values. Each test file is a program of its own; an argument selects cases by name.
#ifndef FORKSNAP_TEST_CHECK_H_
#define FORKSNAP_TEST_CHECK_H_

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace check {

struct Case {
  const char* name;
  std::function<void()> run;
};

inline std::vector<Case>& Cases() {
  static std::vector<Case> cases;
  return cases;
}

struct Registration {
  Registration(const char* name, std::function<void()> run) { Cases().push_back({name, std::move(run)}); }
};

[[noreturn]] inline void Fail(const char* file, int line, const std::string& what) {
  fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
  // abort() rather than exit(): threads that are still parked must not meet destructors of static objects.
  abort();
}

template <typename Left, typename Right>
void Equal(const char* file, int line, const char* text, const Left& left, const Right& right) {
  if (left == right) return;
  std::ostringstream message;
  message << text << ": " << left << " is not " << right;
  Fail(file, line, message.str());
}

// Whether a case is to run: each argument is a part of the names of those that are, or with a dash before it of those
// that are left out.
inline bool IsWanted(const char* name, int argc, char** argv) {
  bool wanted = true;
  for (int i = 1; i < argc; ++i) {
    const bool leaves_out = argv[i][0] == '-';
    const bool met = strstr(name, argv[i] + (leaves_out ? 1 : 0)) != nullptr;
    if (met == leaves_out) wanted = false;
  }
  return wanted;
}

inline int Run(int argc, char** argv) {
  int run = 0;
  for (const Case& test : Cases()) {
    if (!IsWanted(test.name, argc, argv)) continue;
    printf("%s\n", test.name);
    fflush(stdout);
    test.run();
    ++run;
  }
  printf("%d cases passed\n", run);
  // A selection that selects nothing is a mistake, not a success.
  return run > 0 ? 0 : 1;
}

}  // namespace check

#define TEST(name)                                                          \
  static void Test_##name();                                                \
  static const check::Registration registration_##name(#name, Test_##name); \
  static void Test_##name()

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) check::Fail(__FILE__, __LINE__, "not true: " #condition); \
  } while (false)

#define CHECK_EQ(left, right) check::Equal(__FILE__, __LINE__, #left " == " #right, left, right)

#define TEST_MAIN \
  int main(int argc, char** argv) { return check::Run(argc, argv); }

#endif  // FORKSNAP_TEST_CHECK_H_
