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
  return {DirectoryBegin{"a/b"},
          DirectoryEnd{"a/b", 0755},
          FileBegin{"a/ \n\xff", 0640, std::uint64_t{1} << 40},
          FileData{as_bytes("data")},
          FileData{},
          FileEnd{Digest::Value{std::byte{1}, std::byte{2}}},
          SymbolicLink{"l", "../../anywhere"},
          Padding{},
          End{3, 4}};
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
  const auto begin = encoded(FileBegin{"a/ \n", 0640, 77});
  const auto back = decode(begin);
  REQUIRE(back);
  CHECK(std::get<FileBegin>(*back).path == "a/ \n");
  CHECK(std::get<FileBegin>(*back).mode == 0640);
  CHECK(std::get<FileBegin>(*back).size == 77);
}

TEST_CASE("a record that is cut short or runs on is refused") {
  for (const Record& record : one_of_each()) {
    if (std::holds_alternative<FileData>(record) || std::holds_alternative<Padding>(record))
      continue;  // these run to the end of the message, whatever that is
    auto bytes = encoded(record);
    CAPTURE(record.index());
    for (std::size_t cut = 0; cut < bytes.size(); ++cut)
      CHECK_FALSE(decode(Bytes(bytes).first(cut)));
    bytes.push_back(std::byte{0});
    CHECK_FALSE(decode(bytes));
  }
}

TEST_CASE("paths that could leave the destination are refused") {
  for (const std::string_view path :
       {"", "/", "/etc/passwd", "..", "../x", "a/../b", "a/..", ".", "./a", "a/.", "a//b", "a/"}) {
    CAPTURE(path);
    CHECK_FALSE(check_path(path));
    CHECK_FALSE(decode(encoded(FileBegin{path, 0, 0})));
    CHECK_FALSE(decode(encoded(DirectoryBegin{path})));
    CHECK_FALSE(decode(encoded(DirectoryEnd{path, 0})));
    CHECK_FALSE(decode(encoded(SymbolicLink{path, "t"})));
  }
  CHECK_FALSE(check_path(std::string_view("a\0b", 3)));
  CHECK_FALSE(check_path(std::string(max_path_bytes + 1, 'a')));
  CHECK_FALSE(check_path(std::string(256, 'a')));
  for (const std::string_view path : {"a", "a/b", "..a", "...", "a\nb/c d", ".hidden"}) {
    CAPTURE(path);
    CHECK(check_path(path));
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
