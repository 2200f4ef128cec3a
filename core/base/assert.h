#pragma once
// Invariants. SQUALL_ASSERT stays on in every build: a broken invariant in a replicated
// system is cheaper as a dead member than as a wrong one.

namespace squall {

/// Prints the broken invariant with its place to standard error and aborts.
[[noreturn]] void assertion_failed(const char* condition, const char* why, const char* file,
                                   int line);

}  // namespace squall

#define SQUALL_ASSERT(condition, why)                \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::squall::assertion_failed(#condition, why, __FILE__, __LINE__))
