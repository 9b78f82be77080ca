// An inline function that differs between instruction sets, as any does in its code: each target must have its own.
#pragma once

#include <string_view>

[[gnu::noinline]] inline int level() {
#if defined(__AVX512F__)
    return 4;
#elif defined(__AVX2__)
    return 3;
#else
    return 1;
#endif
}

using Level = int();
namespace consumer {
Level* choose_level(std::string_view target);
}
