// Walk and store together: what goes in comes out, and what must not come out does not.

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <vector>

#include "bench/replicate/store.h"
#include "bench/replicate/walk.h"
#include "core/base/time.h"
#include "groups/files/scratch.h"

namespace squall::replicate {

namespace fs = files::fs;
using files::picture;
using files::read_file;
using files::Scratch;
using files::write_file;

namespace {

/// Keeps every message; `on_commit` sees each.
class Recorder : public RecordSink {
 public:
  explicit Recorder(std::size_t max_bytes = 1 << 16) : max_bytes_(max_bytes) {}
  Result<MutableBytes> reserve(std::size_t bytes) override {
    if (bytes > max_bytes_) return fail(Code::too_large, "a record over the limit");
    records.emplace_back(bytes);
    return MutableBytes(records.back());
  }
  void commit() override {
    if (on_commit) on_commit(records.back());
  }
  Result<> send(files::PieceReader file) override {
    while (!file.done()) {
      std::vector<std::byte> message(file.next_bytes(max_bytes_));
      if (auto next = file.next(message); !next) return next;
      records.push_back(std::move(message));
      commit();
    }
    return {};
  }
  std::vector<std::vector<std::byte>> records;
  std::function<void(Bytes)> on_commit;

 private:
  std::size_t max_bytes_;
};

std::vector<Source> sources_of(const std::vector<std::string>& paths) {
  auto sources = plan_sources(paths);
  REQUIRE_MESSAGE(sources, sources.error().text());
  return *sources;
}

Result<> replay(const Recorder& recorder, Store& store) {
  for (const auto& bytes : recorder.records)
    if (auto taken = store.take(bytes); !taken) return tl::unexpected(taken.error());
  return {};
}

using Messages = std::vector<std::vector<std::byte>>;

Result<> take_all(Store& store, const Messages& messages) {
  for (const auto& bytes : messages)
    if (auto taken = store.take(bytes); !taken) return tl::unexpected(taken.error());
  return {};
}

std::vector<std::byte> record(const Record& record) {
  std::vector<std::byte> bytes(encoded_bytes(record));
  encode(record, bytes);
  return bytes;
}

std::vector<std::byte> piece(files::Piece piece, std::string_view bytes) {
  piece.bytes = as_bytes(bytes);
  std::vector<std::byte> message(files::header_bytes(piece.path.size()) + bytes.size());
  files::encode_header(piece, message);
  std::ranges::copy(as_bytes(bytes), message.end() - std::ssize(bytes));
  return message;
}

Digest::Value digest_of(std::string_view text) {
  return Digest().update(as_bytes(text)).value();
}

/// All of a file in one piece.
std::vector<std::byte> file(const std::string& path, std::uint32_t mode, std::string_view bytes) {
  return piece({.total = bytes.size(), .path = path, .mode = mode, .digest = digest_of(bytes)},
               bytes);
}

void make_tree(const fs::path& root) {
  fs::create_directories(root / "sub" / "deeper");
  fs::create_directories(root / "empty folder");
  write_file(root / "empty", "");
  write_file(root / "plain", "some text\n");
  write_file(root / "a name with spaces", "1", 0600);
  write_file(root / "a name\nwith a newline", "2", 0444);
  write_file(root / "sub" / "tool", "#!/bin/sh\n", 0755);
  write_file(root / "sub" / "deeper" / "large", std::string(3'000'001, 'x') + "end");
  fs::create_symlink("plain", root / "link");
  fs::create_symlink("../nowhere/at all", root / "sub" / "dangling");
  fs::create_symlink("sub", root / "link to a folder");
  fs::permissions(root / "sub" / "deeper", fs::perms(0555));
}

TEST_CASE("a tree comes out as it went in: modes, empty ones, links, odd names, large files") {
  const Scratch scratch;
  make_tree(scratch / "in");
  for (const std::size_t max_bytes : {std::size_t{1} << 20, std::size_t{1} << 13}) {
    Recorder recorder(max_bytes);
    const auto sent = walk(sources_of({scratch / "in"}), recorder);
    REQUIRE_MESSAGE(sent, sent.error().text());
    CHECK(sent->files == 6);
    CHECK(sent->links == 3);
    CHECK(sent->directories == 3);
    for (int again = 0; again < 2; ++again) {  // the second time over what is there
      auto store = Store::open(scratch / "out", "a");
      REQUIRE_MESSAGE(store, store.error().text());
      const auto stored = replay(recorder, *store);
      REQUIRE_MESSAGE(stored, stored.error().text());
      CHECK(store->ended());
      CHECK(store->files() == 6);
      CHECK(store->bytes() == sent->bytes);
    }
    CHECK(picture(scratch / "in") == picture(scratch / "out" / "a"));
    CHECK_FALSE(fs::exists(scratch / "out" / ".a.partial"));
  }
}

TEST_CASE("the same tree gives the same records") {
  const Scratch scratch;
  make_tree(scratch / "in");
  Recorder first;
  Recorder second;
  REQUIRE(walk(sources_of({scratch / "in"}), first));
  REQUIRE(walk(sources_of({scratch / "in"}), second));
  CHECK(first.records == second.records);
}

TEST_CASE("several paths keep their last components, a single folder gives its contents") {
  const Scratch scratch;
  fs::create_directories(scratch / "one");
  fs::create_directories(scratch / "two");
  write_file(scratch / "one" / "x", "x");
  write_file(scratch / "file", "f");
  const auto several = sources_of({scratch / "one/", scratch / "file", scratch / "two/../two"});
  CHECK(several[0].as == "one");
  CHECK(several[1].as == "file");
  CHECK(several[2].as == "two");
  CHECK(sources_of({scratch / "one"})[0].as.empty());
  CHECK(sources_of({scratch / "file"})[0].as == "file");
  CHECK(sources_of({scratch / "one/.", scratch / "file"})[0].as == "one");

  CHECK_FALSE(plan_sources({scratch / "one", scratch / "two/../one"}));
  const auto missing = plan_sources({scratch / "none"});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == Code::invalid);
  CHECK(missing.error().text().find("none: No such file") != std::string::npos);
}

TEST_CASE("scan counts what walk sends") {
  const Scratch scratch;
  make_tree(scratch / "in");
  REQUIRE(mkfifo((scratch / "in" / "pipe").c_str(), 0600) == 0);
  const auto sources = sources_of({scratch / "in"});
  Recorder recorder;
  const auto scanned = scan(sources);
  const auto sent = walk(sources, recorder);
  REQUIRE(scanned);
  REQUIRE(sent);
  CHECK(scanned->files == sent->files);
  CHECK(scanned->bytes == sent->bytes);
  CHECK(sent->skipped == 1);
}

TEST_CASE("a file that changes while it is read is an error, and is nowhere under its name") {
  const auto grow = [](const fs::path& path) { std::ofstream(path, std::ios::app) << "more"; };
  const auto shrink = [](const fs::path& path) { fs::resize_file(path, 100'000); };
  const auto rewrite = [](const fs::path& path) {
    std::fstream(path, std::ios::in | std::ios::out) << "other";
  };
  for (const std::function<void(const fs::path&)>& change :
       std::initializer_list<std::function<void(const fs::path&)>>{grow, shrink, rewrite}) {
    const Scratch scratch;
    fs::create_directories(scratch / "in");
    const fs::path victim = scratch / "in" / "victim";
    write_file(victim, std::string(200'000, 'v'));
    // Old enough that the clock of the file system tells the change from its creation.
    fs::last_write_time(victim, fs::file_time_type::clock::now() - 1h);
    Recorder recorder;
    bool changed = false;
    recorder.on_commit = [&](Bytes bytes) {
      if (changed || !files::is_piece(bytes)) return;
      changed = true;
      change(victim);
    };
    const auto sent = walk(sources_of({scratch / "in"}), recorder);
    REQUIRE_FALSE(sent);
    CHECK(sent.error().text().find("victim changed while it was read") != std::string::npos);
    {
      auto store = Store::open(scratch / "out", "a");
      REQUIRE(store);
      REQUIRE(replay(recorder, *store));  // what was sent so far is well-formed
      CHECK_FALSE(store->ended());
    }
    CHECK(fs::is_empty(scratch / "out" / "a"));
    CHECK_FALSE(fs::exists(scratch / "out" / ".a.partial"));
  }
}

TEST_CASE("what cannot be read is named") {
  if (geteuid() == 0) return;  // root reads everything
  const Scratch scratch;
  fs::create_directories(scratch / "in");
  write_file(scratch / "in" / "secret", "s", 0000);
  Recorder recorder;
  const auto sent = walk(sources_of({scratch / "in"}), recorder);
  REQUIRE_FALSE(sent);
  CHECK(sent.error().text().find("secret: Permission denied") != std::string::npos);
}

TEST_CASE("a disk that is full is an error that names the file, and leaves no part of it") {
  const Scratch scratch;
  auto store = Store::open(scratch / "out", "b");
  REQUIRE(store);
  // The limit of the process stands in for the end of the disk: write(2) fails the same way.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit small = before;
  small.rlim_cur = 100'000;
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string data(65'536, 'd');
  const std::uint64_t total = 4 * data.size();
  REQUIRE(store->take(piece({.total = total, .path = "big", .mode = 0644}, data)));
  CHECK(fs::exists(scratch / "out" / ".b.partial"));
  const auto full = store->take(piece({.offset = data.size(), .total = total}, data));
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  REQUIRE_FALSE(full);
  CHECK(full.error().code == Code::io);
  CHECK(full.error().text().find("out/b/big") != std::string::npos);
  CHECK(full.error().text().find("make room") != std::string::npos);
  CHECK_FALSE(fs::exists(scratch / "out" / ".b.partial"));
  CHECK(fs::is_empty(scratch / "out" / "b"));
}

TEST_CASE("an output directory that cannot be made or used is an error") {
  const Scratch scratch;
  write_file(scratch / "file", "in the way");
  CHECK_FALSE(Store::open(scratch / "file", "a"));
  CHECK_FALSE(Store::open(scratch / "file/below", "a"));
  CHECK_FALSE(Store::open("/proc/no/such", "a"));
  CHECK_FALSE(Store::open(scratch / "out", "../a"));
  fs::create_directories(scratch / "out");
  fs::create_symlink(scratch / "file", scratch / "out" / "a");
  CHECK_FALSE(Store::open(scratch / "out", "a"));
}

TEST_CASE("no symbolic link is followed, whoever made it") {
  const Scratch scratch;
  fs::create_directories(scratch / "elsewhere");
  write_file(scratch / "elsewhere" / "precious", "precious");
  {  // made by the stream itself
    auto store = Store::open(scratch / "out", "a");
    REQUIRE(store);
    REQUIRE(store->take(record(SymbolicLink{"way", (scratch / "elsewhere").c_str()})));
    const auto through = store->take(file("way/precious", 0644, ""));
    REQUIRE_FALSE(through);
    CHECK(through.error().code == Code::refused);
  }
  for (const Record& each :
       std::vector<Record>{DirectoryBegin{"way"}, DirectoryBegin{"way/in"}, DirectoryEnd{"way", 0},
                           SymbolicLink{"way/link", "x"}}) {
    auto store = Store::open(scratch / "out", "a");
    REQUIRE(store);
    CHECK_FALSE(store->take(record(each)));
  }
  {  // a file of a link's name replaces the link, not what it points to
    auto store = Store::open(scratch / "out", "a");
    REQUIRE(store);
    const std::string target = scratch / "elsewhere" / "precious";
    REQUIRE(store->take(record(SymbolicLink{"file", target})));
    REQUIRE(store->take(file("file", 0644, "new")));
    CHECK(read_file(scratch / "out" / "a" / "file") == "new");
    CHECK_FALSE(fs::is_symlink(scratch / "out" / "a" / "file"));
  }
  CHECK(read_file(scratch / "elsewhere" / "precious") == "precious");
  CHECK(std::distance(fs::directory_iterator(scratch / "elsewhere"), {}) == 1);
}

TEST_CASE("records out of turn, too much data and a wrong digest are refused") {
  const auto begun = piece({.total = 2, .path = "f", .mode = 0644}, "x");
  const auto digest = digest_of("xy");
  const std::vector<Messages> wrong = {
      {piece({.offset = 1, .total = 2, .digest = digest}, "y")},
      {begun, piece({.number = 1, .total = 2, .path = "g", .mode = 0644}, "x")},
      {begun, begun},
      {begun, record(DirectoryBegin{"d"})},
      {begun, record(DirectoryEnd{"d", 0})},
      {begun, record(SymbolicLink{"l", "t"})},
      {begun, record(End{})},
      {begun, piece({.offset = 1, .total = 2, .digest = digest_of("xz")}, "y")},
      {begun, piece({.offset = 1, .total = 3}, "y")},
      {begun, piece({.offset = 2, .total = 4}, "y")},
      {begun, files::encode_given_up(0, "it has changed")},
      {record(File{"f", 0644, 1, digest})},
      {record(End{1, 0})},
      {record(End{0, 5})},
      {record(End{}), record(DirectoryBegin{"d"})},
      {record(End{}), file("f", 0644, "x")},
  };
  for (const auto& messages : wrong) {
    const Scratch scratch;
    {
      auto store = Store::open(scratch / "out", "a");
      REQUIRE(store);
      CHECK_FALSE(take_all(*store, messages));
    }
    CHECK(fs::is_empty(scratch / "out" / "a"));
    CHECK_FALSE(fs::exists(scratch / "out" / ".a.partial"));
  }
}

TEST_CASE("set-user-id does not travel on files") {
  const Scratch scratch;
  auto store = Store::open(scratch / "out", "a");
  REQUIRE(store);
  REQUIRE(store->take(file("f", 06755, "")));
  struct stat status {};
  REQUIRE(stat((scratch / "out" / "a" / "f").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0755);
}

}  // namespace
}  // namespace squall::replicate
