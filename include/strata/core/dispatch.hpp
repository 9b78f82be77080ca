// One program that is fast on every processor: a file of the user's is compiled once for each instruction set, and at
// run time one function is chosen.
//
//   STRATA_DISPATCH(choose, make);    at the end of that file, in a namespace of the user's or none
//
// defines `decltype(make)* choose(std::string_view target)`, which gives the `make` that was compiled for the target of
// that name, or, without one, for the target that the environment variable STRATA_TARGET names, or else the last of the
// program's targets whose instruction sets the processor has. It throws Error for a name that the program does not have
// and for a target that the processor cannot run. `make` is an ordinary function; what it takes and returns are not
// types of Strata's, which are others in each target, but plain data, spans, or an abstract class of the user's.
//
// strata_add_targets of the CMake package compiles the file; docs/instruction_sets.md has the command lines, and says
// what they must do. Two macros tell a compilation which one it is:
//
//   STRATA_TARGETS=x86_64_v3,x86_64_v4   the baseline, which all processors run; defines `choose`. Up to eight targets,
//                                        best last
//   STRATA_TARGET=x86_64_v3              one of these; defines choose_strata_target_x86_64_v3, nothing else
//
// Without either the file is compiled for itself: `choose` knows the baseline alone.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "error.hpp"
#include "identity.hpp"
#include "processor.hpp"

/// The types that all targets share: plain data, and so outside of the namespace that differs between them.
namespace strata::dispatch {

/// What the baseline knows of a target before it runs any of its code.
struct Target {
    char const* name;
    std::uint64_t instruction_sets;
};
/// And the function, which only a processor that has the instruction sets may call.
template <class Function>
struct Entry {
    Target target;
    Function* function;
};

}  // namespace strata::dispatch

namespace strata::inline STRATA_ABI {
namespace detail {

/// Whether two names are the same; x86-64-v3 and x86_64_v3 are.
STRATA_COLD inline bool names_target(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (std::size_t k = 0; k < a.size(); ++k)
        if (a[k] != b[k] && !(a[k] == '-' && b[k] == '_')) return false;
    return true;
}

/// The place of the target to run among a program's targets.
STRATA_COLD inline std::size_t choose_target(std::span<dispatch::Target const> targets, std::string_view wanted) {
    char const* const variable = std::getenv("STRATA_TARGET");
    if (wanted.empty() && variable) wanted = variable;
    std::string known;
    for (std::size_t k = targets.size(); k-- > 0;) {
        auto const missing = missing_instruction_sets(targets[k].instruction_sets);
        if (wanted.empty() ? missing == 0 : names_target(wanted, targets[k].name)) {
            if (missing == 0) return k;
            fail("STRATA_TARGET: this processor cannot run ", targets[k].name, ", it does not have ",
                 instruction_set_names(missing));
        }
        known = std::string(targets[k].name) + (known.empty() ? "" : ", ") + known;
    }
    if (wanted.empty())
        fail("STRATA_TARGET: this processor can run none of ", known, ", the first needs ",
             instruction_set_names(missing_instruction_sets(targets[0].instruction_sets)), ", which it does not have");
    fail("STRATA_TARGET: this program has no target ", wanted, ", it has ", known);
}

template <class Function, std::size_t Count>
STRATA_COLD Function* choose_function(dispatch::Entry<Function> const* const (&entries)[Count],
                                      std::string_view wanted) {
    dispatch::Target targets[Count];
    for (std::size_t k = 0; k < Count; ++k) targets[k] = entries[k]->target;
    return entries[choose_target(targets, wanted)]->function;
}

}  // namespace detail

#define STRATA_TEXT_OF(text) #text
#define STRATA_TEXT(text) STRATA_TEXT_OF(text)
#ifdef STRATA_TARGET
#define STRATA_TARGET_NAME STRATA_TEXT(STRATA_TARGET)
#else
#define STRATA_TARGET_NAME "baseline"
#endif

/// The name of the target that this unit is compiled for, for messages.
constexpr char const* target_name = STRATA_TARGET_NAME;

}  // namespace strata::inline STRATA_ABI

