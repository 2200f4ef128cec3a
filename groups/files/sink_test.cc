// What a sink makes of pieces: of good ones the file, of all others nothing.

#include "groups/files/sink.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "groups/files/piece_reader.h"
#include "groups/files/scratch.h"

namespace squall {
namespace {

using files::Piece;
using files::read_file;
using files::Scratch;
using files::write_file;
using files::fs::exists;
using What = FileNews::What;
namespace fs = files::fs;

Digest::Value digest_of(std::string_view text) {
  return Digest().update(as_bytes(text)).value();
}

std::vector<std::byte> message(Piece piece, std::string_view bytes) {
  piece.bytes = as_bytes(bytes);
  std::vector<std::byte> space(files::header_bytes(piece.path.size()) + bytes.size());
  files::encode_header(piece, space);
  std::ranges::copy(as_bytes(bytes), space.end() - std::ssize(bytes));
  return space;
}

std::vector<std::byte> whole(const std::string& path, std::string_view bytes) {
  return message({.total = bytes.size(), .path = path, .mode = 0644, .digest = digest_of(bytes)},
                 bytes);
}

const Member a{NodeId{1}, Incarnation{10}, "a"};
const Member b{NodeId{2}, Incarnation{20}, "b"};

struct World {
  explicit World(FileSinkOptions options = {}) {
    auto opened = FileSink::open(scratch.path().string(), std::move(options));
    REQUIRE_MESSAGE(opened, opened.error().text());
    sink.emplace(std::move(*opened));
  }
  FileNews take(const Member& from, const std::vector<std::byte>& bytes) {
    return sink->take(from, bytes);
  }
  /// Nothing is there under any name.
  bool empty() const { return fs::is_empty(scratch.path()); }

