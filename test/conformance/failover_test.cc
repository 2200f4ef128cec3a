// Pairs whose links are cut in the middle of traffic: nothing is lost, repeated or reordered,
// counters never go back, and the peer stays.
#include <doctest/doctest.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

#include "core/base/random.h"
#include "test/conformance/fragile.h"

namespace squall::conformance {
namespace {

constexpr RegionId counters{1}, ring{2}, object{3};
constexpr std::size_t ring_bytes = 64 << 10;
constexpr std::size_t shm_link = 0, tcp_link = 1;

std::uint64_t load(const std::byte* at) {
  return __atomic_load_n(reinterpret_cast<const std::uint64_t*>(at), __ATOMIC_ACQUIRE);
}
void store(std::byte* at, std::uint64_t value) {
  __atomic_store_n(reinterpret_cast<std::uint64_t*>(at), value, __ATOMIC_RELEASE);
}
Memory memory(std::size_t bytes) {
  auto made = Memory::create(bytes);
  REQUIRE(made);
  return std::move(*made);
}

/// One end: messages on both lanes, and a ring of words with the counter that publishes them, as
/// core/mirror has it. It may be 1024 words ahead of what the other end says that it has read.
class Side {
 public:
  static constexpr std::uint64_t words = ring_bytes / sizeof(std::uint64_t);

  Side(Two& two, std::size_t at) : node_(two.nodes[at]), peer_(two.peers[at]) {
    node_.on_event = [this](const Event& event) { take(event); };
    REQUIRE(node_.fabric->expose(counters, counters_));
    REQUIRE(node_.fabric->expose(ring, ring_));
  }
  void import() {
    for (const auto& [region, bytes, at] :
         {std::tuple{ring, ring_bytes, &their_ring_},
          std::tuple{counters, std::size_t{4096}, &their_counters_}}) {
      auto imported = node_.fabric->import(peer_, region, bytes);
      REQUIRE(imported);
      *at = *imported;
    }
  }

  void work(Random& random) {
    for (std::size_t lane = 0; lane < 2; ++lane)
      for (std::uint64_t left = random.below(4); left > 0; --left) {
        const std::string text = std::to_string(sent[lane]) + std::string(random.below(3000), '.');
        const auto done = node_.fabric->send(peer_, static_cast<Lane>(lane), as_bytes(text), 1);
        if (!done) break;
        ++sent[lane];
      }
    for (std::uint64_t left = random.below(8); left > 0 && published - their_read() < words;
         --left) {
      const std::size_t at = published % words * sizeof(std::uint64_t);
      store(ring_.data() + at, ++published);
      REQUIRE(node_.fabric->push(ring, at, sizeof(std::uint64_t), Lane::urgent));
    }
    store(counters_.data(), published);
    store(counters_.data() + 64, read);
    for (const std::size_t at : {std::size_t{0}, std::size_t{64}})
      REQUIRE(node_.fabric->push(counters, at, sizeof(std::uint64_t), Lane::urgent, ++tokens));
    look();
  }

  /// What a reader does: everything below the counter is there.
  void look() {
    const std::uint64_t now = load(their_counters_);
    REQUIRE(now >= seen_);
    seen_ = now;
    for (; read < now; ++read)
      REQUIRE(load(their_ring_ + read % words * sizeof(std::uint64_t)) == read + 1);
    const std::uint64_t acknowledged = load(their_counters_ + 64);
    REQUIRE(acknowledged >= seen_read_);
    seen_read_ = acknowledged;
  }

  std::uint64_t sent[2]{}, received[2]{};
  std::uint64_t published = 0, read = 0;
  std::uint64_t tokens = 0, returned = 0;

 private:
  std::uint64_t their_read() const { return load(their_counters_ + 64); }

  void take(const Event& event) {
    if (event.kind == Kind::message) {
      std::uint64_t& next = received[static_cast<std::size_t>(event.lane)];
      const std::string_view text = as_text(event.bytes);
      REQUIRE(text.substr(0, text.find('.')) == std::to_string(next));
      ++next;
    } else if (event.kind == Kind::completed) {
      returned += event.token == 1 ? 0 : 1;
      REQUIRE(event.token <= tokens + 1);
    } else if (event.kind == Kind::attached) {
      // What the replica must know: what may be unread, then the counters.
      const std::size_t bytes = event.region == ring ? ring_bytes : 128;
      REQUIRE(node_.fabric->push_to(event.peer, event.region, 0, bytes, Lane::urgent));
      // (If it has those already: the ring comes first.)
      if (event.region == ring)
        static_cast<void>(node_.fabric->push_to(event.peer, counters, 0, 128, Lane::urgent));
    }
  }

