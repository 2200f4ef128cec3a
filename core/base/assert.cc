#include "core/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace squall {

void assertion_failed(const char* condition, const char* why, const char* file, int line) {
  std::fprintf(stderr, "squall: broken invariant at %s:%d: %s (%s)\n", file, line, condition, why);
  std::abort();
}

}  // namespace squall