  Scratch scratch;
  std::optional<FileSink> sink;
};

TEST_CASE("a file appears when its last piece is there, with its mode, and not before") {
  World world;
  auto news = world.take(a, message({.total = 6, .path = "f", .mode = 04755}, "ab"));
  CHECK(news.what == What::piece);
  CHECK(news.path == "f");
  CHECK(news.bytes == 2);
  CHECK(news.total == 6);
  CHECK(world.take(a, message({.offset = 2, .total = 6}, "cd")).what == What::piece);
  CHECK_FALSE(exists(world.scratch / "f"));
  CHECK_FALSE(world.sink->idle());
  news = world.take(a, message({.offset = 4, .total = 6, .digest = digest_of("abcdef")}, "ef"));
  CHECK(news.what == What::complete);
  CHECK(news.path == "f");
  CHECK(news.mode == 04755);
  CHECK(news.digest == digest_of("abcdef"));
  CHECK(world.sink->idle());
  CHECK(read_file(world.scratch / "f") == "abcdef");
  struct stat status {};
  REQUIRE(stat((world.scratch / "f").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0755);  // whoever sends chooses nobody's rights
  CHECK(world.take(a, whole("empty", "")).what == What::complete);
  CHECK(fs::file_size(world.scratch / "empty") == 0);
  CHECK(std::distance(fs::directory_iterator(world.scratch.path()), {}) == 2);
}

TEST_CASE("what is no piece is somebody else's") {
  World world;
  CHECK(world.take(a, {}).what == What::not_a_piece);
  CHECK(world.take(a, std::vector<std::byte>(100)).what == What::not_a_piece);
}

TEST_CASE("files of several senders and of one interleave, and the last to end has the name") {
  World world;
  CHECK(world.take(a, message({.number = 1, .total = 2, .path = "x"}, "1")).what == What::piece);
  CHECK(world.take(a, message({.number = 2, .total = 2, .path = "y"}, "2")).what == What::piece);
  CHECK(world.take(b, message({.number = 1, .total = 2, .path = "x"}, "3")).what == What::piece);
  const auto last = [](std::uint64_t number, std::string_view all) {
    return message({.number = number, .offset = 1, .total = 2, .digest = digest_of(all)},
                   all.substr(1));
  };
  CHECK(world.take(b, last(1, "3b")).what == What::complete);
  CHECK(read_file(world.scratch / "x") == "3b");
  CHECK(world.take(a, last(2, "2y")).what == What::complete);
  CHECK(world.take(a, last(1, "1x")).what == What::complete);
  CHECK(read_file(world.scratch / "x") == "1x");
  CHECK(read_file(world.scratch / "y") == "2y");
  CHECK(std::distance(fs::directory_iterator(world.scratch.path()), {}) == 2);
}

TEST_CASE("names pass no symbolic link and leave the folder by no way; folders are made") {
  World world;
  const Scratch elsewhere;
  fs::create_symlink(elsewhere.path(), world.scratch / "way");
  auto news = world.take(a, whole("way/precious", "x"));
  CHECK(news.what == What::abandoned);
  CHECK(news.path == "way/precious");
  CHECK(news.why.code == Code::refused);
  CHECK(world.take(a, whole("way/in/precious", "x")).what == What::abandoned);
  CHECK(fs::is_empty(elsewhere.path()));
  // A file of a link's name replaces the link, not what it points to.
  write_file(elsewhere / "precious", "precious");
  fs::create_symlink(elsewhere / "precious", world.scratch / "file");
  CHECK(world.take(a, whole("file", "new")).what == What::complete);
  CHECK(read_file(elsewhere / "precious") == "precious");
  CHECK(read_file(world.scratch / "file") == "new");
  CHECK(world.take(a, whole("deep/er/f", "x")).what == What::complete);
  CHECK(read_file(world.scratch / "deep/er/f") == "x");
  // No folder has a file below it, and no file takes a folder's place.
  CHECK(world.take(a, whole("file/f", "x")).what == What::abandoned);
  CHECK(world.take(a, whole("deep", "x")).what == What::abandoned);
  CHECK(world.take(a, whole("deep/er/f", "y")).what == What::complete);
  world.sink.reset();
  CHECK(std::distance(fs::directory_iterator(world.scratch.path()), {}) == 3);
}

TEST_CASE("without make_folders a folder that is not there ends the file") {
  World world({.make_folders = false});
  CHECK(world.take(a, whole("deep/f", "x")).what == What::abandoned);
  CHECK(world.empty());
}

TEST_CASE("no file has a name that those have which are not whole") {
  World world;
  const auto news = world.take(a, whole(".squall-partial", "x"));
  CHECK(news.what == What::abandoned);
  CHECK(news.why.code == Code::refused);
  CHECK(world.take(a, whole(".squall-partial.1", "x")).what == What::abandoned);
  CHECK(world.empty());
}

TEST_CASE("pieces out of order, repeated, or of nothing that began, end at most their own file") {
  const auto first = message({.number = 1, .total = 4, .path = "f"}, "ab");
  const auto digest = digest_of("abcd");
  const std::vector<std::vector<std::byte>> wrong = {
      first,
      message({.number = 1, .offset = 3, .total = 4, .digest = digest}, "d"),
      message({.number = 1, .offset = 1, .total = 4}, "b"),
      message({.number = 1, .offset = 2, .total = 5}, "cd"),
      message({.number = 1, .offset = 2, .total = 4, .digest = digest_of("abcx")}, "cd"),
      message({.number = 1, .offset = 2, .total = 4, .digest = digest}, "cx"),
  };
  for (const auto& bytes : wrong) {
    CAPTURE(&bytes - wrong.data());
    World world;
    CHECK(world.take(a, message({.number = 2, .total = 2, .path = "g"}, "g")).what == What::piece);
    CHECK(world.take(a, first).what == What::piece);
    const auto news = world.take(a, bytes);
    CHECK(news.what == What::abandoned);
    CHECK(news.path == "f");
    CHECK(news.why.code == Code::refused);
    // What still comes of it is nobody's, and the other file goes on.
    CHECK(world.take(a, message({.number = 1, .offset = 2, .total = 4}, "c")).what == What::stray);
    CHECK(world
              .take(a,
                    message({.number = 2, .offset = 1, .total = 2, .digest = digest_of("gh")}, "h"))
              .what == What::complete);
    CHECK(std::distance(fs::directory_iterator(world.scratch.path()), {}) == 1);
  }
  World world;
  CHECK(world.take(a, message({.number = 1, .offset = 2, .total = 4}, "c")).what == What::stray);
  CHECK(world.take(a, first).what == What::piece);
  // The same number at another sender, or at another run of the same, is another file.
  CHECK(world.take(b, message({.number = 1, .offset = 2, .total = 4}, "c")).what == What::stray);
  const Member again{a.id, Incarnation{11}, "a"};
  CHECK(world.take(again, message({.number = 1, .offset = 2, .total = 4}, "c")).what ==
        What::stray);
}

TEST_CASE("a malformed piece is told, and ends nothing else") {
  World world;
  CHECK(world.take(a, message({.total = 4, .path = "f"}, "ab")).what == What::piece);
  auto bad = message({.offset = 2, .total = 4}, "c");
  bad.pop_back();
  const auto news = world.take(a, bad);
  CHECK(news.what == What::abandoned);
  CHECK(news.path.empty());
  CHECK(world.take(a, message({.offset = 2, .total = 4}, "c")).what == What::piece);
}

TEST_CASE("a sender has so many files under way and no more, whatever others have") {
  World world({.max_files = 2});
  const auto begin = [](std::uint64_t number) {
    return message({.number = number, .total = 2, .path = fmt::format("f{}", number)}, "x");
  };
  CHECK(world.take(a, begin(1)).what == What::piece);
  CHECK(world.take(a, begin(2)).what == What::piece);
  const auto news = world.take(a, begin(3));
  CHECK(news.what == What::abandoned);
  CHECK(news.why.text().find("2 files under way") != std::string::npos);
  CHECK(world.take(b, begin(1)).what == What::piece);
  CHECK(world.take(a, files::encode_given_up(1, "enough")).what == What::abandoned);
  CHECK(world.take(a, begin(3)).what == What::piece);
}

TEST_CASE("a file over the limit is refused before anything is written") {
  World world({.max_file_bytes = 3});
  const auto news = world.take(a, message({.total = 4, .path = "f"}, "ab"));
  CHECK(news.what == What::abandoned);
  CHECK(news.why.code == Code::too_large);
  CHECK(world.empty());
  CHECK(world.take(a, whole("f", "abc")).what == What::complete);
}

TEST_CASE("a file that its sender gives up, or whose sender is gone, leaves nothing") {
  World world;
  CHECK(world.take(a, files::encode_given_up(1, "it is none")).what == What::stray);
  CHECK(world.take(a, message({.number = 1, .total = 4, .path = "f"}, "ab")).what == What::piece);
  auto news = world.take(a, files::encode_given_up(1, "it changed"));
  CHECK(news.what == What::abandoned);
  CHECK(news.path == "f");
  CHECK(news.why.text().find("it changed") != std::string::npos);
  CHECK(world.empty());

  CHECK(world.take(a, message({.number = 2, .total = 4, .path = "g"}, "ab")).what == What::piece);
  CHECK(world.take(b, message({.number = 1, .total = 4, .path = "h"}, "ab")).what == What::piece);
  CHECK(world.sink->on_view({.members = {a, b}}).empty());
  // The same member in another run has nothing to go on with.
  auto gone = world.sink->on_view({.members = {{a.id, Incarnation{11}, "a"}, b}});
  REQUIRE(gone.size() == 1);
  CHECK(gone[0].what == What::abandoned);
  CHECK(gone[0].path == "g");
  CHECK(gone[0].why.code == Code::lost);
  world.sink.reset();
  CHECK(world.empty());
}

TEST_CASE("what a killed process has left is removed, and nothing that only looks like it") {
  const Scratch scratch;
  for (const char* name : {".squall-partial", ".squall-partial.1", ".squall-partial.12"})
    write_file(scratch / name, "x");
  for (const char* name : {".squall-partial.x", ".squall-partial1", "f"})
    write_file(scratch / name, "x");
  REQUIRE(FileSink::open(scratch.path().string()));
  CHECK(std::distance(fs::directory_iterator(scratch.path()), {}) == 3);
}

TEST_CASE("a folder that cannot be used, and a name for partials that is none, are errors") {
  const Scratch scratch;
  write_file(scratch / "file", "x");
  CHECK(FileSink::open((scratch / "none").string()).error().code == Code::io);
  CHECK(FileSink::open((scratch / "file").string()).error().code == Code::io);
  for (const char* name : {"", ".", "..", "a/b"})
    CHECK(FileSink::open(scratch.path().string(), {.partial_name = name}).error().code ==
          Code::invalid);
}

/// The limit of the process stands in for the end of the disk.
struct SmallDisk {
  explicit SmallDisk(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    rlimit small = before;
    small.rlim_cur = bytes;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  }
  ~SmallDisk() { setrlimit(RLIMIT_FSIZE, &before); }
  rlimit before{};
};

TEST_CASE("a disk that is full ends the file that does not fit, and the next one comes") {
  World world;
  FileNews large, in_the_middle, small;
  {
    const SmallDisk disk(100'000);
    const std::string data(65'536, 'd');
    // The room for a large file is asked for with its first piece.
    large = world.take(a, message({.number = 1, .total = 64 << 20, .path = "large"}, data));
    CHECK(world.take(a, message({.number = 2, .total = 131'072, .path = "middle"}, data)).what ==
          What::piece);
    in_the_middle = world.take(a, message({.number = 2, .offset = 65'536, .total = 131'072}, data));
    small = world.take(a, whole("small", "fits"));
  }
  CHECK_MESSAGE(large.what == What::abandoned, large.why.text());
  CHECK(large.why.code == Code::io);
  CHECK(in_the_middle.what == What::abandoned);
  CHECK(in_the_middle.path == "middle");
  CHECK(in_the_middle.why.code == Code::io);
  CHECK(in_the_middle.why.text().find("/middle: File too large (make room") != std::string::npos);
  CHECK(small.what == What::complete);
  CHECK(std::distance(fs::directory_iterator(world.scratch.path()), {}) == 1);
}

TEST_CASE("who joins gets what there is of a file, and goes on with it") {
  World world;
  const std::string content(100'000, 'c');
  const auto first = message({.number = 5, .total = content.size(), .path = "f", .mode = 0640},
                             std::string_view(content).substr(0, 60'000));
  const auto last = message(
      {.number = 5, .offset = 60'000, .total = content.size(), .digest = digest_of(content)},
      std::string_view(content).substr(60'000));
  CHECK(world.take(a, first).what == What::piece);
  auto under_way = world.sink->under_way();
  REQUIRE(under_way);
  REQUIRE(under_way->size() == 1);
  FileSink::UnderWay& file = under_way->front();
  CHECK(file.from == FileSink::From{a.id, a.incarnation});
  // Here it is finished, and has its name.
  CHECK(world.take(a, last).what == What::complete);
  files::PieceReader pieces(std::move(file.fd), {.number = file.number,
                                                 .path = file.path,
                                                 .mode = file.mode,
                                                 .total = file.total,
                                                 .received = file.received});
  World joiner;
  while (!pieces.done()) {
    std::vector<std::byte> piece(pieces.next_bytes(7000));
    REQUIRE(pieces.next(piece));
    CHECK(joiner.take(a, piece).what == What::piece);
  }
  CHECK(joiner.take(a, last).what == What::complete);
  CHECK(read_file(joiner.scratch / "f") == content);
}

TEST_CASE("whatever comes, nothing lies outside, and nothing is left") {
  Random random(11);
  const Scratch outer;
  fs::create_directory(outer / "in");
  for (int round = 0; round < 200; ++round) {
    auto sink = FileSink::open((outer / "in").string(), {.max_file_bytes = 1000});
    REQUIRE(sink);
    for (int i = 0; i < 50; ++i) {
      Piece piece{.number = random.below(3), .total = random.below(40)};
      if (random.one_in(2)) piece.offset = random.below(40);
      if (piece.offset == 0)
        piece.path = random.one_in(3) ? "../x" : random.one_in(2) ? "x" : "y/z";
      auto bytes = message(piece, std::string(random.below(20), 'x'));
      if (random.one_in(3)) bytes[random.below(bytes.size())] = std::byte(random.next());
      static_cast<void>(sink->take(random.one_in(2) ? a : b, bytes));
    }
  }
  CHECK(std::distance(fs::directory_iterator(outer.path()), {}) == 1);
  for (const auto& entry : fs::directory_iterator(outer / "in"))
    CHECK_FALSE(entry.path().filename().string().starts_with(".squall-partial"));
}

}  // namespace
}  // namespace squall