  Node& node_;
  PeerId peer_;
  Memory counters_ = memory(4096), ring_ = memory(ring_bytes);
  const std::byte* their_counters_ = nullptr;
  const std::byte* their_ring_ = nullptr;
  std::uint64_t seen_ = 0, seen_read_ = 0;
};

/// `early`: while the regions are still attaching.
void cut_amid_traffic(std::uint64_t seed, std::size_t link, std::size_t end, bool early = false) {
  CAPTURE(seed);
  CAPTURE(link);
  CAPTURE(end);
  Random random(seed);
  Two two;
  Side sides[2]{Side(two, 0), Side(two, 1)};
  for (Side& side : sides) side.import();
  REQUIRE(two.all_up());
  const std::uint64_t rounds = 200 + random.below(200), cut = random.below(early ? 25 : rounds);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    for (std::size_t at = 0; at < 2; ++at) {
      if (!random.one_in(3)) sides[at].work(random);
      if (!random.one_in(3)) two.nodes[at].turn();
    }
    if (round == cut) two.nodes[end].links[link]->cut();
  }
  CHECK(two.until([&] {
    for (std::size_t at = 0; at < 2; ++at) {
      sides[at].look();
      const Side &mine = sides[at], &other = sides[1 - at];
      if (mine.received[0] != other.sent[0] || mine.received[1] != other.sent[1] ||
          mine.read != other.published)
        return false;
    }
    return true;
  }));
  for (const Node& node : two.nodes) CHECK_MESSAGE(node.lost.empty(), node.lost);
  CHECK_FALSE(two.nodes[1 - end].links[link]->has_links());
  CHECK(two.nodes[end].links[1 - link]->has_links());
  // And it goes on.
  for (Side& side : sides) side.work(random);
  CHECK(two.until([&] {
    for (Side& side : sides) side.look();
    return sides[0].read == sides[1].published && sides[1].read == sides[0].published;
  }));
  // Before the memory that they expose.
  for (Node& node : two.nodes) node.fabric.reset();
}

TEST_CASE("shm is cut amid traffic: tcp goes on, and nothing is lost, repeated or reordered") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) cut_amid_traffic(seed, shm_link, seed % 2);
}

TEST_CASE("shm is cut while regions attach: what it tells of that late counts no more") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) cut_amid_traffic(seed, shm_link, seed % 2, true);
}

TEST_CASE("tcp is cut amid traffic: shm does not notice") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) cut_amid_traffic(seed, tcp_link, seed % 2);
}

TEST_CASE("the last link is cut: the peer is lost, with the reason of each") {
  Two two;
  REQUIRE(two.all_up());
  for (Fragile* link : two.nodes[0].links) link->cut();
  CHECK(two.until([&] { return !two.nodes[0].lost.empty() && !two.nodes[1].lost.empty(); }));
  CHECK(two.nodes[0].lost == "shm: it was cut; tcp: it was cut");
  const auto sent = two.nodes[0].fabric->send(two.peers[0], Lane::urgent, as_bytes("x"), 0);
  REQUIRE_FALSE(sent);
  CHECK(sent.error().code == Code::lost);
}

TEST_CASE("on two hosts there is only tcp, and its loss is the peer's") {
  Two two("there");
  CHECK_FALSE(two.nodes[0].links[shm_link]->has_links());
  two.nodes[1].links[tcp_link]->cut();
  CHECK(two.until([&] { return !two.nodes[0].lost.empty() && !two.nodes[1].lost.empty(); }));
}

TEST_CASE("a replica keeps its address and its bytes when the pair moves, and is fed again") {
  Two two;
  REQUIRE(two.all_up());
  Node &owner = two.nodes[0], &reader = two.nodes[1];
  const Memory mine = memory(4096);
  store(mine.data(), 5);
  REQUIRE(owner.fabric->expose(counters, mine));
  int attached = 0;
  owner.on_event = [&](const Event& event) { attached += event.kind == Kind::attached ? 1 : 0; };
  const auto replica = reader.fabric->import(two.peers[1], counters, 4096);
  REQUIRE(replica);
  REQUIRE(two.until([&] { return load(*replica) == 5 && attached == 1; }));
  reader.links[shm_link]->cut();
  reader.turn();
  store(mine.data(), 6);  // nobody has pushed it
  CHECK(load(*replica) == 5);
  REQUIRE(two.until([&] { return attached == 2; }));
  CHECK(load(*replica) == 5);
  REQUIRE(owner.fabric->push_to(two.peers[0], counters, 0, 8, Lane::urgent));
  CHECK(two.until([&] { return load(*replica) == 6; }));
  reader.fabric->disconnect(two.peers[1]);
  store(mine.data(), 7);
  static_cast<void>(owner.fabric->push(counters, 0, 8, Lane::urgent));
  for (int i = 0; i < 1000; ++i) two.turn();
  CHECK(load(*replica) == 6);
  reader.fabric->forget(two.peers[1]);
  owner.fabric.reset();
}

TEST_CASE("who sleeps is woken by the loss of a link, and by what comes over the next") {
  Two two;
  REQUIRE(two.all_up());
  Node &sleeper = two.nodes[0], &other = two.nodes[1];
  int messages = 0;
  sleeper.on_event = [&](const Event& event) { messages += event.kind == Kind::message ? 1 : 0; };
  const auto sleep_until = [&](const std::function<bool()>& done) {
    const Time deadline = Monotonic::now() + 2s;
    while (!done() && Monotonic::now() < deadline) {
      sleeper.fabric->arm();
      sleeper.turn();
      pollfd ready{sleeper.fabric->fd(), POLLIN, 0};
      if (!done() && poll(&ready, 1, 2000) == 0) return false;
      sleeper.fabric->wait(Time{});
      sleeper.turn();
      other.turn();
    }
    sleeper.fabric->disarm();
    return done();
  };
  other.links[shm_link]->cut();
  other.turn();
  CHECK(sleep_until([&] { return !sleeper.links[shm_link]->has_links(); }));
  REQUIRE(other.fabric->send(two.peers[1], Lane::urgent, as_bytes("x"), 0));
  other.turn();
  CHECK(sleep_until([&] { return messages == 1; }));
}

