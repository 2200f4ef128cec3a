// Files between nodes of one process, over real fabrics.

#include "groups/files/sender.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "groups/files/scratch.h"
#include "groups/files/sink.h"
#include "groups/node_test_kit.h"

namespace squall {
namespace {

using files::read_file;
using files::Scratch;
using files::write_file;
using Step = FileSender::Step;
using What = FileNews::What;
namespace fs = files::fs;

constexpr std::size_t mib = std::size_t{1} << 20;

std::string content(std::size_t bytes, unsigned seed) {
  std::string text(bytes, '\0');
  for (std::size_t at = 0; at < bytes; ++at)
    text[at] = static_cast<char>((seed * 131 + at * 7 + (at >> 12)) & 0xff);
  return text;
}

/// Members, each with a sink in a folder of its own, and what it made of all that was delivered.
struct Members {
  Members(std::size_t count, const std::string& fabric, bool threads,
          std::size_t large_memory = mib) {
    auto configs = make_configs(count, fabric);
    for (Config& config : configs) {
      config.engine_thread = threads;
      config.failure_timeout = std::chrono::seconds(20);  // it is many members, and slow disks
      config.groups[0].ring_bytes = 1 << 16;
      config.groups[0].block_bytes = 1 << 16;
      config.groups[0].large_memory = large_memory;
    }
    nodes = start_all(configs);
    news.resize(count);
    for (std::size_t member = 0; member < count; ++member) {
      REQUIRE_MESSAGE(nodes[member], nodes[member].error().text());
      fs::create_directory(folder(member));
      auto sink = FileSink::open(folder(member).string());
      REQUIRE(sink);
      sinks.push_back(std::make_unique<FileSink>(std::move(*sink)));
      group(member).on_deliver(
          [this, member, view = (*nodes[member])->view()](const Delivery& message) {
            FileNews made = sinks[member]->take(view->members[message.sender], message.bytes);
            if (made.what == What::piece) return;
            const std::lock_guard lock(mutex);
            news[member].push_back(std::move(made));
          });
    }
  }
  fs::path folder(std::size_t member) { return scratch / fmt::format("{}", member); }
  Group& group(std::size_t member) { return *(*nodes[member])->group("test"); }
  bool turn() {
    bool worked = false;
    for (auto& node : nodes) worked |= (*node)->poll();
    return worked;
  }
  template <class Done>
  bool until(Done done) {
    const Time limit = soon();
    while (!done() && Monotonic::now() < limit)
      if ((*nodes[0])->threaded() || !turn()) std::this_thread::yield();
    return done();
  }
  /// What was neither a piece in the middle nor forgotten.
  bool all_have(std::size_t count) {
    const std::lock_guard lock(mutex);
    return std::ranges::all_of(news, [&](const auto& each) { return each.size() == count; });
  }
  FileSender sender(std::size_t member, const fs::path& path, const std::string& name,
                    const FileSending& options = {}) {
    auto made = FileSender::open(group(member), path.string(), name, options);
    REQUIRE_MESSAGE(made, made.error().text());
    return std::move(*made);
  }

