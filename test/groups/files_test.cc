// Files in groups of processes, whose senders die while files are under way; and files that are
// larger than the memory that members have for them.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "groups/files/scratch.h"
#include "groups/files/sender.h"
#include "groups/files/sink.h"
#include "groups/node.h"
#include "test/groups/member.h"
#include "test/groups/process.h"

namespace squall::group_tests {
namespace {

namespace fs = files::fs;
using files::Scratch;
using What = FileNews::What;

constexpr std::size_t mib = std::size_t{1} << 20;

/// What a file of these is, wherever it is made.
std::string content(Rank seat, unsigned number) {
  std::string text(700'000 + 1000 * number, '\0');
  fill_payload(seat, number, {reinterpret_cast<std::byte*>(text.data()), text.size()});
  return text;
}

std::string name_of(Rank seat, unsigned number) {
  return fmt::format("{}/{}", seat, number);
}

struct FileSeats : Seats {
  explicit FileSeats(std::size_t members) : Seats(members, fabric_name) {
    each([](Config& config) {
      GroupConfig& group = config.groups[0];
      group.ring_bytes = 1 << 16;
      group.block_bytes = 1 << 16;
      group.large_memory = mib;
    });
  }
};

/// A member with a sink in a folder of its own, that writes down what comes of files. A line each,
/// the same at all members that go on together, in the same order.
class Keeper {
 public:
  Keeper(const Config& config, const fs::path& folder)
      : node_(started(config)), group_(*node_->group("test")), sink_(sink_in(folder)) {
    node_->on_view([this](const ViewChange& change) {
      ++views_;
      log_ += fmt::format("view of {}\n", change.view->size());
      for (const FileNews& news : sink_.on_view(*change.view)) note(news);
    });
    group_.on_deliver([this](const Delivery& message) {
      note(sink_.take(group_.view()->members[message.sender], message.bytes));
    });
  }
  Node& node() { return *node_; }
  Group& group() { return group_; }
  const std::string& log() const { return log_; }
  unsigned complete() const { return complete_; }
  unsigned views() const { return views_; }
  /// One turn, and whatever waiting there is to be done.
  void turn() {
    if (!node_->poll()) node_->idle(Monotonic::now() + std::chrono::milliseconds(1));
    if (const auto stopped = node_->stopped()) expect(false, "stopped: " + stopped->text());
  }
  void shut_down() {
    const auto ended = node_->shutdown(Monotonic::now() + patience);
    expect(ended.has_value(), ended ? "" : ended.error().text());
  }

 private:
  static FileSink sink_in(const fs::path& folder) {
    fs::create_directories(folder);
    auto sink = FileSink::open(folder.string());
    expect(sink.has_value(), sink ? "" : sink.error().text());
    return std::move(*sink);
  }
  void note(const FileNews& news) {
    if (news.what == What::piece) return;
    expect(news.what == What::complete || news.what == What::abandoned, "every message is a piece");
    complete_ += news.what == What::complete;
    log_ +=
        fmt::format("{} {}\n", news.path, news.what == What::complete ? "came" : "did not come");
  }

  std::unique_ptr<Node> node_;
  Group& group_;
  FileSink sink_;
  std::string log_;
  unsigned complete_ = 0;
  unsigned views_ = 0;
};

FileSender sender_of(Keeper& keeper, const fs::path& path, const std::string& name) {
  auto sender = FileSender::open(keeper.group(), path.string(), name);
  expect(sender.has_value(), sender ? "" : sender.error().text());
  return std::move(*sender);
}

/// Sends one file after the other until it is enough. Says "flowing" when some have come, "view"
/// when one has changed, and its log at the end.
void send_on(Line& line, const Config& config, const fs::path& scratch) {
  Keeper keeper(config, scratch / config.name);
  const Rank seat = keeper.node().rank();
  const fs::path source = scratch / ("source of " + config.name);
  std::optional<FileSender> sender;
  unsigned number = 0, views = 0;
  bool said = false, enough = false;
  while (!enough || sender) {
    if (!sender && !enough) {
      const std::string bytes = content(seat, number);
      std::ofstream(source, std::ios::binary).write(bytes.data(), std::ssize(bytes));
      sender.emplace(sender_of(keeper, source, name_of(seat, number++)));
    }
    if (sender) {
      const auto went = sender->advance();
      expect(went.has_value(), went ? "" : went.error().text());
      if (*went == FileSender::Step::done) sender.reset();
    }
    keeper.turn();
    if (!said && keeper.complete() >= 6) {
      line.say("flowing");
      said = true;
    }
    if (keeper.views() > views) {
      line.say("view");
      ++views;
    }
    if (const auto word = line.hear(Duration{0})) enough = *word == "enough";
  }
  keeper.shut_down();
  line.say(keeper.log());
}

/// What of it came is there, whole, and nothing else is.
void check_folder(const fs::path& folder, const std::string& log) {
  std::size_t came = 0;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    if (!line.ends_with(" came")) continue;
    ++came;
    const std::string name = line.substr(0, line.size() - 5);
    const std::size_t slash = name.find('/');
    const std::string bytes = content(static_cast<Rank>(std::stoul(name.substr(0, slash))),
                                      static_cast<unsigned>(std::stoul(name.substr(slash + 1))));
    CHECK_MESSAGE(files::read_file(folder / name) == bytes, name);
  }
  std::size_t there = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) there += !entry.is_directory();
  CHECK(there == came);
}

std::vector<std::unique_ptr<Process>> start_in(FileSeats& seats, const Scratch& scratch) {
  return start_members(seats, [&scratch](Line& line, const Config& config) {
    send_on(line, config, scratch.path());
  });
}

TEST_CASE("members that send files are killed: the others have all of each or nothing") {
  for (const Rank victim : {Rank{0}, Rank{2}}) {
    CAPTURE(victim);
    const Scratch scratch;
    FileSeats seats(3);
    auto members = start_in(seats, scratch);
    for (auto& member : members) member->expect_word("flowing");
    members[victim]->signal(SIGKILL);
    std::vector<std::string> logs;
    for (Rank seat = 0; seat < 3; ++seat)
      if (seat != victim) members[seat]->expect_word("view");
    for (Rank seat = 0; seat < 3; ++seat)
      if (seat != victim) members[seat]->say("enough");
    for (Rank seat = 0; seat < 3; ++seat) {
      if (seat == victim) continue;
      logs.push_back(members[seat]->hear());
      members[seat]->expect_end();
      check_folder(scratch / seats.configs[seat].name, logs.back());
    }
    CHECK(logs[0] == logs[1]);
    CHECK(logs[0].find("view of 2\n") != std::string::npos);
  }
}

/// Sends one file, and says so when so much of it has gone; the others say their log in the end.
void send_one(Line& line, const Config& config, const fs::path& scratch, std::uint64_t word_at) {
  Keeper keeper(config, scratch / config.name);
  if (keeper.node().rank() == 0) {
    auto sender = sender_of(keeper, scratch / "source", "file");
    for (bool said = false;;) {
      const auto went = sender.advance();
      expect(went.has_value(), went ? "" : went.error().text());
      if (*went == FileSender::Step::done) break;
      keeper.turn();
      if (!said && sender.bytes() >= word_at) {
        line.say("now");
        said = true;
      }
    }
  } else {
    line.say("ready");
  }
  while (keeper.views() == 0) keeper.turn();
  keeper.shut_down();
  line.say(keeper.log());
}

TEST_CASE("the sender of a file is killed in its middle: it came to all who are left, or to none") {
  const std::uint64_t total = 16 * mib;
  for (const std::uint64_t at : {std::uint64_t{1}, total / 2, total - mib / 2}) {
    CAPTURE(at);
    const Scratch scratch;
    files::write_file(scratch / "source", std::string(total, 's'));
    FileSeats seats(3);
    auto members = start_members(seats, [&](Line& line, const Config& config) {
      send_one(line, config, scratch.path(), at);
    });
    for (const Rank seat : {1, 2}) members[seat]->expect_word("ready");
    members[0]->expect_word("now");
    members[0]->signal(SIGKILL);
    std::vector<std::string> logs;
    for (const Rank seat : {1, 2}) {
      logs.push_back(members[seat]->hear());
      members[seat]->expect_end();
    }
    CHECK(logs[0] == logs[1]);
    const bool came = logs[0].find("file came\n") != std::string::npos;
    for (const Rank seat : {1, 2}) {
      const fs::path folder = scratch / seats.configs[seat].name;
      CHECK(fs::exists(folder / "file") == came);
      CHECK(std::distance(fs::directory_iterator(folder), {}) == (came ? 1 : 0));
      if (came) CHECK(fs::file_size(folder / "file") == total);
    }
  }
}

/// The most memory that this process has had, so far.
std::size_t peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:") {
      std::size_t kib = 0;
      status >> kib;
      return kib << 10;
    }
  return 0;
}

