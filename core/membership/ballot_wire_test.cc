#include "core/membership/ballot_wire.h"

#include <doctest/doctest.h>

#include <vector>

#include "core/base/random.h"
#include "core/membership/ballot_wire_fuzz.h"

namespace squall::membership {
namespace {

using Kind = Message::Kind;

Change sample_change() {
  const View old{ViewId{3}, {{NodeId{1}, Incarnation{1}, "a"}, {NodeId{2}, Incarnation{1}, "b"}}};
  RankSet kept;
  kept.insert(1);
  return make_change(old, kept, {}, {{{NodeId{9}, Incarnation{4}, "c"}, "there", {}}}, {{4, 2}});
}

/// One of each kind, and the promise of a member that has accepted something.
std::vector<Message> messages() {
  const ViewId view{3};
  const Frozen frozen{{{4, 7}}};
  return {
      {Kind::prepare, view, 5, 0, {}, {}},
      {Kind::promise, view, 5, 0, frozen, {}},
      {Kind::promise, view, 5, 2, frozen, sample_change()},
      {Kind::accept, view, 5, 0, {}, sample_change()},
      {Kind::accepted, view, 5, 0, {}, {}},
      {Kind::refused, view, 5, 8, {}, {}},
      {Kind::ask, view, 0, 0, {}, {}},
      {Kind::decided, view, 0, 0, {}, sample_change()},
  };
}

TEST_CASE("every message comes back from the wire as it was, and nothing shorter or longer does") {
  for (const Message& message : messages()) {
    auto bytes = encode(message);
    const auto back = decode_message(bytes);
    REQUIRE(back);
    CHECK(*back == message);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      CHECK_FALSE(decode_message(Bytes(bytes).first(size)));
    bytes.push_back({});
    CHECK_FALSE(decode_message(bytes));
  }
}

TEST_CASE("unknown kinds, impossible ballots and skipped views are refused") {
  const auto refused = [](Message message) { return !decode_message(encode(message)); };
  for (const unsigned kind : {0U, 8U, 255U}) {
    auto bytes = encode(messages().front());
    bytes[0] = static_cast<std::byte>(kind);
    CHECK_FALSE(decode_message(bytes));
  }
  CHECK(refused({Kind::prepare, ViewId{3}, 0, 0, {}, {}}));
  CHECK(refused({Kind::prepare, ViewId{3}, max_ballot + 1, 0, {}, {}}));
  CHECK_FALSE(refused({Kind::prepare, ViewId{3}, max_ballot, 0, {}, {}}));
  CHECK(refused({Kind::refused, ViewId{3}, 1, max_ballot + 1, {}, {}}));
  CHECK(refused({Kind::decided, ViewId{4}, 0, 0, {}, sample_change()}));
}

TEST_CASE("hostile_bytes: no damage to a ballot message does more than get it refused") {
  Random random(11);
  unsigned taken = 0;
  for (const Message& message : messages()) {
    const auto whole = encode(message);
    for (int attempt = 0; attempt < 5000; ++attempt) {
      auto bytes = whole;
      for (auto edits = 1 + random.below(3); edits > 0; --edits) {
        const auto at = random.below(bytes.size());
        bytes[at] = random.one_in(3) ? std::byte{255} : static_cast<std::byte>(random.next());
      }
      if (random.one_in(4)) bytes.resize(random.below(bytes.size() + 9));
      taken += fuzz_ballot_wire(bytes);
    }
  }
  CHECK(taken > 1000);
}

}  // namespace
}  // namespace squall::membership
