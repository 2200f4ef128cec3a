// What modules may do where a sender publishes, and where bytes go out and come in.

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "core/multicast/channel_test_kit.h"
#include "core/multicast/codec.h"

namespace squall::multicast {
namespace {

using namespace std::chrono_literals;

/// Waits for so many bytes, or for 50 us.
class Waits final : public Gather {
 public:
  explicit Waits(std::uint64_t enough) : enough_(enough) {}
  Time due(std::uint64_t waiting, Time since) const override {
    return waiting >= enough_ ? since : since + 50us;
  }

 private:
  std::uint64_t enough_;
};

Hooks waits(std::uint64_t enough) {
  Hooks hooks;
  hooks.gather = [enough] { return std::make_unique<Waits>(enough); };
  return hooks;
}

/// A group in which some time has passed, since a clock hardly starts at 0.
struct Gathering : Group {
  explicit Gathering(std::uint64_t enough) : Group(2, {0}, true, waits(enough)) {
    now = Time{} + 1s;
    turn_all();
  }
};

TEST_CASE("who gathers publishes nothing until its time has come, which the deadline says") {
  Gathering group(1000);
  group.send(0, "one");
  const auto turned = group.exchange(0);
  CHECK_FALSE(turned.worked);
  CHECK(turned.deadline == group.now + 50us);
  CHECK_FALSE(group[0].pending());
  CHECK_FALSE(group[0].news());
  group.send(0, "two");
  group.now += 49us;
  CHECK(group.exchange(0).deadline == group.now + 1us);
  CHECK(group.network.queued(0, 1).empty());
  group.now += 1us;
  CHECK(group.exchange(0).worked);
  group.network.land();
  group.turn_all();
  CHECK(group.members[1].got == Texts{"one", "two"});
  // The next one waits anew.
  group.send(0, "three");
  CHECK(group.exchange(0).deadline == group.now + 50us);
}

TEST_CASE("who gathers publishes at once what is enough, headers included") {
  Gathering group(64);
  group.send(0, "sixteen bytes...");
  CHECK_FALSE(group.exchange(0).worked);
  group.send(0, "sixteen bytes...");
  CHECK(group[0].pending());
  CHECK(group[0].news());
  CHECK(group.exchange(0).worked);
  CHECK_FALSE(group[0].pending());
}

TEST_CASE("what the turning thread appends counts, and not the space that it keeps for later") {
  Gathering group(100);
  auto& writer = *group.members[0].writer;
  REQUIRE(writer.append_here(as_bytes("one")));
  CHECK(writer.waiting() == 32);
  CHECK_FALSE(group.exchange(0).worked);
  REQUIRE(writer.append_here(as_bytes("two")));
  REQUIRE(writer.append_here(as_bytes("three")));
  REQUIRE(writer.append_here(as_bytes("four")));
  CHECK(writer.waiting() == 128);
  CHECK(group.exchange(0).worked);
  CHECK(writer.waiting() == 0);
}

TEST_CASE("between two turns, too, who gathers publishes only what is enough") {
  Gathering group(64);
  group.send(0, "one");
  group[0].publish_now();
  CHECK(group.network.queued(0, 1).empty());
  group.send(0, "two");
  group[0].publish_now();
  CHECK_FALSE(group.network.queued(0, 1).empty());
}

TEST_CASE("nothing waits once somebody asks whether all is delivered: it wants to go") {
  Gathering group(1000);
  group.send(0, "last");
  CHECK_FALSE(group.exchange(0).worked);
  CHECK_FALSE(group[0].drained());
  CHECK(group[0].pending());
  CHECK(group.exchange(0).worked);
  group.network.land();
  for (int turn = 0; turn < 4; ++turn) {
    group.now += 1ms;
    group.turn_all();
  }
  CHECK(group.members[1].got == Texts{"last"});
  CHECK(group[0].drained());
}

TEST_CASE("what a view change leaves over does not wait again in the next view") {
  Gathering group(1000);
  group.send(0, "left over");
  CHECK_FALSE(group.exchange(0).worked);
  group.change_view();
  CHECK(group[0].pending());
  CHECK(group.exchange(0).worked);
  group.network.land();
  group.turn_all();
  CHECK(group.members[1].got == Texts{"left over"});
}

/// A sender that shares its cores, and whose messages are deliverable up to `ceiling`.
struct Crowded : Group {
  Crowded() : Group(2, {0}) {
    members[0].order->ceiling = 0;
    turn_all();
  }
  /// Whether a turn of the sender publishes.
  bool publishes() {
    (*this)[0].exchange(now, {.crowded = true});
    const bool published = !network.queued(0, 1).empty();
    network.land();
    return published;
  }
};

TEST_CASE("on crowded cores a piece waits while one is on its way, and one by itself never does") {
  Crowded group;
  group.send(0, "one");
  CHECK(group.publishes());
  group.send(0, "two");
  CHECK_FALSE(group.publishes());
  CHECK(group[0].due(group.now));  // somebody else's turn may end it
  group.send(0, "three");
  CHECK_FALSE(group.publishes());
  group.members[0].order->ceiling = 1;
  CHECK_FALSE(group.publishes());  // learns of it in this turn
  CHECK(group.publishes());
  group.members[0].order->ceiling = 3;
  CHECK_FALSE(group.publishes());
  group.turn_all();
  group.send(0, "four");
  CHECK(group.publishes());
  group.turn_all();
  CHECK(group.members[1].got == Texts{"one", "two", "three", "four"});
}

TEST_CASE("on crowded cores a message waits for its own sender's, and not for those of others") {
  Crowded group;
  group.members[0].order->promise = 10;  // as if others had sent, and nobody had all of it
  group.exchange(0);
  group.network.land();
  group.send(0, "one");
  CHECK(group.publishes());
  group.send(0, "two");
  CHECK_FALSE(group.publishes());
}

TEST_CASE("on crowded cores half a ring waits for nothing, nor does what a leave waits for") {
  Crowded group;
  group.send(0, "one");
  REQUIRE(group.publishes());
  const std::string fifth(ring_bytes / 5, 'x');
  for (int sent = 0; sent < 2; ++sent) {
    REQUIRE(group.send(0, fifth));
    CHECK_FALSE(group.publishes());
  }
  REQUIRE(group.send(0, fifth));
  CHECK(group.publishes());
  group.send(0, "last");
  CHECK_FALSE(group.publishes());
  CHECK_FALSE(group[0].drained());
  CHECK(group.publishes());
}

TEST_CASE("with a core of its own a sender publishes whatever there is") {
  Crowded group;
  for (const char* text : {"one", "two"}) {
    group.send(0, text);
    group.exchange(0);
    CHECK_FALSE(group.network.queued(0, 1).empty());
    group.network.land();
  }
}

/// Turns every byte around, and says so with one more.
class Turns final : public Codec {
 public:
  std::size_t overhead() const override { return 1; }
  Bytes encode(Bytes message, std::vector<std::byte>& scratch) const override {
    scratch.assign(message.begin(), message.end());
    for (std::byte& byte : scratch) byte = ~byte;
    scratch.push_back(std::byte{'!'});
    return scratch;
  }
  void encode_in_place(MutableBytes whole) const override {
    for (std::byte& byte : whole) byte = ~byte;
    whole.back() = std::byte{'!'};
  }
  std::optional<Bytes> decode(Bytes encoded, std::size_t,
                              std::vector<std::byte>& scratch) const override {
    if (encoded.empty() || encoded.back() != std::byte{'!'}) return std::nullopt;
    scratch.assign(encoded.begin(), encoded.end() - 1);
    for (std::byte& byte : scratch) byte = ~byte;
    return scratch;
  }
};

Hooks turns() {
  Hooks hooks;
  hooks.codecs = Codecs({std::make_shared<Turns>()});
  return hooks;
}

TEST_CASE("what a codec has encoded is delivered as it was sent, at its sender, too") {
  Group group(2, {0}, true, turns());
  Codecs::Scratch scratch;
  for (const char* text : {"one", "", "three"})
    REQUIRE(group.send(0, as_text(group.hooks.codecs.encode(as_bytes(text), scratch))));
  group.turn_all();
  group.turn_all();
  for (const Member& member : group.members) CHECK(member.got == Texts{"one", "", "three"});
}

TEST_CASE("bytes that no encoder makes name their sender, and nothing is delivered from there on") {
  Group group(2, {0}, true, turns());
  Codecs::Scratch scratch;
  group.send(0, as_text(group.hooks.codecs.encode(as_bytes("good"), scratch)));
  group.send(0, "bad");
  group.send(0, as_text(group.hooks.codecs.encode(as_bytes("behind"), scratch)));
  group.turn_all();
  group.turn_all();
  CHECK(group.members[1].got == Texts{"good"});
  CHECK(group[1].culprit() == Rank{0});
  CHECK(group[1].delivered() == 1);
}

}  // namespace
}  // namespace squall::multicast
