// What clients and members say to each other, and what is none of it.
#include "groups/client/wire.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "groups/client/wire_fuzz.h"

namespace squall::clients {
namespace {

using Kind = RecordHeader::Kind;

std::vector<std::byte> two_records() {
  std::vector<std::byte> stream;
  RecordHeader header;
  header.kind = Kind::hello;
  header.what = magic;
  append(stream, header);
  header.kind = Kind::open;
  header.target = 3;
  append(stream, header, encode(Opening{"store", 1, 2, "Inventory"}));
  return stream;
}

TEST_CASE("records come back however the stream is cut") {
  const auto stream = two_records();
  CHECK(begins_client(stream));
  for (std::size_t cut = 1; cut <= stream.size(); ++cut) {
    Stream in(1024);
    std::vector<RecordHeader> headers;
    for (std::size_t at = 0; at < stream.size(); at += cut) {
      in.feed(Bytes(stream).subspan(at, std::min(cut, stream.size() - at)));
      while (const auto record = in.next()) {
        headers.push_back(record->header);
        if (record->header.kind == Kind::open)
          CHECK(decode_opening(record->body) == Opening{"store", 1, 2, "Inventory"});
      }
    }
    CHECK(in.ok());
    REQUIRE(headers.size() == 2);
    CHECK(headers[1].target == 3);
  }
}

TEST_CASE("what is no record ends the stream, and so does one that is too long") {
  for (const std::size_t at : {std::size_t{4}, std::size_t{5}, std::size_t{6}, std::size_t{7}}) {
    auto stream = two_records();
    stream[at] = std::byte{200};
    Stream in(1024);
    in.feed(stream);
    CHECK_FALSE(in.next());
    CHECK_FALSE(in.ok());
    in.feed(two_records());
    CHECK_FALSE(in.next());
  }
  Stream in(8);
  in.feed(two_records());
  CHECK(in.next());
  CHECK_FALSE(in.next());
  CHECK_FALSE(in.ok());
}

TEST_CASE("why something is not served comes back printable") {
  const auto bytes = encode(Away{{Code::unavailable, "not\nhere", "there"}, {"b", "c\x01"}});
  const auto away = decode_away(bytes);
  REQUIRE(away);
  CHECK(away->why.code == Code::unavailable);
  CHECK(away->why.what.find('\n') == std::string::npos);
  CHECK(away->members.size() == 2);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(decode_away(Bytes(bytes).first(size)));
}

TEST_CASE("the fuzzer's checks hold for what is well-formed, and for some that is not") {
  auto stream = two_records();
  fuzz_client_wire(stream);
  for (std::size_t at = 0; at < stream.size(); ++at) {
    auto other = stream;
    other[at] ^= std::byte{1};
    fuzz_client_wire(other);
    fuzz_client_wire(Bytes(stream).first(at));
  }
}

}  // namespace
}  // namespace squall::clients