  Scratch scratch;
  std::vector<Result<std::unique_ptr<Node>>> nodes;
  std::vector<std::unique_ptr<FileSink>> sinks;
  std::mutex mutex;
  std::vector<std::vector<FileNews>> news;
};

TEST_CASE("files of all sizes, also many times the pool's, from all members, at every member") {
  for (const char* fabric : {"shm", "tcp"})
    for (const std::size_t members : {1u, 3u}) {
      CAPTURE(fabric);
      CAPTURE(members);
      Members world(members, fabric, false);
      const std::vector<std::size_t> sizes{0, 1, 16'000, 16'384, 70'000, 8 * mib + 17};
      for (std::size_t i = 0; i < sizes.size(); ++i)
        write_file(world.scratch / fmt::format("file{}", i),
                   content(sizes[i], static_cast<unsigned>(i)), 0640);
      std::vector<std::list<FileSender>> senders(members);
      for (std::size_t member = 0; member < members; ++member)
        for (std::size_t i = 0; i < sizes.size(); ++i)
          senders[member].push_back(world.sender(member, world.scratch / fmt::format("file{}", i),
                                                 fmt::format("from{}/file{}", member, i)));
      // Two at a time, a piece of each in turn; beside them a message with every turn.
      const std::size_t messages = 20;
      std::vector<std::size_t> said(members, 0);
      const std::size_t all = members * (sizes.size() + messages);
      REQUIRE(world.until([&] {
        for (std::size_t member = 0; member < members; ++member) {
          auto& mine = senders[member];
          std::size_t at_once = 2;
          for (auto at = mine.begin(); at != mine.end() && at_once-- > 0;) {
            const auto went = at->advance();
            REQUIRE_MESSAGE(went, went.error().text());
            at = *went == Step::done ? mine.erase(at) : std::next(at);
          }
          if (said[member] < messages)
            said[member] += world.group(member).try_send(as_bytes("hello")).has_value();
        }
        return world.all_have(all);
      }));
      for (std::size_t member = 0; member < members; ++member) {
        for (std::size_t at = 0; at < all; ++at) {
          const FileNews& each = world.news[member][at];
          CHECK((each.what == What::complete || each.what == What::not_a_piece));
          // The same in the same order.
          CHECK(each.path == world.news[0][at].path);
          CHECK(each.digest == world.news[0][at].digest);
        }
        for (std::size_t from = 0; from < members; ++from)
          for (std::size_t i = 0; i < sizes.size(); ++i)
            CHECK(read_file(world.folder(member) / fmt::format("from{}/file{}", from, i)) ==
                  content(sizes[i], static_cast<unsigned>(i)));
      }
      shut_down_all(world.nodes);
    }
}

TEST_CASE("send_file waits for room on any thread while engines turn") {
  for (const char* fabric : {"shm", "tcp"}) {
    CAPTURE(fabric);
    Members world(2, fabric, true);
    write_file(world.scratch / "large", content(3 * mib, 1));
    write_file(world.scratch / "small", content(10'000, 2));
    std::vector<std::thread> threads;
    for (std::size_t thread = 0; thread < 3; ++thread)
      threads.emplace_back([&, thread] {
        for (const char* name : {"large", "small", "small"}) {
          const auto sent = send_file(world.group(thread % 2), (world.scratch / name).string(),
                                      fmt::format("{}{}", name, thread));
          CHECK_MESSAGE(sent, (sent ? "" : sent.error().text()));
        }
      });
    for (std::thread& thread : threads) thread.join();
    REQUIRE(world.until([&] { return world.all_have(9); }));
    shut_down_all(world.nodes);
    for (const std::size_t member : {0, 1})
      for (std::size_t thread = 0; thread < 3; ++thread) {
        CHECK(read_file(world.folder(member) / fmt::format("large{}", thread)) ==
              content(3 * mib, 1));
        CHECK(read_file(world.folder(member) / fmt::format("small{}", thread)) ==
              content(10'000, 2));
      }
  }
}

TEST_CASE("send_file turns a node that nobody else turns") {
  Members world(1, "shm", false);
  write_file(world.scratch / "large", content(5 * mib, 1));
  write_file(world.scratch / "small", content(15'000, 2));
  REQUIRE(send_file(world.group(0), (world.scratch / "large").string(), "large"));
  for (int i = 0; i < 20; ++i)
    REQUIRE(send_file(world.group(0), (world.scratch / "small").string(), "small"));
  REQUIRE(world.until([&] { return world.all_have(21); }));
  CHECK(read_file(world.folder(0) / "large") == content(5 * mib, 1));
  shut_down_all(world.nodes);
}

TEST_CASE("a file that changes while it is sent is nobody's, and the next one comes") {
  for (const bool grows : {true, false}) {
    CAPTURE(grows);
    Members world(2, "shm", false);
    const fs::path file = world.scratch / "file";
    write_file(file, content(2 * mib, 1));
    auto sender = world.sender(0, file, "file");
    REQUIRE(world.until([&] { return *sender.advance() == Step::sent; }));
    if (grows)
      std::ofstream(file, std::ios::app) << "more";
    else
      fs::resize_file(file, mib);
    Result<Step> went = Step::waits;
    REQUIRE(world.until([&] { return !(went = sender.advance()); }));
    CHECK(went.error().code == Code::io);
    CHECK(went.error().text().find("file changed while it was read") != std::string::npos);
    REQUIRE(world.until([&] { return world.all_have(1); }));
    for (const std::size_t member : {0, 1}) {
      CHECK(world.news[member][0].what == What::abandoned);
      CHECK(world.news[member][0].path == "file");
      CHECK(world.news[member][0].why.text().find("changed while it was read") !=
            std::string::npos);
      CHECK(fs::is_empty(world.folder(member)));
    }
    // The same sender says the same again; a new one sends what is there now.
    CHECK(sender.advance().error().code == Code::io);
    auto again = world.sender(0, file, "file");
    REQUIRE(world.until([&] { return *again.advance() == Step::done; }));
    REQUIRE(world.until([&] { return world.all_have(2); }));
    CHECK(read_file(world.folder(1) / "file") == read_file(file));
    shut_down_all(world.nodes);
  }
}

TEST_CASE("a sender that goes before its file has gone tells the others") {
  Members world(2, "tcp", false);
  write_file(world.scratch / "file", content(2 * mib, 1));
  {
    auto sender = world.sender(0, world.scratch / "file", "file");
    REQUIRE(world.until([&] { return *sender.advance() == Step::sent; }));
    auto moved = std::move(sender);
    CHECK(moved.bytes() > 0);
    CHECK(moved.bytes() < moved.total());
  }
  REQUIRE(world.until([&] { return world.all_have(1); }));
  CHECK(world.news[1][0].what == What::abandoned);
  CHECK(fs::is_empty(world.folder(1)));
  shut_down_all(world.nodes);
}

TEST_CASE("what cannot be sent is an error before anything is") {
  Members world(1, "shm", false);
  write_file(world.scratch / "file", content(100, 1));
  const auto error = [&](const fs::path& path, const std::string& name,
                         const FileSending& options = {}) {
    auto made = FileSender::open(world.group(0), path.string(), name, options);
    REQUIRE_FALSE(made);
    return made.error();
  };
  CHECK(error(world.scratch / "none", "f").code == Code::io);
  CHECK(error(world.scratch.path(), "f").text().find("no regular file") != std::string::npos);
  CHECK(error(world.scratch / "file", "../f").code == Code::refused);
  CHECK(error(world.scratch / "file", "f", {.max_file_bytes = 99}).code == Code::too_large);
  auto sender = world.sender(0, world.scratch / "file", "f");
  shut_down_all(world.nodes);
  CHECK(sender.advance().error().code == Code::closed);
  CHECK(world.news[0].empty());
}

TEST_CASE("who is no sender of the group says so") {
  auto configs = make_configs(2, "shm");
  for (Config& config : configs) config.groups[0].senders = {"a"};
  auto nodes = start_all(configs);
  const Scratch scratch;
  write_file(scratch / "file", "x");
  for (auto& node : nodes) REQUIRE_MESSAGE(node, node.error().text());
  Group& group = *(*nodes[1])->group("test");
  group.on_deliver([](const Delivery&) {});
  (*nodes[0])->group("test")->on_deliver([](const Delivery&) {});
  CHECK(send_file(group, (scratch / "file").string(), "f").error().code == Code::invalid);
  shut_down_all(nodes);
}

}  // namespace
}  // namespace squall
