#include "core/base/digest.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>

namespace squall {
namespace {

TEST_CASE("digests are those of XXH3, on every machine") {
  CHECK(digest({}) == 0x2d06800538d394c2ull);
  CHECK(to_hex(Digest().value()) == "99aa06d3014798d86001c324468d497f");
}

TEST_CASE("a digest does not depend on how the bytes are cut") {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += static_cast<char>(i * 7);
  Digest whole;
  whole.update(as_bytes(text));
  Digest pieces;
  for (std::size_t at = 0, step = 1; at < text.size(); at += step, step = step * 2 + 1)
    pieces.update({}).update(as_bytes(std::string_view(text).substr(at, step)));
  CHECK(to_hex(pieces.value()) == to_hex(whole.value()));
}

TEST_CASE("a digest changes with any byte, and can be read before the end") {
  Digest some;
  some.update(as_bytes("a"));
  const auto before = some.value();
  CHECK(some.value() == before);
  some.update(as_bytes("b"));
  CHECK(some.value() != before);
  Digest moved = std::move(some);
  Digest other;
  other.update(as_bytes("ab"));
  CHECK(moved.value() == other.value());
  CHECK(digest(as_bytes("ab")) != digest(as_bytes("ba")));
}

}  // namespace
}  // namespace squall
