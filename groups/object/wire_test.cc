// What members say to each other, and what is none of it.
#include "groups/object/wire.h"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace squall::objects {
namespace {

template <std::size_t words>
std::vector<std::byte> message_of(const std::array<std::uint64_t, words>& head, Bytes arguments) {
  const Bytes bytes = std::as_bytes(std::span(head));
  std::vector<std::byte> message(bytes.begin(), bytes.end());
  message.insert(message.end(), arguments.begin(), arguments.end());
  return message;
}

TEST_CASE("calls come back; anything shorter than its header, or of no kind, is none") {
  using Kind = CallHeader::Kind;
  constexpr CallNumber last = (CallNumber{1} << call_bits) - 1;
  for (const Kind kind : {Kind::update, Kind::read}) {
    const auto message = message_of(encode_call({kind, last, 5, UINT64_MAX}), as_bytes("abc"));
    const auto call = parse_call(message);
    REQUIRE(call);
    CHECK(call->header.kind == kind);
    CHECK(call->header.call == last);
    CHECK(call->header.version == 5);
    CHECK(call->header.method == UINT64_MAX);
    CHECK(as_text(call->arguments) == "abc");
    for (std::size_t bytes = 0; bytes < 16; ++bytes)
      CHECK_FALSE(parse_call(Bytes(message).first(bytes)));
  }

  const auto small =
      message_of(std::array{call_word(Kind::small_update, 1234, UINT32_MAX)}, as_bytes("abc"));
  const auto call = parse_call(small);
  REQUIRE(call);
  CHECK(call->header.kind == Kind::small_update);
  CHECK(call->header.call == 1234);
  CHECK(call->header.method == UINT32_MAX);
  CHECK(as_text(call->arguments) == "abc");
  CHECK(parse_call(Bytes(small).first(8)));
  CHECK_FALSE(parse_call(Bytes(small).first(7)));

  for (const Kind kind : {Kind::client_update, Kind::client_read, Kind::client_session}) {
    const CallHead head = encode_call({kind, 0, 5, 7});
    const auto message = message_of(std::array{head[0], head[1], UINT64_MAX - 1}, as_bytes("abc"));
    const auto of_client = parse_call(message);
    REQUIRE(of_client);
    CHECK(of_client->header.kind == kind);
    CHECK(of_client->tag == UINT64_MAX - 1);
    CHECK(as_text(of_client->arguments) == "abc");
    CHECK_FALSE(parse_call(Bytes(message).first(23)));
  }
  for (const unsigned kind : {0u, 7u})
    CHECK_FALSE(parse_call(message_of(encode_call({static_cast<Kind>(kind), 1, 1, 1}), {})));
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
  const auto* record = reader.next();
  REQUIRE(record != nullptr);
  CHECK(as_text(record->body) == "one");
  record = reader.next();
  REQUIRE(record != nullptr);
  CHECK(record->header.call == 2);
  CHECK(reader.next() == nullptr);
  CHECK(reader.ok());
  for (std::size_t size = 1; size < message.size(); ++size) {
    RecordReader part(Bytes(message).first(size));
    while (part.next() != nullptr) {
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
  for (CallNumber call = 1; call <= 3; ++call) box.reply(call, as_bytes("abc"), most);
  box.reply(4, {}, most);
  RecordHeader read;
  read.kind = RecordHeader::Kind::read;
  read.call = 5;
  box.append(read, as_bytes("x"));
  box.reply(6, as_bytes("12345678"), 1000);
  auto message = contents(box);
  RecordReader reader(message);
  std::vector<std::string> seen;
  while (const auto* record = reader.next()) {
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
    return reader.next() != nullptr;
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
