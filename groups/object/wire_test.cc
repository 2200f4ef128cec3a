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

std::vector<std::byte> contents(RecordBox& box) {
  const Bytes all = box.seal();
  return {all.begin(), all.end()};
}

TEST_CASE("replies of one size share a record, up to its limit; others begin one of their own") {
  RecordBox box;
  constexpr std::size_t most = sizeof(RecordHeader) + 2 * reply_item_bytes(3);
  for (std::uint64_t call = 1; call <= 3; ++call) box.reply(call, as_bytes("abc"), most);
  box.reply(4, {}, most);
  RecordHeader read;
  read.kind = RecordHeader::Kind::read;
  read.call = 5;
  box.append(read, as_bytes("x"));
  box.reply(6, as_bytes("12345678"), 1000);
  auto message = contents(box);
  RecordReader reader(message);
  std::vector<std::string> seen;
  while (const auto record = reader.next()) {
    CHECK(sizeof record->header + record->body.size() <= most);
    std::string text = std::to_string(static_cast<int>(record->header.kind));
    if (record->header.kind == RecordHeader::Kind::replies) {
      CHECK(record->header.effect == Effect::yes);
      const std::size_t item = reply_item_bytes(record->header.what);
      for (std::size_t at = 0; at < record->body.size(); at += item) {
        ReplyItem one;
        std::memcpy(&one, record->body.data() + at, sizeof one);
        text += " " + std::to_string(one.call) + ":" +
                std::string(as_text(record->body.subspan(at + sizeof one, record->header.what)));
      }
    }
    seen.push_back(text);
  }
  CHECK(reader.ok());
  CHECK(seen == std::vector<std::string>{"7 1:abc 2:abc", "7 3:abc", "7 4:", "2", "7 6:12345678"});

  // What has been sent is dropped; what comes then begins anew.
  box.drop_front(box.size() - sizeof(RecordHeader) - reply_item_bytes(8));
  box.reply(7, as_bytes("12345678"), 1000);
  message = contents(box);
  CHECK(message.size() == 2 * (sizeof(RecordHeader) + reply_item_bytes(8)));
  box.clear();
  CHECK(box.empty());
}

TEST_CASE("a record of replies that is no whole number of them is none") {
  RecordBox box;
  box.reply(1, as_bytes("abc"), 1000);
  box.reply(2, as_bytes("abc"), 1000);
  const auto message = contents(box);
  const auto with = [&](auto change) {
    RecordHeader header;
    std::memcpy(&header, message.data(), sizeof header);
    change(header);
    auto changed = message;
    std::memcpy(changed.data(), &header, sizeof header);
    RecordReader reader(changed);
    return reader.next().has_value();
  };
  CHECK(with([](RecordHeader&) {}));
  CHECK_FALSE(with([](RecordHeader& header) { header.what = 4; }));
  CHECK_FALSE(with([](RecordHeader& header) { header.what = UINT64_MAX - 7; }));
  CHECK_FALSE(with([](RecordHeader& header) { header.bytes -= 1; }));
  CHECK_FALSE(with([](RecordHeader& header) { header.failed = 1; }));
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
