// A replication's state: whoever takes over from its middle ends with the same, wherever that was.

#include "bench/replicate/state.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "bench/replicate/record.h"
#include "bench/replicate/walk.h"
#include "groups/files/scratch.h"

namespace squall::replicate {

namespace fs = files::fs;
using files::picture;
using files::Scratch;
using files::write_file;

namespace {

constexpr std::size_t piece_bytes = max_state_piece_bytes;

using Records = std::vector<std::vector<std::byte>>;

class Recording : public RecordSink {
 public:
  Result<MutableBytes> reserve(std::size_t bytes) override {
    records.emplace_back(bytes);
    return MutableBytes(records.back());
  }
  void commit() override {}
  Result<> send(files::PieceReader file) override {
    while (!file.done()) {
      records.emplace_back(file.next_bytes(piece_bytes));
      if (auto next = file.next(records.back()); !next) return next;
    }
    return {};
  }
  Records records;
};

Records records_of(const fs::path& tree) {
  auto sources = plan_sources({tree});
  REQUIRE(sources);
  Recording recorder;
  REQUIRE(walk(*sources, recorder));
  return recorder.records;
}

/// What a member does with records.
struct Receiver {
  Receiver(const fs::path& out, const std::string& name)
      : store(*Store::open(out, name)), journal(*Journal::open(out)) {}
  Result<> take(Bytes bytes) {
    const auto noted = store.take(bytes);
    if (!noted) return tl::unexpected(noted.error());
    return noted->empty() ? Result<>{} : journal.append(*noted);
  }
  Store store;
  Journal journal;
};

/// In pieces of this size: the state, through to another.
Result<> pass(const std::function<Result<std::size_t>(MutableBytes)>& source, std::size_t piece,
              Receiver& to) {
  StateReader reader;
  for (std::vector<std::byte> space(piece);;) {
    auto got = source(space);
    if (!got) return tl::unexpected(got.error());
    auto taken = reader.read(Bytes(space).first(*got), [&](Bytes bytes) { return to.take(bytes); });
    if (!taken) return taken;
    if (*got == 0) break;
  }
  CHECK(reader.whole());
  return {};
}

void make_small_tree(const fs::path& root) {
  fs::create_directories(root / "sub" / "empty");
  write_file(root / "nothing", "");
  write_file(root / "sub" / "large", std::string(3 * piece_bytes + 17, 'l'));
  write_file(root / "sub" / "small", "s", 0400);
  fs::create_symlink("sub/small", root / "link");
}

TEST_CASE("whoever takes over after any number of records ends with the same") {
  const Scratch scratch;
  make_small_tree(scratch / "in");
  const Records records = records_of(scratch / "in");
  const auto expected = picture(scratch / "in");
  std::optional<Digest::Value> digest;
  for (std::size_t cut = 0; cut <= records.size(); ++cut) {
    CAPTURE(cut);
    const fs::path out = scratch / fmt::format("out{}", cut);
    Receiver first(out, "first");
    Receiver second(out, "second");
    for (std::size_t at = 0; at < cut; ++at) REQUIRE(first.take(records[at]));
    auto journal = first.journal.reading();
    auto store = first.store.reading();
    REQUIRE(journal);
    REQUIRE(store);
    const auto source = hand_out(std::move(*journal), std::move(*store));
    // It is read while the rest is written, also what is renamed meanwhile.
    for (std::size_t at = cut; at < records.size(); ++at) REQUIRE(first.take(records[at]));
    const auto passed = pass(source, cut % 2 == 0 ? 7 : 100'000, second);
    REQUIRE_MESSAGE(passed, passed.error().text());
    for (std::size_t at = cut; at < records.size(); ++at) {
      const auto taken = second.take(records[at]);
      REQUIRE_MESSAGE(taken, taken.error().text());
    }
    CHECK(second.store.ended());
    CHECK(picture(out / "first") == expected);
    CHECK(picture(out / "second") == expected);
    CHECK(first.journal.digest() == second.journal.digest());
    if (digest) CHECK(first.journal.digest() == *digest);
    digest = first.journal.digest();
  }
}

TEST_CASE("what was changed behind a member's back reaches nobody under its name") {
  const Scratch scratch;
  make_small_tree(scratch / "in");
  Receiver first(scratch / "out", "first");
  for (const auto& record : records_of(scratch / "in")) REQUIRE(first.take(record));
  const fs::path large = scratch / "out" / "first" / "sub" / "large";

  write_file(large, std::string(3 * piece_bytes + 17, 'X'));
  Receiver second(scratch / "out", "second");
  CHECK_FALSE(pass(hand_out(*first.journal.reading(), *first.store.reading()), 4096, second));
  CHECK_FALSE(fs::exists(scratch / "out" / "second" / "sub" / "large"));

  write_file(large, "short");
  Receiver third(scratch / "out", "third");
  const auto passed = pass(hand_out(*first.journal.reading(), *first.store.reading()), 4096, third);
  REQUIRE_FALSE(passed);
  CHECK(passed.error().text().find("sub/large is shorter") != std::string::npos);

  fs::remove(large);
  fs::create_symlink("/etc/passwd", large);
  Receiver fourth(scratch / "out", "fourth");
  CHECK_FALSE(pass(hand_out(*first.journal.reading(), *first.store.reading()), 4096, fourth));
}

TEST_CASE("garbage in place of a state is refused before it is kept") {
  const Scratch scratch;
  Receiver receiver(scratch / "out", "r");
  const auto refused = [&](std::string_view bytes) {
    StateReader reader;
    const auto taken =
        reader.read(as_bytes(bytes), [&](Bytes record) { return receiver.take(record); });
    return !taken && taken.error().code == Code::refused;
  };
  using namespace std::string_view_literals;
  CHECK(refused("\xff\xff\xff\xff"sv));
  CHECK(refused("\x00\x00\x00\x00"sv));
  CHECK(refused("\x01\x00\x00\x00\x77"sv));
  StateReader reader;
  CHECK(reader.read(as_bytes("\x05\x00"sv), [](Bytes) { return Result<>{}; }));
  CHECK_FALSE(reader.whole());
}

}  // namespace
}  // namespace squall::replicate
