#include "core/multicast/bulk/transfers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/multicast/bulk/transfers_fuzz.h"

namespace squall::multicast::bulk {
namespace {

TEST_CASE("whatever peers say, in whatever order, costs no crash and no more than its memory") {
  std::size_t sensible = 0;
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    Random random(seed);
    std::vector<std::byte> input(random.below(3000));
    for (std::byte& byte : input) byte = static_cast<std::byte>(random.next());
    sensible += fuzz_transfers(input);
  }
  CHECK(sensible > 1000);
}

struct Scene {
  explicit Scene(bool maps = false, std::size_t room = std::size_t{1} << 20)
      : fabric(maps),
        places(mirror::Pool::create(room, fabric::RegionId{50})),
        transfers(fabric, peers, options()) {}
  Transfers::Options options() {
    Transfers::Options options;
    options.self = 1;
    options.senders = {0};
    options.home = {{}, nullptr, places.get(), &transit};
    options.home.settings.most_bytes = places->limit();
    return options;
  }
  bool say(Rank from, const Word& word) {
    const WireWord wire = encode(0, word);
    return transfers.on_message(from, Bytes(wire).subspan(sizeof(std::uint16_t)));
  }
  Word offer(std::uint64_t bytes = 5000) {
    return {.kind = Word::Kind::offer,
            .region = 9,
            .bytes = bytes,
            .region_bytes = bytes,
            .block_bytes = 4096,
            .schedule = Kind::chain};
  }
  Bytes frame(std::uint64_t bytes = 5000) {
    words = {0, bytes, 9};
    return std::as_bytes(std::span(words));
  }

