#include "bench/replicate/record.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/base/random.h"

namespace squall::replicate {
namespace {

std::vector<std::byte> encoded(const Record& record) {
  std::vector<std::byte> bytes(encoded_bytes(record));
  encode(record, bytes);
  return bytes;
}

std::vector<Record> one_of_each() {
  return {DirectoryBegin{"a/b"}, DirectoryEnd{"a/b", 0755},
          File{"a/ \n\xff", 0640, std::uint64_t{1} << 40, {std::byte{1}, std::byte{2}}},
          SymbolicLink{"l", "../../anywhere"}, End{3, 4}};
}

TEST_CASE("a record comes back as it was, and nothing else does") {
  for (const Record& record : one_of_each()) {
    CAPTURE(record.index());
    const auto bytes = encoded(record);
    const auto back = decode(bytes);
    REQUIRE_MESSAGE(back, back.error().text());
    CHECK(back->index() == record.index());
    CHECK(encoded(*back) == bytes);
  }
  const auto file = encoded(File{"a/ \n", 0640, 77, {}});
  const auto back = decode(file);
  REQUIRE(back);
  CHECK(std::get<File>(*back).path == "a/ \n");
  CHECK(std::get<File>(*back).mode == 0640);
  CHECK(std::get<File>(*back).size == 77);
}

TEST_CASE("a record that is cut short or runs on is refused") {
  for (const Record& record : one_of_each()) {
    auto bytes = encoded(record);
    CAPTURE(record.index());
    for (std::size_t cut = 0; cut < bytes.size(); ++cut)
      CHECK_FALSE(decode(Bytes(bytes).first(cut)));
    bytes.push_back(std::byte{0});
    CHECK_FALSE(decode(bytes));
  }
}

TEST_CASE("records with paths that could leave the destination are refused") {
  for (const std::string_view path : {"", "/etc/passwd", "../x", "a/.."}) {
    CAPTURE(path);
    CHECK_FALSE(decode(encoded(File{path, 0, 0, {}})));
    CHECK_FALSE(decode(encoded(DirectoryBegin{path})));
    CHECK_FALSE(decode(encoded(DirectoryEnd{path, 0})));
    CHECK_FALSE(decode(encoded(SymbolicLink{path, "t"})));
  }
}

TEST_CASE("garbage of any kind is refused or harmless") {
  Random random(7);
  for (int i = 0; i < 100'000; ++i) {
    std::vector<std::byte> bytes(random.below(40));
    for (std::byte& byte : bytes) byte = std::byte(random.next());
    if (!bytes.empty() && random.one_in(2)) bytes[0] = std::byte(random.below(12));
    if (const auto record = decode(bytes)) CHECK(encoded_bytes(*record) <= bytes.size());
  }
}

}  // namespace
}  // namespace squall::replicate