TEST_CASE("a word about an object comes behind it, though its link is not the pair's") {
  constexpr std::size_t bytes = 4 << 20;
  Two two;
  Node &owner = two.nodes[0], &reader = two.nodes[1];
  Memory mine = memory(bytes), landing = memory(bytes);
  REQUIRE(owner.fabric->expose(object, mine));
  bool attached = false;
  owner.on_event = [&](const Event& event) { attached |= event.kind == Kind::attached; };
  std::uint64_t told = 0;
  reader.on_event = [&](const Event& event) {
    if (event.kind != Kind::message) return;
    REQUIRE(as_text(event.bytes) == std::to_string(told++));
    // Every second word follows the bytes; the one behind it must not come before it.
    const std::byte expected{static_cast<unsigned char>((told + 1) / 2)};
    for (const std::size_t at : {std::size_t{0}, bytes / 2, bytes - 1})
      REQUIRE(landing.data()[at] >= expected);
  };
  REQUIRE(reader.fabric->import_object(two.peers[1], object, bytes, &landing));
  REQUIRE(two.until([&] { return attached; }));
  for (unsigned round = 1; round <= 20; ++round) {
    std::memset(mine.data(), static_cast<int>(round), bytes);
    REQUIRE(owner.fabric->push_to(two.peers[0], object, 0, bytes, Lane::bulk));
    for (unsigned word = 2 * round - 2; word < 2 * round; ++word)
      REQUIRE(owner.fabric->send(two.peers[0], Lane::bulk, as_bytes(std::to_string(word)), 0));
    REQUIRE(two.until([&] { return told == 2 * round; }));
  }
  reader.fabric->release(two.peers[1], object);
  for (Node& node : two.nodes) node.fabric.reset();
}

TEST_CASE("the link of an object is cut while it is on its way: the peer is lost, at both ends") {
  constexpr std::size_t bytes = 4 << 20;
  for (const std::size_t end : {0, 1}) {
    Two two;
    REQUIRE(two.all_up());
    Memory mine = memory(bytes), landing = memory(bytes);
    REQUIRE(two.nodes[0].fabric->expose(object, mine));
    REQUIRE(two.nodes[1].fabric->import_object(two.peers[1], object, bytes, &landing));
    two.nodes[end].links[tcp_link]->cut();
    CHECK(two.until([&] { return !two.nodes[1].lost.empty(); }));
    CHECK(two.nodes[1].lost.starts_with("a large object was on its way from it: "));
    two.nodes[1].fabric->disconnect(two.peers[1]);
    CHECK(two.until([&] { return !two.nodes[0].lost.empty(); }));
    for (Node& node : two.nodes) node.fabric.reset();
  }
}

TEST_CASE(
    "without a network there is no way for an object, and the peer is lost when one is asked") {
  Two two;
  REQUIRE(two.all_up());
  Memory landing = memory(4096);
  two.nodes[1].links[tcp_link]->cut();
  two.turn();
  CHECK(two.nodes[1].lost.empty());
  const auto imported = two.nodes[1].fabric->import_object(two.peers[1], object, 4096, &landing);
  REQUIRE_FALSE(imported);
  CHECK(imported.error().code == Code::lost);
  two.turn();
  CHECK(two.nodes[1].lost.starts_with("no network is left for its large objects"));
}

TEST_CASE("an address of others, or of nobody in common, is refused with a reason") {
  Node node;
  const auto shm_address = node.links[shm_link]->address();
  const auto refused = node.fabric->connect(shm_address, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::invalid);
  mixed::Children only;
  auto tcp = ofi::make_tcp()->open({});
  REQUIRE(tcp);
  only.push_back(std::move(*tcp));
  auto other = mixed::make("mine", "here", std::move(only));
  REQUIRE(other);
  CHECK((*other)->name() == "mine");
  CHECK_FALSE((*other)->capabilities().lends);
  CHECK(node.fabric->capabilities().lends);
  CHECK_FALSE(node.fabric->capabilities().maps);
  CHECK(node.fabric->connect((*other)->address(), {}));  // tcp
}

TEST_CASE("a mix of nothing, or of memory only, is none") {
  CHECK_FALSE(mixed::make("none", "here", {}));
  mixed::Children only;
  auto opened = shm::make_provider()->open({});
  REQUIRE(opened);
  only.push_back(std::move(*opened));
  const auto made = mixed::make("shm", "here", std::move(only));
  REQUIRE_FALSE(made);
  CHECK(made.error().code == Code::invalid);
}

}  // namespace
}  // namespace squall::conformance
