// What members say to each other, and what is none of it.
#include "groups/object/wire.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <vector>

namespace squall::objects {
namespace {

TEST_CASE("calls: anything shorter than a header, or of no kind, is none") {
  CallHeader header;
  header.method = 7;
  std::vector<std::byte> message(sizeof header + 3);
  std::memcpy(message.data(), &header, sizeof header);
  const auto call = parse_call(message);
  REQUIRE(call);
  CHECK(call->header.method == 7);
  CHECK(call->arguments.size() == 3);
  CHECK_FALSE(parse_call(Bytes(message).first(sizeof header - 1)));
  message[offsetof(CallHeader, kind)] = std::byte{9};
  CHECK_FALSE(parse_call(message));
  message[offsetof(CallHeader, kind)] = std::byte{1};
  message[sizeof header - 1] = std::byte{1};
  CHECK_FALSE(parse_call(message));
}

TEST_CASE("records come back in order, up to the first that is none") {
  std::vector<std::byte> message;
  RecordHeader header;
  header.call = 1;
  append_record(message, header, as_bytes("one"));
  header.call = 2;
  header.kind = RecordHeader::Kind::read;
  append_record(message, header, {});
  RecordReader reader(message);
  const auto first = reader.next();
  REQUIRE(first);
  CHECK(as_text(first->body) == "one");
  const auto second = reader.next();
  REQUIRE(second);
  CHECK(second->header.call == 2);
  CHECK_FALSE(reader.next());
  CHECK(reader.ok());
  for (std::size_t size = 1; size < message.size(); ++size) {
    RecordReader part(Bytes(message).first(size));
    while (part.next()) {
    }
    CHECK(part.ok() == (size == sizeof(RecordHeader) + 3));
  }
}

TEST_CASE("errors and interfaces come back, the long ones cut") {
  std::vector<std::byte> bytes;
  encode_error(bytes, {Code::too_large, std::string(5000, 'x'), "less"});
  const Error error = decode_error(bytes);
  CHECK(error.code == Code::too_large);
  CHECK(error.what.size() == most_error_text);
  CHECK(error.remedy == "less");
  CHECK(decode_error(Bytes(bytes).first(9)).code == Code::lost);

  const Interface mine{"Inventory", 3, {{5, "add"}, {9, "count"}}};
  const auto encoded = encode_interface(mine);
  CHECK(decode_interface(encoded) == mine);
  CHECK(mine.has(9));
  CHECK_FALSE(mine.has(6));
  for (std::size_t size = 0; size < encoded.size(); ++size)
    CHECK_FALSE(decode_interface(Bytes(encoded).first(size)));
}

}  // namespace
}  // namespace squall::objects
