#include "bench/replicate/status.h"

#include <doctest/doctest.h>

#include <string>

namespace squall::replicate {
namespace {

TEST_CASE("a status comes back as it was") {
  const Complete complete{Digest().update(as_bytes("x")).value()};
  const auto encoded = encode_status(complete);
  const auto back = decode_status(encoded);
  REQUIRE(back);
  CHECK(std::get<Complete>(*back).digest == complete.digest);

  const auto failed = encode_status(Failed{"no space"});
  const auto failed_back = decode_status(failed);
  REQUIRE(failed_back);
  CHECK(std::get<Failed>(*failed_back).what == "no space");
}

TEST_CASE("a text over the limit is cut, not refused") {
  const std::string text(5000, 'x');
  const auto encoded = encode_status(Failed{text});
  const auto back = decode_status(encoded);
  REQUIRE(back);
  CHECK(std::get<Failed>(*back).what.size() == max_status_text_bytes);
}

TEST_CASE("anything else is refused") {
  for (const auto& whole : {encode_status(Complete{}), encode_status(Failed{"why"})}) {
    for (std::size_t cut = 0; cut < whole.size(); ++cut)
      CHECK_FALSE(decode_status(Bytes(whole).first(cut)));
    auto longer = whole;
    longer.push_back(std::byte{0});
    CHECK_FALSE(decode_status(longer));
  }
  CHECK_FALSE(decode_status(as_bytes("\x07")));
}

TEST_CASE("who joins hears who has everything, and nothing that was cut") {
  const Completes completes{{"a", Digest().update(as_bytes("x")).value()},
                            {"bc", Digest().value()}};
  const auto encoded = encode_completes(completes);
  const auto back = decode_completes(encoded);
  REQUIRE(back);
  CHECK(*back == completes);
  CHECK(decode_completes({})->empty());
  CHECK_FALSE(decode_completes(Bytes(encoded).first(encoded.size() - 1)));
}

}  // namespace
}  // namespace squall::replicate