  DeafFabric fabric;
  std::vector<fabric::PeerId> peers{fabric::PeerId{0}, fabric::PeerId{1}, fabric::PeerId{2}};
  std::shared_ptr<mirror::Pool> places;
  Transit transit;
  std::vector<std::uint64_t> words;
  Transfers transfers;
};

Word landed(Block block, std::uint64_t number = 0) {
  return {.kind = Word::Kind::landed, .number = number, .block = block};
}

TEST_CASE("an object is there when all of its blocks have landed, and not before") {
  Scene scene;
  REQUIRE(scene.say(0, scene.offer()));
  CHECK_FALSE(scene.say(0, landed(0)));  // there is no place for it yet
  scene.transfers.turn(0);
  CHECK(scene.say(0, landed(0)));
  CHECK_FALSE(scene.transfers.find(0, scene.frame()));
  CHECK(scene.say(0, landed(1)));
  CHECK(scene.transfers.find(0, scene.frame())->size() == 5000);
  CHECK_FALSE(scene.transfers.find(0, scene.frame(5001)));
  CHECK(scene.transfers.due());
  scene.transfers.delivered(0, scene.frame());
}

TEST_CASE("a sender offers no more than it can have, counting what is delivered and passed on") {
  Scene scene;
  const std::size_t bytes = scene.places->limit();
  REQUIRE(scene.say(0, scene.offer(bytes)));
  scene.transfers.turn(0);
  for (Block block = 0; block < bytes / 4096; ++block) REQUIRE(scene.say(0, landed(block)));
  REQUIRE(scene.transfers.find(0, scene.frame(bytes)));
  scene.transfers.delivered(0, scene.frame(bytes));
  Word next = scene.offer(bytes);
  next.number = 1;
  // The next in the chain takes nothing, so this member still has it, and so has its sender.
  CHECK_FALSE(scene.say(0, next));
  CHECK(scene.transfers.attached(fabric::PeerId{2}, fabric::RegionId{50}));
  for (Block block = 0; block < bytes / 4096; ++block) {
    scene.transfers.turn(0);
    for (const fabric::Token token : std::exchange(scene.fabric.tokens, {}))
      scene.transit.returned(token);
  }
  CHECK(scene.say(0, next));
  scene.transfers.turn(0);
  CHECK(scene.places->bytes() == bytes);
}

TEST_CASE(
    "small objects get places for 8 MiB, large ones two, in the order that they were sent in") {
  constexpr std::size_t mebibyte = std::size_t{1} << 20;
  struct Case {
    std::vector<std::size_t> bytes;
    std::size_t placed;
  };
  for (const Case& each :
       {Case{std::vector(12, mebibyte), 8}, Case{std::vector(5, 8 * mebibyte), 2},
        Case{{mebibyte, 16 * mebibyte, 4096, 4096}, 2},
        Case{{4096, 4096, 4 * mebibyte, 5 * mebibyte, 4096}, 3}}) {
    Scene scene(false, 64 * mebibyte);
    for (std::uint64_t number = 0; number < each.bytes.size(); ++number) {
      Word offer = scene.offer(each.bytes[number]);
      offer.number = number;
      REQUIRE(scene.say(0, offer));
    }
    scene.transfers.turn(0);
    // Only what has a place can land.
    std::size_t placed = 0;
    while (placed < each.bytes.size() && scene.say(0, landed(0, placed))) ++placed;
    CHECK(placed == each.placed);
    for (std::uint64_t number = placed + 1; number < each.bytes.size(); ++number)
      CHECK_FALSE(scene.say(0, landed(0, number)));
  }
}

Word lasting_offer(std::uint64_t bytes, std::uint64_t region_bytes) {
  return {.kind = Word::Kind::offer,
          .region = 9,
          .stays = true,
          .bytes = bytes,
          .region_bytes = region_bytes,
          .block_bytes = 4096,
          .schedule = Kind::sequential};
}

TEST_CASE("what comes from memory that was shown before needs no offer") {
  Scene scene;
  std::vector<std::pair<Rank, Word>> said;
  scene.fabric.said = &said;
  REQUIRE(scene.say(0, lasting_offer(5000, 12288)));
  scene.transfers.turn(0);
  Word block = lasting_offer(9000, 12288);
  block.kind = Word::Kind::landed;
  block.number = 1;
  REQUIRE(said.size() == 1);
  CHECK(said[0].second.kind == Word::Kind::kept);
  CHECK(said[0].second.region == 9);
  CHECK_FALSE(scene.say(0, block));  // the first is not even whole
  CHECK(scene.say(0, landed(0)));
  CHECK(scene.say(0, landed(1)));
  scene.transfers.turn(0);
  REQUIRE(said.size() == 2);
  CHECK(said[1].second.kind == Word::Kind::whole);
  const std::byte* first = scene.transfers.find(0, scene.frame())->data();
  CHECK_FALSE(scene.say(0, block));  // nor delivered
  scene.transfers.delivered(0, scene.frame());
  CHECK_FALSE(scene.say(2, block));  // nobody else sends from there
  Word wrong = block;
  wrong.region = 10;
  CHECK_FALSE(scene.say(0, wrong));
  wrong = block;
  wrong.bytes = wrong.region_bytes = 20000;
  CHECK_FALSE(scene.say(0, wrong));
  wrong = block;
  wrong.schedule = Kind::chain;
  CHECK_FALSE(scene.say(2, wrong));
  // In any order, and larger than what was there before.
  block.block = 2;
  REQUIRE(scene.say(0, block));
  CHECK_FALSE(scene.say(0, block));
  block.block = 0;
  REQUIRE(scene.say(0, block));
  block.block = 1;
  REQUIRE(scene.say(0, block));
  scene.transfers.turn(0);
  REQUIRE(said.size() == 3);
  CHECK(said[2].second.kind == Word::Kind::whole);
  CHECK(said[2].second.number == 1);
  scene.words = {1, 9000, 9};
  const auto second = scene.transfers.find(0, std::as_bytes(std::span(scene.words)));
  REQUIRE(second);
  CHECK(second->size() == 9000);
  CHECK(second->data() == first);
  scene.transfers.delivered(0, std::as_bytes(std::span(scene.words)));
  // Until its sender takes it back.
  CHECK(scene.say(0, {.kind = Word::Kind::retired, .region = 9}));
  block.number = 2;
  CHECK_FALSE(scene.say(0, block));
  Word again = lasting_offer(5000, 12288);
  again.number = 2;
  CHECK(scene.say(0, again));
}

TEST_CASE("who passes an object on needs no offer for the next one either, and asks for none") {
  Scene scene;
  std::vector<std::pair<Rank, Word>> said;
  scene.fabric.said = &said;
  const auto word = [](Word::Kind kind, std::uint64_t number) {
    Word word = lasting_offer(4096, 8192);
    word.kind = kind;
    word.schedule = Kind::chain;
    word.number = number;
    return word;
  };
  const auto turn = [&] {
    said.clear();
    for (int count = 0; count < 5; ++count) {
      scene.transfers.turn(0);
      for (const fabric::Token token : std::exchange(scene.fabric.tokens, {}))
        scene.transit.returned(token);
    }
  };
  const auto said_to = [&](Rank to, Word::Kind kind) -> const Word* {
    const auto found = std::ranges::find_if(
        said, [&](const auto& each) { return each.first == to && each.second.kind == kind; });
    return found == said.end() ? nullptr : &found->second;
  };
  const auto deliver = [&](std::uint64_t number) {
    scene.words = {number, 4096, 9};
    const auto bytes = std::as_bytes(std::span(scene.words));
    REQUIRE(scene.transfers.find(0, bytes));
    scene.transfers.delivered(0, bytes);
  };
  REQUIRE(scene.say(0, word(Word::Kind::offer, 0)));
  turn();
  CHECK(said_to(0, Word::Kind::kept) != nullptr);
  REQUIRE(said_to(2, Word::Kind::offer) != nullptr);
  CHECK(said_to(2, Word::Kind::offer)->stays);
  CHECK(said_to(2, Word::Kind::offer)->region_bytes == 8192);
  const fabric::RegionId own{said_to(2, Word::Kind::offer)->region};
  REQUIRE(scene.transfers.attached(fabric::PeerId{2}, own));
  REQUIRE(scene.say(0, landed(0)));
  turn();
  REQUIRE(said_to(2, Word::Kind::landed) != nullptr);
  CHECK_FALSE(said_to(2, Word::Kind::landed)->stays);
  deliver(0);
  // Whoever has not said in time that it keeps its replica is offered it again.
  REQUIRE(scene.say(0, word(Word::Kind::landed, 1)));
  REQUIRE(scene.say(2, {.kind = Word::Kind::kept, .region = raw(own)}));  // of the first object
  turn();
  CHECK(said_to(2, Word::Kind::offer) != nullptr);
  CHECK(said_to(2, Word::Kind::landed) == nullptr);
  REQUIRE(scene.transfers.attached(fabric::PeerId{2}, own));
  REQUIRE(scene.say(2, {.kind = Word::Kind::kept, .number = 1, .region = raw(own)}));
  turn();
  CHECK(said_to(2, Word::Kind::landed) != nullptr);
  deliver(1);
  REQUIRE(scene.say(0, word(Word::Kind::landed, 2)));
  turn();
  CHECK(said_to(2, Word::Kind::offer) == nullptr);
  REQUIRE(said_to(2, Word::Kind::landed) != nullptr);
  CHECK(said_to(2, Word::Kind::landed)->stays);
  CHECK(said_to(2, Word::Kind::landed)->region == raw(own));
  deliver(2);
  // So it is here: who keeps a place and is offered what lies there takes it again.
  said.clear();
  REQUIRE(scene.say(0, word(Word::Kind::offer, 3)));
  CHECK(said_to(0, Word::Kind::kept) != nullptr);
  REQUIRE(scene.say(0, landed(0, 3)));
  turn();
  deliver(3);
  REQUIRE(scene.say(0, {.kind = Word::Kind::retired, .region = 9}));
  turn();
  REQUIRE(said_to(2, Word::Kind::retired) != nullptr);
  CHECK(said_to(2, Word::Kind::retired)->region == raw(own));
  CHECK_FALSE(scene.say(0, word(Word::Kind::landed, 4)));
}

TEST_CASE("no more than half of the room is kept for what may come") {
  Scene scene;
  std::vector<std::pair<Rank, Word>> said;
  scene.fabric.said = &said;
  const std::size_t bytes = scene.places->limit() / 8;
  std::size_t kept = 0;
  for (std::uint64_t number = 0; number < 8; ++number) {
    Word offer = lasting_offer(bytes, bytes);
    offer.number = number;
    offer.region = number;
    REQUIRE(scene.say(0, offer));
    scene.transfers.turn(0);
    for (Block block = 0; block < bytes / 4096; ++block) {
      Word word = landed(block, number);
      REQUIRE(scene.say(0, word));
    }
    scene.transfers.turn(0);
    scene.words = {number, bytes, number};
    scene.transfers.delivered(0, std::as_bytes(std::span(scene.words)));
    scene.transfers.turn(0);
  }
  for (const auto& [to, word] : said) kept += word.kind == Word::Kind::kept ? 1 : 0;
  CHECK(kept == 4);
}

/// The sender of three, of which the others do as the test says.
struct SendingScene {
  explicit SendingScene(bool moves = false)
      : fabric(false, moves), transfers(fabric, peers, options()) {
    fabric.said = &said;
  }
  Transfers::Options options() {
    Transfers::Options options;
    options.senders = {0};
    options.home = {{.schedule = Kind::sequential}, &outbox, places.get(), &transit};
    return options;
  }
  bool say(Rank from, const Word& word) {
    const WireWord wire = encode(0, word);
    return transfers.on_message(from, Bytes(wire).subspan(sizeof(std::uint16_t)));
  }
  void send(std::size_t bytes) {
    auto buffer = outbox.pool().take(bytes).value();
    region = buffer.slab()->region;
    REQUIRE(outbox.send(buffer, true));
  }
  /// Turns until everything is out; what was said meanwhile.
  std::vector<std::pair<Rank, Word>> turn(Position consumed) {
    for (int count = 0; count < 10; ++count) {
      transfers.turn(consumed);
      for (const fabric::Token token : std::exchange(fabric.tokens, {})) transit.returned(token);
    }
    return std::exchange(said, {});
  }

