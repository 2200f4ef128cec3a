// Clients of nodes of one process, over the real rendezvous: what calls do, what goes wrong, and
// that another member goes on where one leaves.
#include "groups/client/client.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <deque>
#include <future>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "groups/client/client_test_kit.h"

namespace squall {
namespace {

TEST_CASE("a client updates and reads an object through a member") {
  Served group(2);
  auto counters = group.objects<Counter>();
  auto client = group.client();
  CHECK((client->member() == "a" || client->member() == "b"));
  auto counter = client->object<Counter>("test");
  REQUIRE(counter);
  const auto added = counter.update<&Counter::add>(5u).get(soon());
  REQUIRE_MESSAGE(added, added.error().text());
  CHECK(added->value == 5);
  const auto again = counter.update<&Counter::add>(2u).get(soon());
  REQUIRE(again);
  CHECK(again->value == 7);
  CHECK(again->version > added->version);
  CHECK(counter.read<&Counter::get>().get(soon()) == 7);
  CHECK(counter.linearizable().read<&Counter::get>().get(soon()) == 7);
  REQUIRE(counter.update<&Counter::reset>().get(soon()));
  CHECK(counter.read<&Counter::get>().get(soon()) == 0);
  CHECK(counters[0].linearizable().read<&Counter::get>().get(soon()) == 0);
}

TEST_CASE("calls are pipelined, and each is executed once, in order") {
  Served group(3);
  auto counters = group.objects<Counter>();
  auto config = group.client_config();
  for (const bool threaded : {false, true}) {
    config.engine_thread = threaded;
    auto client = group.client(config);
    auto counter = client->object<Counter>("test");
    REQUIRE(counter.update<&Counter::reset>().get(soon()));
    std::vector<ClientUpdate<std::uint64_t>> calls;
    for (int i = 0; i < 1000; ++i) calls.push_back(counter.update<&Counter::add>(1u));
    int followed = 0;
    calls.back().then([&](const auto& reply) { followed = reply.has_value() ? 1 : -1; });
    for (std::size_t at = 0; at < calls.size(); ++at) {
      const auto reply = calls[at].get(soon());
      REQUIRE_MESSAGE(reply, reply.error().text());
      CHECK(reply->value == at + 1);
    }
    CHECK(counter.read<&Counter::get>().get(soon()) == 1000);
  }
}

TEST_CASE("what an update throws, returns too much of, or takes too much for, is its error") {
  Served group(2, "shm", [](Config& config) { config.groups[0].ring_bytes = 1 << 20; });
  auto counters = group.objects<Counter>();
  auto client = group.client();
  auto counter = client->object<Counter>("test");
  const auto thrown = counter.update<&Counter::fail>("no such luck").get(soon());
  REQUIRE_FALSE(thrown);
  CHECK(thrown.error().what == "fail threw: no such luck");
  CHECK(thrown.error().effect == Effect::yes);
  const auto blob = counter.update<&Counter::blob>(100'000u).get(soon());
  REQUIRE_FALSE(blob);
  CHECK(blob.error().code == Code::too_large);
  CHECK(blob.error().effect == Effect::yes);
  // Over the largest message of the group, and over what a client may say.
  const auto refused = counter.update<&Counter::fail>(std::string(262'100, 'x')).get(soon());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::too_large);
  CHECK(refused.error().effect == Effect::no);
  const auto never_said = counter.update<&Counter::fail>(std::string(300'000, 'x')).get(soon());
  REQUIRE_FALSE(never_said);
  CHECK(never_said.error().code == Code::too_large);
  // They take their numbers along: what follows goes on.
  const auto added = counter.update<&Counter::add>(1u).get(soon());
  REQUIRE_MESSAGE(added, added.error().text());
  CHECK(added->value == 1);
  // Many large replies are more than is kept at once.
  std::deque<ClientRead<std::string>> texts;
  for (int i = 0; i < 20; ++i) texts.push_back(counter.read<&Counter::text>(400'000u));
  for (int i = 0; i < 20; ++i)
    texts.push_back(counter.linearizable().read<&Counter::text>(100'000u));
  for (auto& each : texts) {
    const auto text = each.get(soon());
    REQUIRE_MESSAGE(text, text.error().text());
    CHECK(text->size() >= 100'000);
  }
}

struct Other {
  int value = 0;
  static constexpr int version = 3;
  int set(int to) { return value = to; }
};

TEST_CASE("what cannot be is refused, with the reason") {
  Served group(2);
  auto counters = group.objects<Counter>();
  auto config = group.client_config();
  config.start_timeout = std::chrono::milliseconds(700);
  auto client = group.client(config);
  auto unknown = client->object<Counter>("nothing");
  CHECK_FALSE(unknown);
  CHECK(unknown.update<&Counter::add>(1u).get(soon()).error().what == "no group is called nothing");
  const auto other = client->object<Other>("test").update<&Other::set>(1).get(soon());
  REQUIRE_FALSE(other);
  CHECK(other.error().code == Code::refused);
  CHECK(other.error().effect == Effect::no);
  CHECK_MESSAGE(other.error().what.find(
                    "version 0 of Counter, and the client version 3 of Other") != std::string::npos,
                other.error().text());
  CHECK(client->object<Counter>("test").shard(1).error().code == Code::invalid);
  // Another layout.
  config.groups[0].ring_bytes = 65536;
  const auto misfit = Client::connect(config);
  REQUIRE_FALSE(misfit);
  CHECK_MESSAGE(misfit.error().code == Code::refused, misfit.error().text());
  CHECK_MESSAGE(misfit.error().what.find("ring_bytes") != std::string::npos, misfit.error().text());
}

TEST_CASE("a group without an object, and members that are not there, are an error in time") {
  Served group(1);
  auto config = group.client_config();
  config.start_timeout = std::chrono::milliseconds(300);
  {
    auto client = group.client(config);
    const auto none = client->object<Counter>("test").read<&Counter::get>().get(soon());
    REQUIRE_FALSE(none);
    CHECK(none.error().code == Code::timeout);
    CHECK(none.error().effect == Effect::no);
    CHECK_MESSAGE(none.error().what.find("it has no object in group test") != std::string::npos,
                  none.error().text());
    // Once there is one, it is found.
    auto counters = group.objects<Counter>();
    CHECK(client->object<Counter>("test").read<&Counter::get>().get(soon()) == 0);
  }
  group.nodes.clear();
  const auto nobody = Client::connect(config);
  REQUIRE_FALSE(nobody);
  CHECK_MESSAGE(nobody.error().what.find("a: Connection refused") != std::string::npos,
                nobody.error().text());
}

TEST_CASE("when members leave, the client goes on with the others, and each update is once") {
  for (const std::string fabric : {"shm", "tcp"}) {
    Served group(3, fabric);
    auto counters = group.objects<Counter>();
    auto client = group.client();
    auto counter = client->object<Counter>("test");
    std::deque<ClientUpdate<std::uint64_t>> calls;
    std::uint64_t sent = 0, last = 0, read = 0;
    const auto work = [&](std::uint64_t until) {
      while (last < until) {
        while (sent < until && calls.size() < 100)
          calls.push_back(counter.update<&Counter::add>(1u)), ++sent;
        const auto reply = calls.front().get(soon());
        REQUIRE_MESSAGE(reply, reply.error().text());
        CHECK(reply->value == last + 1);
        last = reply->value;
        calls.pop_front();
        if (last % 20 != 0) continue;
        const auto now = counter.read<&Counter::get>().get(soon());
        REQUIRE_MESSAGE(now, now.error().text());
        CHECK(*now >= last);
        CHECK(*now >= read);
        read = *now;
      }
    };
    work(500);
    for (int round = 1; round <= 2; ++round) {
      const std::string server = counter.member();
      REQUIRE(server.size() == 1);
      auto& node = group.nodes[group.index_of(server)];
      for (int i = 0; i < 50; ++i) calls.push_back(counter.update<&Counter::add>(1u)), ++sent;
      client->poll();
      REQUIRE(node->leave(soon()));
      node.reset();
      work(500 + static_cast<std::uint64_t>(round) * 500);
      CHECK(counter.member() != server);
    }
    CHECK(counter.linearizable().read<&Counter::get>().get(soon()) == sent);
  }
}

TEST_CASE("members that shut down tell their clients first what became of what was under way") {
  // Nothing is executed while the second member does not turn.
  Served group(2, "shm", [](Config& config) { config.engine_thread = config.name == "a"; });
  Node& turned = *group.nodes[1];
  auto counters = group.objects<Counter>();
  Config config = group.client_config();
  config.contacts.resize(1);
  auto connecting = std::async(
      std::launch::async, [&] { return std::pair(group.client(config), group.client(config)); });
  while (connecting.wait_for(std::chrono::seconds(0)) != std::future_status::ready) turned.poll();
  const auto [client, idle] = connecting.get();
  auto counter = client->object<Counter>("test");
  const auto turn_until = [&](auto done) {
    const Time limit = soon();
    while (!done() && Monotonic::now() < limit) client->poll(), turned.poll();
    return done();
  };
  auto first = counter.update<&Counter::add>(5u);
  REQUIRE(turn_until([&] { return first.ready(); }));
  auto second = counter.update<&Counter::add>(2u);
  const Time limit = soon();
  while (group.nodes[0]->group("test")->laggards().empty() && Monotonic::now() < limit)
    client->poll();
  REQUIRE_FALSE(group.nodes[0]->group("test")->laggards().empty());  // it is in the order
  auto other = std::async(std::launch::async, [&] { return group.nodes[0]->shutdown(soon()); });
  // Whoever is owed nothing is sent away at once.
  while (!idle->member().empty() && Monotonic::now() < limit) idle->poll();
  REQUIRE(idle->member().empty());
  client->poll();
  CHECK_FALSE(second.ready());
  CHECK(turned.shutdown(soon()));
  CHECK(other.get());
  const auto reply = second.get(soon());
  REQUIRE_MESSAGE(reply, reply.error().text());
  CHECK(reply->value == 7);
}

TEST_CASE("a moment without a majority sends no client away, and a failure timeout does") {
  Served group(2, "shm", [](Config& config) { config.engine_thread = config.name == "b"; });
  auto counters = group.objects<Counter>();
  Config config = group.client_config();
  config.contacts.erase(config.contacts.begin());
  auto connecting = std::async(std::launch::async, [&] { return group.client(config); });
  while (connecting.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
    group.nodes[0]->poll();
  auto client = connecting.get();
  CHECK(client->member() == "b");
  // It turns no more: the other is without contact after 600 ms, and alone 2 s later.
  const Time since = Monotonic::now();
  const auto poll_until = [&](Time end) {
    while (Monotonic::now() < end && !client->member().empty())
      if (!client->poll()) client->idle(end);
  };
  poll_until(since + std::chrono::milliseconds(1300));
  CHECK(client->member() == "b");
  poll_until(soon());
  CHECK(client->member().empty());
}

TEST_CASE("notices of a member come to its clients that listen, in order") {
  Served group(2);
  auto counters = group.objects<Counter>();
  auto client = group.client();
  auto other = group.client();
  auto counter = client->object<Counter>("test");
  std::vector<std::string> heard;
  int gaps = 0;
  counter.on_notice([&](Bytes notice) { heard.emplace_back(as_text(notice)); }, [&] { ++gaps; });
  auto deaf = other->object<Counter>("test");
  REQUIRE(deaf.read<&Counter::get>().get(soon()));
  // Answered after it listens.
  REQUIRE(counter.read<&Counter::get>().get(soon()));
  const std::size_t server = group.index_of(counter.member());
  for (int i = 0; i < 100; ++i)
    REQUIRE(counters[server].notify(as_bytes(std::to_string(i))).has_value());
  const auto wait_for = [&](auto done) {
    const Time limit = soon();
    while (!done() && Monotonic::now() < limit)
      if (!client->poll()) client->idle(Monotonic::now() + std::chrono::milliseconds(10));
    return done();
  };
  REQUIRE(wait_for([&] { return heard.size() == 100; }));
  for (int i = 0; i < 100; ++i) CHECK(heard[static_cast<std::size_t>(i)] == std::to_string(i));
  CHECK(counters[server].notify(std::vector<std::byte>(600'000)).error().code == Code::too_large);
  REQUIRE(group.nodes[server]->leave(soon()));
  group.nodes[server].reset();
  REQUIRE(wait_for([&] { return gaps == 1; }));
  REQUIRE(counters[1 - server].notify(as_bytes("again")).has_value());
  REQUIRE(wait_for([&] { return heard.size() == 101; }));
  CHECK(counters[server].notify(as_bytes("gone")).error().code == Code::closed);
}

TEST_CASE("a client is turned by a loop of others, which sleeps on its descriptor") {
  Served group(1);
  auto counters = group.objects<Counter>();
  auto client = group.client();
  auto counter = client->object<Counter>("test");
  REQUIRE(client->fd() >= 0);
  CHECK(client->fd() == client->fd());
  std::uint64_t answers = 0;
  std::size_t heard = 0;
  counter.on_notice([&](Bytes) { ++heard; });
  unsigned polls = 0;
  const auto turn_until = [&](auto done) {
    const Time limit = soon();
    pollfd ready{client->fd(), POLLIN, 0};
    while (!done() && Monotonic::now() < limit)
      if (::poll(&ready, 1, 1000) == 1) ++polls, client->poll();
    return done();
  };
  for (std::uint64_t call = 1; call <= 20; ++call) {
    counter.update<&Counter::add>(1u).then(
        [&](const auto& reply) { answers += reply.has_value(); });
    REQUIRE(turn_until([&] { return answers == call; }));
  }
  REQUIRE(counters[0].notify(as_bytes("now")).has_value());
  REQUIRE(turn_until([&] { return heard == 1; }));
  // From a thread that does not turn it.
  std::thread other([&] {
    counter.update<&Counter::add>(1u).then(
        [&](const auto& reply) { answers += reply.has_value(); });
  });
  REQUIRE(turn_until([&] { return answers == 21; }));
  other.join();
  // It is not readable all the time.
  polls = 0;
  pollfd ready{client->fd(), POLLIN, 0};
  const Time end = Monotonic::now() + std::chrono::milliseconds(300);
  while (Monotonic::now() < end)
    if (::poll(&ready, 1, 50) == 1) ++polls, client->poll();
  CHECK(polls < 100);
}

TEST_CASE("who does not turn is sent away when too much waits for it, and comes again with a gap") {
  Served group(1);
  auto counters = group.objects<Counter>();
  auto client = group.client();
  auto counter = client->object<Counter>("test");
  std::size_t heard = 0;
  int gaps = 0;
  counter.on_notice([&](Bytes) { ++heard; }, [&] { ++gaps; });
  REQUIRE(counter.read<&Counter::get>().get(soon()));
  // It is not turned, and more than is kept for it, in any buffer, is to be told.
  const std::vector<std::byte> notice(100'000);
  for (int i = 0; i < 200; ++i) REQUIRE(counters[0].notify(notice));
  const Time limit = soon();
  while (gaps == 0 && Monotonic::now() < limit)
    if (!client->poll()) client->idle(Monotonic::now() + std::chrono::milliseconds(10));
  CHECK(gaps == 1);
  CHECK(heard < 200);
  CHECK(counter.update<&Counter::add>(1u).get(soon())->value == 1);
}

TEST_CASE("each shard is served by one of its own members") {
  Served group(4, "shm", [](Config& config) {
    config.groups[0].shards = 2;
    config.groups[0].replicas = 2;
  });
  auto counters = group.objects<Counter>();
  auto client = group.client();
  auto counter = client->object<Counter>("test");
  CHECK_FALSE(counter);
  CHECK(counter.error().what == "group test has shards");
  CHECK(counter.shard(2).error().code == Code::invalid);
  std::vector<std::string> servers;
  for (std::size_t shard = 0; shard < 2; ++shard) {
    auto part = counter.shard(shard);
    REQUIRE_MESSAGE(part, part.error().text());
    for (std::uint64_t i = 1; i <= 10; ++i) {
      const auto added = part.update<&Counter::add>(shard + 1).get(soon());
      REQUIRE_MESSAGE(added, added.error().text());
      CHECK(added->value == i * (shard + 1));
    }
    servers.push_back(part.member());
    const auto node = group.index_of(servers.back());
    CHECK(group.nodes[node]->group("test")->membership().shard == shard);
    CHECK(part.linearizable().read<&Counter::get>().get(soon()) == 10 * (shard + 1));
  }
  CHECK(servers[0] != servers[1]);
  CHECK(counter.of("bolts").read<&Counter::get>().get(soon()) == 10 * (shard_of("bolts", 2) + 1));
  // Contacts that are not in it do not do.
  auto config = group.client_config();
  config.start_timeout = std::chrono::milliseconds(500);
  std::erase_if(config.contacts, [&](const Contact& contact) {
    return group.nodes[0]->group("test")->membership().shard !=
           group.nodes[group.index_of(contact.name)]->group("test")->membership().shard;
  });
  const std::size_t there = *group.nodes[0]->group("test")->membership().shard;
  auto few = group.client(config);
  CHECK(few->object<Counter>("test").shard(there).read<&Counter::get>().get(soon()));
  const auto none = few->object<Counter>("test").shard(1 - there).read<&Counter::get>().get(soon());
  REQUIRE_FALSE(none);
  CHECK_MESSAGE(none.error().what.find("none of them a contact") != std::string::npos,
                none.error().text());
}

TEST_CASE(
    "a shard whose member goes is served by another one of it, and the others notice nothing") {
  Served group(5, "shm", [](Config& config) {
    config.groups[0].shards = 2;
    config.groups[0].replicas = 2;
  });
  auto counters = group.objects<Counter>();
  auto client = group.client();
  const auto counter = client->object<Counter>("test");
  const auto here = counter.shard(0), there = counter.shard(1);
  std::uint64_t sent = 0, kept = 0;
  for (int round = 0; round < 2; ++round) {
    std::vector<ClientUpdate<std::uint64_t>> calls;
    for (int i = 0; i < 20; ++i) calls.push_back(here.update<&Counter::add>(1u)), ++sent;
    const auto other = there.update<&Counter::add>(10u);
    CHECK(here.update<&Counter::add>(0u).get(soon()));
    const std::string server = here.member();
    REQUIRE(server.size() == 1);
    CHECK(there.member() != server);
    for (int i = 0; i < 20; ++i) calls.push_back(here.update<&Counter::add>(1u)), ++sent;
    client->poll();
    if (round == 0) {
      auto& node = group.nodes[group.index_of(server)];
      REQUIRE(node->leave(soon()));
      node.reset();
    }
    for (const auto& call : calls) {
      const auto reply = call.get(soon());
      REQUIRE_MESSAGE(reply, reply.error().text());
    }
    kept += 10;
    CHECK(other.get(soon())->value == kept);
    CHECK(here.update<&Counter::add>(0u).get(soon())->value == sent);
    CHECK(there.linearizable().read<&Counter::get>().get(soon()) == kept);
    if (round == 0) CHECK(here.member() != server);
    const auto& node = group.nodes[group.index_of(here.member())];
    REQUIRE(node);
    CHECK(node->group("test")->membership().shard == 0);
  }
}

TEST_CASE("inside an upcall nothing waits, and a closed client ends its calls") {
  Served group(1);
  auto counters = group.objects<Counter>();
  auto client = group.client();
  auto counter = client->object<Counter>("test");
  std::optional<Code> inside;
  auto call = counter.update<&Counter::add>(1u);
  call.then([&](const auto&) {
    inside = counter.read<&Counter::get>().get(soon()).error().code;
    throw std::runtime_error("which is logged");
  });
  REQUIRE(call.get(soon()));
  CHECK(inside == Code::would_block);
  auto open = counter.update<&Counter::add>(1u);
  client.reset();
  REQUIRE(open.ready());
  CHECK(open.get().error().code == Code::closed);
  CHECK(open.get().error().effect == Effect::unknown);
  CHECK(counter.read<&Counter::get>().get().error().code == Code::closed);
}

}  // namespace
}  // namespace squall
