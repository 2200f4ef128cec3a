// Stacks of any text: each is a stack, which has one spelling that parses to the same, or an error
// with a remedy.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/assert.h"
#include "groups/stack/stack.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto stack = squall::Stack::parse(text);
  if (!stack) {
    SQUALL_ASSERT(!stack.error().remedy.empty(), "an error says what to do");
    return 0;
  }
  const auto again = squall::Stack::parse(stack->text());
  SQUALL_ASSERT(again && again->text() == stack->text(), "a stack has one spelling");
  return 0;
}
