// expect: Strata reports errors as exceptions, strata::Error: compile what includes it without -fno-exceptions
#undef __cpp_exceptions  // as with that option
#include <strata/strata.hpp>

int main() {}
