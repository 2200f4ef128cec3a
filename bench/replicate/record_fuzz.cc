// Hostile records: whatever is taken for one has one wire form, which is the one that it came in,
// and its path stays below the folder that it is written to.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "bench/replicate/record.h"
#include "core/base/assert.h"

namespace squall::replicate {
namespace {

void expect_below(std::string_view path) {
  SQUALL_ASSERT(!path.empty() && path.front() != '/' && path != ".." && !path.starts_with("../") &&
                    !path.ends_with("/..") && path.find("/../") == std::string_view::npos,
                "a path stays below");
}

void fuzz_record(Bytes input) {
  const auto record = decode(input);
  if (!record) {
    SQUALL_ASSERT(!record.error().what.empty(), "a refusal says why");
    return;
  }
  std::visit(
      [](const auto& fields) {
        if constexpr (requires { fields.path; }) expect_below(fields.path);
      },
      *record);
  std::vector<std::byte> again(encoded_bytes(*record));
  encode(*record, again);
  SQUALL_ASSERT(std::ranges::equal(again, input), "a record has one wire form");
}

}  // namespace
}  // namespace squall::replicate

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  squall::replicate::fuzz_record(std::as_bytes(std::span(data, size)));
  return 0;
}
