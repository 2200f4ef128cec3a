// Pieces on the wire, and files that are read into them.

#include "groups/files/piece.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "groups/files/path.h"
#include "groups/files/piece_reader.h"
#include "groups/files/scratch.h"

namespace squall::files {
namespace {

std::vector<std::byte> encoded(Piece piece, std::string_view bytes) {
  piece.bytes = as_bytes(bytes);
  std::vector<std::byte> message(header_bytes(piece.path.size()) + bytes.size());
  encode_header(piece, message);
  std::ranges::copy(as_bytes(bytes), message.end() - std::ssize(bytes));
  return message;
}

const Digest::Value some_digest{std::byte{1}, std::byte{2}};

TEST_CASE("a piece comes back as it was") {
  const auto first = encoded({.number = 7, .total = 10, .path = "a/ \n\xff", .mode = 0640}, "data");
  CHECK(is_piece(first));
  auto back = decode(first);
  REQUIRE_MESSAGE(back, back.error().text());
  CHECK(back->number == 7);
  CHECK(back->is_first());
  CHECK_FALSE(back->is_last());
  CHECK(back->total == 10);
  CHECK(back->path == "a/ \n\xff");
  CHECK(back->mode == 0640);
  CHECK(as_text(back->bytes) == "data");

  back = decode(encoded({.number = 7, .offset = 4, .total = 10, .digest = some_digest}, "morest"));
  REQUIRE_MESSAGE(back, back.error().text());
  CHECK(back->is_last());
  CHECK(back->digest == some_digest);
  CHECK(decode(encoded({.path = "empty", .digest = some_digest}, ""))->is_last());

  back = decode(encode_given_up(9, "it \x1b changed"));
  REQUIRE(back);
  CHECK(back->number == 9);
  CHECK(back->given_up == "it \\x1b changed");
  CHECK(decode(encode_given_up(9, ""))->given_up == "no reason");
  CHECK(decode(encode_given_up(9, std::string(100'000, 'x'))));
}

TEST_CASE("offsets have 64 bits: the last piece of a file of 16 GiB, and of the largest there is") {
  for (const std::uint64_t total : {std::uint64_t{16} << 30, max_total}) {
    const Piece piece{.offset = total - 4, .total = total, .digest = some_digest};
    const auto back = decode(encoded(piece, "last"));
    REQUIRE_MESSAGE(back, back.error().text());
    CHECK(back->offset == total - 4);
    CHECK(back->is_last());
  }
}

TEST_CASE("what no sender would have written is refused") {
  const std::vector<std::vector<std::byte>> wrong = {
      encoded({.total = 10, .path = ""}, "data"),
      encoded({.total = 10, .path = "../a"}, "data"),
      encoded({.total = 10, .path = std::string(max_path_bytes + 1, 'a')}, "data"),
      encoded({.total = 10, .path = "a", .mode = 0100644}, "data"),
      encoded({.total = 10, .path = "a", .digest = some_digest}, "data"),
      encoded({.total = 10, .path = "a"}, ""),
      encoded({.total = 3, .path = "a"}, "data"),
      encoded({.offset = 4, .total = 10, .path = "a"}, "data"),
      encoded({.offset = 4, .total = 10, .mode = 1}, "data"),
      encoded({.offset = 10, .total = 10}, ""),
      encoded({.offset = 8, .total = 10}, "data"),
      encoded({.offset = max_total + 1, .total = max_total + 5}, "data"),
      encoded({.offset = ~std::uint64_t{0}, .total = 2}, "data"),
  };
  for (const auto& message : wrong) {
    CAPTURE(&message - wrong.data());
    CHECK(is_piece(message));
    const auto back = decode(message);
    REQUIRE_FALSE(back);
    CHECK(back.error().code == Code::refused);
  }
}

TEST_CASE("a piece that is cut short or runs on is refused, and so is another version") {
  for (auto message : {encoded({.total = 4, .path = "a", .digest = some_digest}, "data"),
                       encode_given_up(1, "why")}) {
    for (std::size_t cut = 0; cut < message.size(); ++cut)
      CHECK_FALSE(decode(Bytes(message).first(cut)));
    message.push_back(std::byte{0});
    CHECK_FALSE(decode(message));
    message.pop_back();
    message[4] = std::byte{2};
    CHECK(is_piece(message));
    CHECK(decode(message).error().text().find("version 2") != std::string::npos);
    message[0] = std::byte{0};
    CHECK_FALSE(is_piece(message));
  }
}

TEST_CASE("bits that others have changed are refused or harmless") {
  Random random(7);
  const auto whole = encoded({.total = 4, .path = "a/b", .digest = some_digest}, "data");
  for (int i = 0; i < 100'000; ++i) {
    auto message = whole;
    for (int change = 0; change < 3; ++change)
      message[random.below(message.size())] = std::byte(random.next());
    const auto piece = decode(message);
    if (!piece) continue;
    CHECK(piece->offset + piece->bytes.size() <= piece->total);
    if (piece->given_up.empty() && piece->is_first()) CHECK(check_path(piece->path));
  }
}

// --- reading

PieceReader reader_of(const fs::path& path, const std::string& name) {
  auto reader =
      PieceReader::open(FileDescriptor(open(path.c_str(), O_RDONLY)), path.string(), name);
  REQUIRE_MESSAGE(reader, reader.error().text());
  return std::move(*reader);
}

TEST_CASE("a file is read in pieces that have room for its name, and together are the file") {
  const Scratch scratch;
  for (const std::size_t size : {0u, 1u, 35u, 36u, 37u, 1000u}) {
    std::string content(size, 'x');
    for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<char>('a' + i % 26);
    write_file(scratch / "file", content, 0751);
    auto reader = reader_of(scratch / "file", "name");
    reader.set_number(3);
    std::string read;
    Digest digest;
    while (!reader.done()) {
      std::vector<std::byte> message(reader.next_bytes(104));
      CHECK(message.size() <= 104);
      REQUIRE(reader.next(message));
      const auto piece = decode(message);
      REQUIRE_MESSAGE(piece, piece.error().text());
      CHECK(piece->number == 3);
      CHECK(piece->offset == read.size());
      CHECK(piece->path == (read.empty() ? "name" : ""));
      if (read.empty()) CHECK(piece->mode == 0751);
      read += as_text(piece->bytes);
      digest.update(piece->bytes);
      if (reader.done()) {
        CHECK(piece->is_last());
        CHECK(piece->digest == digest.value());
      }
    }
    CHECK(read == content);
  }
}

TEST_CASE("a file that grows, shrinks or is written while it is read is an error, and no signal") {
  const auto grow = [](const fs::path& path) { std::ofstream(path, std::ios::app) << "more"; };
  const auto shrink = [](const fs::path& path) { fs::resize_file(path, 150); };
  const auto empty = [](const fs::path& path) { fs::resize_file(path, 0); };
  const auto rewrite = [](const fs::path& path) {
    std::fstream(path, std::ios::in | std::ios::out) << "other";
  };
  for (const std::function<void(const fs::path&)>& change :
       std::initializer_list<std::function<void(const fs::path&)>>{grow, shrink, empty, rewrite}) {
    const Scratch scratch;
    write_file(scratch / "file", std::string(1000, 'x'));
    // Old enough that the clock of the file system tells the change from its creation.
    fs::last_write_time(scratch / "file", fs::file_time_type::clock::now() - std::chrono::hours(1));
    auto reader = reader_of(scratch / "file", "name");
    std::vector<std::byte> message(reader.next_bytes(200));
    REQUIRE(reader.next(message));
    change(scratch / "file");
    Result<> read;
    while (read && !reader.done()) {
      message.resize(reader.next_bytes(200));
      read = reader.next(message);
    }
    REQUIRE_FALSE(read);
    CHECK(read.error().code == Code::io);
    CHECK_MESSAGE(read.error().text().find("file changed while it was read") != std::string::npos,
                  read.error().text());
    CHECK_FALSE(reader.done());
  }
}

TEST_CASE("what is no file cannot be sent") {
  const Scratch scratch;
  auto folder = PieceReader::open(FileDescriptor(open(scratch.path().c_str(), O_RDONLY)), "f", "f");
  REQUIRE_FALSE(folder);
  CHECK(folder.error().text().find("no regular file") != std::string::npos);
  write_file(scratch / "file", "x");
  CHECK_FALSE(
      PieceReader::open(FileDescriptor(open((scratch / "file").c_str(), O_RDONLY)), "f", "../f"));
}

}  // namespace
}  // namespace squall::files