  DeafFabric fabric;
  std::vector<std::pair<Rank, Word>> said;
  std::vector<fabric::PeerId> peers{fabric::PeerId{0}, fabric::PeerId{1}, fabric::PeerId{2}};
  std::unique_ptr<mirror::RingWriter> writer = mirror::RingWriter::create(4096).value();
  mirror::Outbox outbox{*writer, std::size_t{1} << 20, fabric::RegionId{10}};
  std::shared_ptr<mirror::Pool> places =
      mirror::Pool::create(std::size_t{1} << 20, fabric::RegionId{50});
  Transit transit;
  fabric::RegionId region{};
  Transfers transfers;
};

TEST_CASE("who keeps a replica is sent the next object at once, and the others are offered it") {
  using Said = std::vector<std::pair<Rank, Word::Kind>>;
  const auto kinds = [](const std::vector<std::pair<Rank, Word>>& said) {
    Said kinds;
    for (const auto& [to, word] : said) kinds.emplace_back(to, word.kind);
    std::ranges::sort(kinds);
    return kinds;
  };
  constexpr auto offer = Word::Kind::offer, landed = Word::Kind::landed;
  SendingScene scene;
  scene.send(5000);
  CHECK(kinds(scene.turn(0)) == Said{{1, offer}, {2, offer}});
  const fabric::RegionId region = scene.region;
  for (const Rank rank : {1, 2}) REQUIRE(scene.transfers.attached(fabric::PeerId{rank}, region));
  auto blocks = scene.turn(0);
  CHECK(kinds(blocks) == Said{{1, landed}, {2, landed}});
  for (const auto& [to, word] : blocks) CHECK_FALSE(word.stays);
  CHECK(scene.say(1, {.kind = Word::Kind::kept, .region = raw(scene.region)}));
  for (const Rank rank : {1, 2}) CHECK(scene.say(rank, {.kind = Word::Kind::whole}));
  scene.turn(0);
  const Position passed = scene.transfers.passed();
  CHECK(passed != 0);
  // Not before all have consumed what was there.
  scene.send(5000);
  CHECK(scene.region != region);
  scene.turn(passed);
  scene.send(6000);
  REQUIRE(scene.region == region);
  auto said = scene.turn(passed);
  CHECK(kinds(said) == Said{{1, landed}, {2, offer}});
  for (const auto& [to, word] : said) {
    CHECK(word.number == 2);
    CHECK(word.bytes == 6000);
    CHECK(word.stays);
    CHECK(word.region == raw(region));
  }
}

TEST_CASE("memory that its sender gives up is taken back from those who keep a replica") {
  SendingScene scene;
  scene.send(5000);
  scene.turn(0);
  for (const Rank rank : {1, 2})
    REQUIRE(scene.transfers.attached(fabric::PeerId{rank}, scene.region));
  scene.turn(0);
  CHECK(scene.say(1, {.kind = Word::Kind::kept, .region = raw(scene.region)}));
  for (const Rank rank : {1, 2}) CHECK(scene.say(rank, {.kind = Word::Kind::whole}));
  scene.turn(0);
  scene.turn(scene.transfers.passed());
  const fabric::RegionId region = scene.region;
  scene.send(std::size_t{1} << 20);  // all that there may be
  std::vector<Rank> told;
  for (const auto& [to, word] : scene.turn(scene.transfers.passed()))
    if (word.kind == Word::Kind::retired && word.region == raw(region)) told.push_back(to);
  std::ranges::sort(told);
  CHECK(told == std::vector<Rank>{1, 2});  // whoever may have kept it
}

TEST_CASE("where a peer may move to another network, every object is offered") {
  SendingScene scene(true);
  scene.send(5000);
  const auto said = scene.turn(0);
  REQUIRE(said.size() == 2);
  for (const auto& [to, word] : said) {
    CHECK(word.kind == Word::Kind::offer);
    CHECK_FALSE(word.stays);
  }
}

TEST_CASE("no sender has more objects under way than it has pages") {
  Scene scene;
  std::uint64_t taken = 0;
  for (Word offer = scene.offer(0); scene.say(0, offer) && taken < 1000; ++offer.number) ++taken;
  CHECK(taken == (scene.places->limit() + 65536) / 4096);
}

TEST_CASE("where memory is mapped, no sender shows more than it can have and has just given up") {
  Scene scene(true);
  const std::size_t most = 2 * (scene.places->limit() + 65536);
  Word next = scene.offer(65536);
  std::size_t shown = 0;
  for (; scene.say(0, next) && shown < 4 * most; ++next.region, ++next.number) shown += 65536;
  CHECK(shown == most);
  --next.region;
  CHECK(scene.say(0, next));  // again, and no more
  CHECK(scene.say(0, {.kind = Word::Kind::retired, .region = next.region}));
  ++next.region;
  CHECK(scene.say(0, next));
  next.region_bytes = std::uint64_t{1} << 63;
  CHECK_FALSE(scene.say(0, next));
}

TEST_CASE("words that make no sense are told from those that do") {
  Scene scene;
  REQUIRE(scene.say(0, scene.offer()));
  CHECK_FALSE(scene.say(0, scene.offer()));  // twice
  CHECK_FALSE(scene.say(2, scene.offer()));  // the chain's last sends to nobody
  Scene other;
  Word wrong = other.offer(2 << 20);  // more than may be
  CHECK_FALSE(other.say(0, wrong));
  wrong = other.offer();
  wrong.origin = 1;
  CHECK_FALSE(other.say(0, wrong));                        // no such sender
  CHECK_FALSE(other.say(0, {.kind = Word::Kind::whole}));  // of nothing that I sent
  CHECK_FALSE(other.say(0, landed(0)));                    // of nothing that was offered
  Scene mapped(true);
  CHECK_FALSE(mapped.say(2, mapped.offer()));  // nobody shows another's memory
  CHECK(mapped.say(0, mapped.offer()));
  CHECK(mapped.transfers.find(0, mapped.frame())->size() == 5000);
  CHECK(mapped.say(0, {.kind = Word::Kind::retired, .region = 9}));
  CHECK_FALSE(mapped.transfers.find(0, mapped.frame()));
}

}  // namespace
}  // namespace squall::multicast::bulk