/// In MiB; the one of 16 GiB is for who asks for it.
std::uint64_t large_file_bytes() {
  const char* given = std::getenv("SQUALL_TEST_FILE_MIB");
  return (given != nullptr ? std::stoull(given) : 128) * mib;
}

TEST_CASE("a file much larger than the memory for it comes whole, and memory is what it was") {
  const Scratch scratch;
  const std::uint64_t total = large_file_bytes();
  {
    // Mostly holes, which are read as fast as memory, and say where they are.
    std::ofstream file(scratch / "source", std::ios::binary);
    for (const std::uint64_t at : {std::uint64_t{0}, total / 2 + 1, total - 6}) {
      file.seekp(static_cast<std::streamoff>(at));
      file << "marker";
    }
  }
  FileSeats seats(2);
  seats.each([](Config& config) {
    config.groups[0].large_memory = 4 * mib;
    config.failure_timeout = std::chrono::seconds(20);  // the disk is slower than the members
  });
  auto members = start_members(seats, [&](Line& line, const Config& config) {
    const std::size_t before = peak_bytes();
    Keeper keeper(config, scratch.path() / config.name);
    if (keeper.node().rank() == 0) {
      auto sender = sender_of(keeper, scratch / "source", "file");
      while (*sender.advance() != FileSender::Step::done) keeper.turn();
    }
    while (keeper.complete() == 0) keeper.turn();
    // A pool at each end, and what a node needs by itself.
    const std::size_t more = peak_bytes() - before;
    expect(more < 64 * mib, fmt::format("it took {} bytes of memory", more));
    keeper.shut_down();
    line.say("done");
  });
  const Duration limit = longest_patience + std::chrono::milliseconds(10) * (total / mib);
  for (auto& member : members) {
    member->expect_word("done", limit);
    member->expect_end();
  }
  for (const Config& config : seats.configs) {
    const fs::path copy = scratch.path() / config.name / "file";
    REQUIRE(fs::file_size(copy) == total);
    std::ifstream file(copy, std::ios::binary);
    for (const std::uint64_t at : {std::uint64_t{0}, total / 2 + 1, total - 6}) {
      std::string marker(6, '\0');
      file.seekg(static_cast<std::streamoff>(at));
      file.read(marker.data(), 6);
      CHECK(marker == "marker");
    }
  }
}

}  // namespace
}  // namespace squall::group_tests