#ifdef STRATA_TARGET
#define STRATA_DISPATCH(choose, function) STRATA_DEFINE_ENTRY(choose, function, STRATA_TARGET)
#elif defined(STRATA_TARGETS)
#define STRATA_DISPATCH(choose, function) STRATA_DEFINE_CHOICE(choose, function, STRATA_TARGETS)
#else
#define STRATA_DISPATCH(choose, function) STRATA_DEFINE_CHOICE(choose, function)
#endif

#define STRATA_ENTRY_OF(choose, target) choose##_strata_target_##target
#define STRATA_ENTRY(choose, target) STRATA_ENTRY_OF(choose, target)
#define STRATA_DECLARE_ENTRY(choose, function, target) \
    extern ::strata::dispatch::Entry<decltype(function)> const STRATA_ENTRY(choose, target);
#define STRATA_LIST_ENTRY(choose, function, target) , &STRATA_ENTRY(choose, target)

// A constant: the baseline reads it on every processor.
#define STRATA_DEFINE_ENTRY(choose, function, target)                                            \
    STRATA_DECLARE_ENTRY(choose, function, target)                                               \
    constinit ::strata::dispatch::Entry<decltype(function)> const STRATA_ENTRY(choose, target) { \
        {STRATA_TEXT(target), ::strata::used_instruction_sets}, &function                        \
    }
#define STRATA_DEFINE_CHOICE(choose, function, ...)                                                        \
    STRATA_EACH(STRATA_DECLARE_ENTRY, choose, function __VA_OPT__(, ) __VA_ARGS__)                         \
    decltype(function)* choose(std::string_view strata_target) {                                           \
        static constexpr ::strata::dispatch::Entry<decltype(function)> strata_baseline{                    \
            {STRATA_TARGET_NAME, ::strata::used_instruction_sets}, &function};                             \
        static constexpr ::strata::dispatch::Entry<decltype(function)> const* strata_entries[] = {         \
            &strata_baseline STRATA_EACH(STRATA_LIST_ENTRY, choose, function __VA_OPT__(, ) __VA_ARGS__)}; \
        return ::strata::detail::choose_function(strata_entries, strata_target);                           \
    }                                                                                                      \
    static_assert(true)

// macro(a, b, target) for each target.
#define STRATA_EACH(macro, a, b, ...) __VA_OPT__(STRATA_EACH_1(macro, a, b, __VA_ARGS__))
#define STRATA_EACH_1(macro, a, b, target, ...) macro(a, b, target) __VA_OPT__(STRATA_EACH_2(macro, a, b, __VA_ARGS__))
#define STRATA_EACH_2(macro, a, b, target, ...) macro(a, b, target) __VA_OPT__(STRATA_EACH_3(macro, a, b, __VA_ARGS__))
#define STRATA_EACH_3(macro, a, b, target, ...) macro(a, b, target) __VA_OPT__(STRATA_EACH_4(macro, a, b, __VA_ARGS__))
#define STRATA_EACH_4(macro, a, b, target, ...) macro(a, b, target) __VA_OPT__(STRATA_EACH_5(macro, a, b, __VA_ARGS__))
#define STRATA_EACH_5(macro, a, b, target, ...) macro(a, b, target) __VA_OPT__(STRATA_EACH_6(macro, a, b, __VA_ARGS__))
#define STRATA_EACH_6(macro, a, b, target, ...) macro(a, b, target) __VA_OPT__(STRATA_EACH_7(macro, a, b, __VA_ARGS__))
#define STRATA_EACH_7(macro, a, b, target, ...) macro(a, b, target) __VA_OPT__(STRATA_EACH_8(macro, a, b, __VA_ARGS__))
#define STRATA_EACH_8(macro, a, b, target) macro(a, b, target)
