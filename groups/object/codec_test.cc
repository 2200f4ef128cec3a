// Values to bytes and back, what hostile bytes make of them, and what methods are called.
#include "groups/object/codec.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace squall::objects {

// Named only, never called.
struct Shop {
  int add(const std::string&, int) { return 0; }
  int add(std::string_view, long) { return 0; }
  int count(const std::string&) const { return 0; }
  std::vector<std::string> items(std::map<std::string, long>) const noexcept { return {}; }
};
struct OtherShop {
  int add(std::string, std::int32_t) { return 0; }
  long count(const std::string&) const { return 0; }
};

namespace {

template <class Type>
std::vector<std::byte> bytes_of(const Type& value) {
  Encoder count;
  encode(count, value);
  std::vector<std::byte> bytes(count.bytes()), grown;
  Encoder in_place{MutableBytes(bytes)}, growing(grown);
  encode(in_place, value);
  encode(growing, value);
  CHECK(in_place.bytes() == bytes.size());
  CHECK(bytes == grown);
  return bytes;
}

template <class Type>
void comes_back(const Type& value) {
  const auto bytes = bytes_of(value);
  Decoder from(bytes);
  CHECK(decode<Type>(from) == value);
  CHECK(from.left() == 0);
  // Any part of it is refused, and costs nothing.
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Decoder part(Bytes(bytes).first(size));
    CHECK_THROWS_AS(decode<Type>(part), Undecodable);
  }
}

struct Point {
  double x = 0, y = 0;
  friend bool operator==(const Point&, const Point&) = default;
};
enum class Colour : std::uint16_t { red, green };

struct Tree {
  int value = 0;
  std::vector<Tree> children;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value, children);
  }
  friend bool operator==(const Tree&, const Tree&) = default;
};

TEST_CASE("values come back, and parts of them do not") {
  comes_back(std::int64_t{-5});
  comes_back(true);
  comes_back(1.5);
  comes_back(Colour::green);
  comes_back(Point{1, 2});
  comes_back(std::string("bolts"));
  comes_back(std::vector<std::byte>(5, std::byte{7}));
  comes_back(std::map<std::string, int>{{"a", 1}, {"b", 2}});
  comes_back(std::vector<std::string>{"x", "", "yy"});
  comes_back(std::optional<std::vector<int>>{{1, 2, 3}});
  comes_back(Tree{1, {{2, {}}, {3, {{4, {}}}}}});
}

TEST_CASE("numbers, texts and structures take just their bytes") {
  CHECK(bytes_of(std::uint64_t{1}).size() == 8);
  CHECK(bytes_of(Point{}).size() == 16);
  CHECK(bytes_of(std::string("bolts")).size() == 4 + 5);
  CHECK(bytes_of(std::string_view("bolts")) == bytes_of(std::string("bolts")));
}

TEST_CASE("texts and runs of bytes are read where they are") {
  const auto bytes = bytes_of(std::string("bolts"));
  Decoder text(bytes), run(bytes);
  CHECK(decode<std::string_view>(text).data() ==
        reinterpret_cast<const char*>(bytes.data()) + sizeof(std::uint32_t));
  CHECK(decode<Bytes>(run).data() == bytes.data() + sizeof(std::uint32_t));
}

TEST_CASE("lengths that lie, bools that are none and nesting without end are refused") {
  std::vector<std::byte> lies(16, std::byte{0xff});
  Decoder text(lies), list(lies), map(lies), flag(lies);
  CHECK_THROWS_AS(decode<std::string>(text), Undecodable);
  CHECK_THROWS_AS(decode<std::vector<std::string>>(list), Undecodable);
  CHECK_THROWS_AS((decode<std::map<int, int>>(map)), Undecodable);
  CHECK_THROWS_AS(decode<bool>(flag), Undecodable);
  Tree deep;
  for (int level = 0; level < 2000; ++level) {
    Tree above;
    above.children.push_back(std::move(deep));
    deep = std::move(above);
  }
  const auto bytes = bytes_of(deep);
  Decoder from(bytes);
  CHECK_THROWS_AS(decode<Tree>(from), Undecodable);
}

TEST_CASE("a method's number is its name and signature, however they are written") {
  constexpr auto add = static_cast<int (Shop::*)(const std::string&, int)>(&Shop::add);
  constexpr auto add_long = static_cast<int (Shop::*)(std::string_view, long)>(&Shop::add);
  static_assert(method_name<&Shop::count>() == "count");
  static_assert(method_name<add>() == "add");
  static_assert(method_id<add> == method_id<&OtherShop::add>);
  static_assert(method_id<add> != method_id<add_long>);
  static_assert(method_id<&Shop::count> != method_id<&OtherShop::count>);
  // As both compilers that Squall is built with give them: members of each understand the other.
  CHECK(method_id<add> == NameHash().add("add(text,i4,)i4").value());
  CHECK(type_name<Shop>().ends_with("Shop"));
  CHECK(method_name<&Shop::items>() == "items");
}

}  // namespace
}  // namespace squall::objects
