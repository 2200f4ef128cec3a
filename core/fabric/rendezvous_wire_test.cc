#include "core/fabric/rendezvous_wire.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/random.h"

namespace squall::fabric {
namespace {

Introduction introduction(std::string name) {
  Introduction who;
  who.id = node_id(name);
  who.name = std::move(name);
  who.incarnation = Incarnation{7};
  who.group_digest = 42;
  who.group_text = "members a b\nring 1024\n";
  who.host = "host";
  who.fabrics = {{"tcp", std::string("\0\xff address", 10)}, {"shm", ""}};
  return who;
}

Hello hello_from_b() {
  Hello hello{introduction("b"), 1, 0, "a", {}};
  hello.nonce.fill(std::byte{9});
  return hello;
}

const Roster roster{{"a", "127.0.0.1:1"}, {"b", "127.0.0.1:2"}};

std::optional<Frame> only_frame(std::vector<std::byte> bytes) {
  auto frame = take_frame(bytes);
  REQUIRE(frame);
  CHECK(bytes.empty());
  return *frame;
}

std::string refusal(const Hello& hello) {
  const auto error = judge(roster, introduction("a"), 0, hello);
  return error ? error->text() : "";
}

bool says(const std::string& text, std::string_view part) {
  INFO(text);
  const bool found = text.find(part) != std::string::npos;
  CHECK(found);
  return found;
}

TEST_CASE("a hello comes out as it went in") {
  const Hello sent = hello_from_b();
  const auto frame = only_frame(encode_hello(FrameKind::hello, sent));
  REQUIRE(frame);
  CHECK(frame->kind == FrameKind::hello);
  CHECK(frame->version == wire_version);
  const auto got = decode_hello(frame->body);
  REQUIRE(got);
  CHECK(got->who.name == "b");
  CHECK(got->who.id == sent.who.id);
  CHECK(got->who.incarnation == sent.who.incarnation);
  CHECK(got->who.group_digest == 42);
  CHECK(got->who.group_text == sent.who.group_text);
  CHECK(got->who.host == "host");
  REQUIRE(got->who.fabrics.size() == 2);
  CHECK(got->who.fabrics[0].provider == "tcp");
  CHECK(got->who.fabrics[0].address == sent.who.fabrics[0].address);
  CHECK(got->rank == 1);
  CHECK(got->peer_rank == 0);
  CHECK(got->peer_name == "a");
  CHECK(got->nonce == sent.nonce);
}

TEST_CASE("the largest permitted hello fits into a frame") {
  Hello hello = hello_from_b();
  hello.who.name = hello.peer_name = std::string(Limits::name_bytes, 'n');
  hello.who.id = node_id(hello.who.name);
  hello.who.group_text = std::string(Limits::group_text_bytes, 't');
  hello.who.host = std::string(Limits::host_bytes, 'h');
  hello.who.fabrics.assign(Limits::fabrics, {std::string(Limits::provider_bytes, 'p'),
                                             std::string(Limits::address_bytes, 'a')});
  CHECK(check_introduction(hello.who));
  const auto frame = only_frame(encode_hello(FrameKind::hello, hello));
  REQUIRE(frame);
  CHECK(decode_hello(frame->body));
}

TEST_CASE("what could not be sent is refused at its source") {
  for (int which = 0; which < 7; ++which) {
    Introduction who = introduction("b");
    if (which == 0) who.name += std::string(Limits::name_bytes, 'n');
    if (which == 0) who.id = node_id(who.name);
    if (which == 1) who.group_text = std::string(Limits::group_text_bytes + 1, 't');
    if (which == 2) who.host = std::string(Limits::host_bytes + 1, 'h');
    if (which == 3) who.fabrics.resize(Limits::fabrics + 1);
    if (which == 4) who.fabrics[0].address = std::string(Limits::address_bytes + 1, 'a');
    if (which == 5) who.id = node_id("somebody else");
    if (which == 6) who.fabrics[0].provider = std::string(Limits::provider_bytes + 1, 'p');
    CAPTURE(which);
    CHECK_FALSE(check_introduction(who));
  }
}

TEST_CASE("a frame is taken only when whole, and the rest is left") {
  std::vector<std::byte> bytes = encode_goodbye("one");
  const std::vector<std::byte> second = encode_goodbye("two");
  const std::size_t first_size = bytes.size();
  bytes.insert(bytes.end(), second.begin(), second.end());
  for (std::size_t size = 0; size < first_size; ++size) {
    std::vector<std::byte> part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    const auto frame = take_frame(part);
    REQUIRE(frame);
    CHECK_FALSE(*frame);
    CHECK(part.size() == size);
  }
  const auto frame = take_frame(bytes);
  REQUIRE((frame && *frame));
  CHECK(decode_goodbye((*frame)->body) == "one");
  CHECK(bytes == second);
}

TEST_CASE("garbage is recognised by its first byte, and a huge length before it is awaited") {
  for (const char* start : {"GET / HTTP/1.1", "S", "squallrw"}) {
    const Bytes text = as_bytes(start);
    std::vector<std::byte> garbage(text.begin(), text.end());
    CHECK_FALSE(take_frame(garbage));
  }
  std::vector<std::byte> huge =
      encode_frame(FrameKind::hello, std::vector<std::byte>(Limits::frame_bytes + 1));
  huge.resize(frame_header_bytes);
  CHECK_FALSE(take_frame(huge));
}

TEST_CASE("no cut and no flipped byte of a hello is read out of bounds or past its limits") {
  const auto frame = only_frame(encode_hello(FrameKind::hello, hello_from_b()));
  const std::vector<std::byte>& body = frame->body;
  for (std::size_t size = 0; size < body.size(); ++size) {
    const std::vector<std::byte> part(body.begin(),
                                      body.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK_FALSE(decode_hello(part));  // every cut is noticed
  }
  std::vector<std::byte> longer = body;
  longer.push_back({});
  CHECK_FALSE(decode_hello(longer));
  Random random(1);
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::byte> bent = body;
    for (std::uint64_t flips = 1 + random.below(4); flips > 0; --flips)
      bent[random.below(bent.size())] = static_cast<std::byte>(random.next());
    if (const auto hello = decode_hello(bent)) {
      CHECK(check_introduction({hello->who.name.empty() ? "x" : hello->who.name,
                                node_id(hello->who.name.empty() ? "x" : hello->who.name),
                                {},
                                0,
                                hello->who.group_text,
                                hello->who.host,
                                hello->who.fabrics}));
    }
    static_cast<void>(decode_refusal(bent));
    static_cast<void>(decode_goodbye(bent));
    static_cast<void>(decode_hello_name(bent));
    static_cast<void>(decode_proof(bent));
  }
}

TEST_CASE("a count of fabrics over the limit is refused before anything is made of it") {
  Writer body;
  body.put(std::string_view("b")).put(std::uint64_t{0}).put(std::uint64_t{0}).put(std::uint64_t{0});
  body.put(std::string_view("")).put(std::string_view("")).put(std::uint32_t{0xffffffff});
  CHECK_FALSE(decode_hello(body.bytes()));
}

TEST_CASE("texts from peers are cut and made printable") {
  const Error rude{Code::refused, "\x1b[2Jboo\n" + std::string(5000, 'x'), "do\tthis"};
  const auto frame = only_frame(encode_refusal(rude));
  const auto error = decode_refusal(frame->body);
  REQUIRE(error);
  CHECK(error->what.size() == Limits::refusal_bytes);
  CHECK(error->what.substr(0, 8) == "?[2Jboo?");
  CHECK(error->remedy == "do?this");
  const auto goodbye = only_frame(encode_goodbye(std::string(1000, 'g')));
  CHECK(decode_goodbye(goodbye->body) == std::string(Limits::goodbye_bytes, 'g'));
}

TEST_CASE("who fits is not refused") {
  CHECK(refusal(hello_from_b()) == "");
}

TEST_CASE("another configuration is refused with the line that differs") {
  Hello hello = hello_from_b();
  hello.who.group_digest = 43;
  hello.who.group_text = "members a b\nring 2048\n";
  says(refusal(hello), "line 2: a has \"ring 1024\", b has \"ring 2048\"");
  hello.who.group_text = "members a b\n";
  says(refusal(hello), "line 2: a has \"ring 1024\", b has nothing");
  hello.who.group_text = introduction("a").group_text;
  says(refusal(hello), "describe it alike");
}

TEST_CASE("wrong names and ranks are refused, each with its reason") {
  Hello hello = hello_from_b();
  hello.peer_name = "c";
  says(refusal(hello), "b looked for c (rank 0) and found a (rank 0)");
  hello = hello_from_b();
  hello.peer_rank = 2;
  says(refusal(hello), "b looked for a (rank 2) and found a (rank 0)");
  hello = hello_from_b();
  hello.who.name = "z";
  says(refusal(hello), "z is not a member at a; members are a, b");
  hello = hello_from_b();
  hello.who.name = "a";
  says(refusal(hello), "two members call themselves a");
  hello = hello_from_b();
  hello.rank = 5;
  says(refusal(hello), "b takes itself for rank 5, at a it is 1");
  hello = hello_from_b();
  hello.who.id = node_id("z");
  says(refusal(hello), "does not belong");
}

TEST_CASE("of two versions the lower one is told to upgrade") {
  CHECK(version_error("a", "b", wire_version + 1).text() ==
        "b speaks wire version 11, a speaks 10 (upgrade a)");
  CHECK(version_error("a", "b", 0).text() == "b speaks wire version 0, a speaks 10 (upgrade b)");
  CHECK(version_error("a", "", 0).remedy == "upgrade a peer without a name");
}

TEST_CASE("a ticket depends on the randomness of both ends, and proofs on ticket and side") {
  const Hello caller = hello_from_b();
  Hello called{introduction("a"), 0, 1, "b", {}};
  const Ticket ticket = make_ticket(caller, called);
  CHECK(make_ticket(caller, called) == ticket);
  Hello other = caller;
  other.nonce[15] = std::byte{1};
  CHECK(make_ticket(other, called) != ticket);
  called.nonce[0] = std::byte{1};
  CHECK(make_ticket(caller, called) != ticket);
  CHECK(make_proof(FrameKind::confirm, ticket) != make_proof(FrameKind::welcome, ticket));
}

}  // namespace
}  // namespace squall::fabric
