// The main() of every test program, compiled once.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

/// What LeakSanitizer passes over: LLVM's OpenMP forgets memory when a team grows, in a program of three lines too.
extern "C" char const* __lsan_default_suppressions();
extern "C" char const* __lsan_default_suppressions() { return "leak:libomp.so\n"; }
