#include "core/fabric/rendezvous_wire.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

#include "core/base/digest.h"

namespace squall::fabric {
namespace {

constexpr std::uint64_t magic = 0x7672'6c6c'6175'7173ull;  // "squallrv" on the wire
constexpr std::size_t shown_line_bytes = 160;              // of a group text, in a refusal

std::string_view cut(std::string_view text, std::size_t limit) {
  return text.substr(0, limit);
}

template <std::size_t N>
void put_raw(Writer& writer, const std::array<std::byte, N>& bytes) {
  for (const std::byte byte : bytes) writer.put(byte);
}
template <std::size_t N>
std::array<std::byte, N> get_raw(Reader& reader) {
  std::array<std::byte, N> bytes;
  for (std::byte& byte : bytes) byte = reader.get<std::byte>();
  return bytes;
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

NodeId node_id(std::string_view name) {
  return NodeId{digest(as_bytes(name))};
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string safe(cut(text, limit));
  for (char& c : safe)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return safe;
}

// --- writing

std::vector<std::byte> encode_frame(FrameKind kind, Bytes body, std::uint32_t version) {
  Writer writer;
  writer.put(magic).put(version).put(kind).put(body);
  return writer.take();
}

std::vector<std::byte> encode_hello(FrameKind kind, const Hello& hello) {
  Writer body;
  body.put(std::string_view(hello.who.name));
  body.put(hello.who.id).put(hello.who.incarnation).put(hello.who.group_digest);
  body.put(std::string_view(hello.who.group_text)).put(std::string_view(hello.who.host));
  body.put(static_cast<std::uint32_t>(hello.who.fabrics.size()));
  for (const FabricAddress& fabric : hello.who.fabrics)
    body.put(std::string_view(fabric.provider)).put(std::string_view(fabric.address));
  body.put(hello.rank).put(hello.peer_rank).put(std::string_view(hello.peer_name));
  put_raw(body, hello.nonce);
  return encode_frame(kind, body.bytes());
}

std::vector<std::byte> encode_proof(FrameKind kind, const Proof& proof) {
  return encode_frame(kind, proof);
}

std::vector<std::byte> encode_refusal(const Error& error) {
  Writer body;
  body.put(error.code).put(cut(error.what, Limits::refusal_bytes));
  body.put(cut(error.remedy, Limits::refusal_bytes));
  return encode_frame(FrameKind::refusal, body.bytes());
}

std::vector<std::byte> encode_goodbye(std::string_view text) {
  Writer body;
  body.put(cut(text, Limits::goodbye_bytes));
  return encode_frame(FrameKind::goodbye, body.bytes());
}

// --- reading

Result<std::optional<Frame>> take_frame(std::vector<std::byte>& buffer, std::size_t limit) {
  const std::size_t seen = std::min(buffer.size(), sizeof(magic));
  if (seen > 0 && std::memcmp(buffer.data(), &magic, seen) != 0)
    return fail(Code::lost, "speaks something else than Squall's rendezvous",
                "let the address name a Squall member, and nothing else");
  if (buffer.size() < frame_header_bytes) return std::optional<Frame>();
  Reader header(Bytes(buffer).subspan(sizeof(magic)));
  Frame frame;
  frame.version = header.get<std::uint32_t>();
  frame.kind = header.get<FrameKind>();
  const auto length = header.get<std::uint32_t>();
  if (length > limit)
    return fail(Code::lost,
                fmt::format("sent a frame of {} bytes, where {} is the limit", length, limit));
  if (buffer.size() < frame_header_bytes + length) return std::optional<Frame>();
  const auto body = buffer.begin() + frame_header_bytes;
  frame.body.assign(body, body + length);
  buffer.erase(buffer.begin(), body + length);
  return std::optional<Frame>(std::move(frame));
}

std::optional<Hello> decode_hello(Bytes body) {
  Reader reader(body);
  Hello hello;
  hello.who.name = reader.get_string(Limits::name_bytes);
  hello.who.id = reader.get<NodeId>();
  hello.who.incarnation = reader.get<Incarnation>();
  hello.who.group_digest = reader.get<std::uint64_t>();
  hello.who.group_text = reader.get_string(Limits::group_text_bytes);
  hello.who.host = reader.get_string(Limits::host_bytes);
  const auto fabrics = reader.get<std::uint32_t>();
  if (fabrics > Limits::fabrics) return std::nullopt;
  for (std::uint32_t i = 0; i < fabrics; ++i) {
    FabricAddress fabric;
    fabric.provider = reader.get_string(Limits::provider_bytes);
    fabric.address = reader.get_string(Limits::address_bytes);
    hello.who.fabrics.push_back(std::move(fabric));
  }
  hello.rank = reader.get<Rank>();
  hello.peer_rank = reader.get<Rank>();
  hello.peer_name = reader.get_string(Limits::name_bytes);
  hello.nonce = get_raw<sizeof(Nonce)>(reader);
  if (!reader.done()) return std::nullopt;
  return hello;
}

std::optional<Proof> decode_proof(Bytes body) {
  Reader reader(body);
  const auto proof = get_raw<sizeof(Proof)>(reader);
  if (!reader.done()) return std::nullopt;
  return proof;
}

std::optional<Error> decode_refusal(Bytes body) {
  Reader reader(body);
  Error error;
  error.code = reader.get<Code>();
  error.what = printable(as_text(reader.get_bytes(Limits::refusal_bytes)), Limits::refusal_bytes);
  error.remedy = printable(as_text(reader.get_bytes(Limits::refusal_bytes)), Limits::refusal_bytes);
  if (!reader.ok()) return std::nullopt;  // a later version may say more
  if (name(error.code) == "unknown") error.code = Code::refused;
  return error;
}

std::optional<std::string> decode_goodbye(Bytes body) {
  Reader reader(body);
  const Bytes text = reader.get_bytes(Limits::goodbye_bytes);
  if (!reader.done()) return std::nullopt;
  return printable(as_text(text), Limits::goodbye_bytes);
}

std::string decode_hello_name(Bytes body) {
  Reader reader(body);
  return printable(as_text(reader.get_bytes(Limits::name_bytes)), Limits::name_bytes);
}

// --- judging

Result<> check_introduction(const Introduction& who) {
  const auto check = [](std::string_view what, std::size_t size, std::size_t limit) -> Result<> {
    if (size <= limit) return {};
    return fail(Code::too_large,
                fmt::format("{} has {}, where {} is the limit", what, size, limit));
  };
  if (who.name.empty()) return fail(Code::invalid, "a member needs a name", "set node.name");
  if (who.id != node_id(who.name))
    return fail(Code::invalid, fmt::format("the id of {} is not node_id of its name", who.name));
  if (auto ok = check("the name, in bytes,", who.name.size(), Limits::name_bytes); !ok) return ok;
  if (auto ok =
          check("the group's text, in bytes,", who.group_text.size(), Limits::group_text_bytes);
      !ok)
    return ok;
  if (auto ok = check("the host's identity, in bytes,", who.host.size(), Limits::host_bytes); !ok)
    return ok;
  if (auto ok = check("the list of fabrics", who.fabrics.size(), Limits::fabrics); !ok) return ok;
  for (const FabricAddress& fabric : who.fabrics) {
    if (auto ok =
            check("a fabric's name, in bytes,", fabric.provider.size(), Limits::provider_bytes);
        !ok)
      return ok;
    if (auto ok =
            check("a fabric's address, in bytes,", fabric.address.size(), Limits::address_bytes);
        !ok)
      return ok;
  }
  return {};
}

std::string first_difference(std::string_view name_a, std::string_view text_a,
                             std::string_view name_b, std::string_view text_b) {
  const auto shown = [](std::string_view line) {
    return line.empty() ? std::string("nothing")
                        : fmt::format("\"{}\"", printable(line, shown_line_bytes));
  };
  for (std::size_t number = 1; !text_a.empty() || !text_b.empty(); ++number) {
    const std::string_view line_a = take_line(text_a);
    const std::string_view line_b = take_line(text_b);
    if (line_a != line_b)
      return fmt::format("line {}: {} has {}, {} has {}", number, name_a, shown(line_a), name_b,
                         shown(line_b));
  }
  return fmt::format("{} and {} describe it alike and digest it differently", name_a, name_b);
}

Error version_error(std::string_view self, std::string_view peer, std::uint32_t peer_version) {
  const std::string who = peer.empty() ? "a peer without a name" : std::string(peer);
  return {
      Code::refused,
      fmt::format("{} speaks wire version {}, {} speaks {}", who, peer_version, self, wire_version),
      fmt::format("upgrade {}", peer_version < wire_version ? who : std::string(self))};
}

namespace {

Error refused(std::string what, std::string remedy) {
  return {Code::refused, std::move(what), std::move(remedy)};
}

std::optional<Error> judge_configuration(const Introduction& self, const Introduction& who) {
  if (who.group_digest == self.group_digest) return std::nullopt;
  const std::string name = printable(who.name, Limits::name_bytes);
  return refused(fmt::format("{} and {} are configured differently, {}", self.name, name,
                             first_difference(self.name, self.group_text, name, who.group_text)),
                 "give every member the same configuration");
}

}  // namespace

std::optional<Error> judge_guest(const Introduction& self, const Hello& hello) {
  if (auto error = judge_configuration(self, hello.who)) return error;
  const std::string name = printable(hello.who.name, Limits::name_bytes);
  if (hello.who.id == self.id)
    return refused(fmt::format("{} visits itself, or two members have that name", name),
                   "give each its own node.name");
  if (hello.who.name.empty() || hello.who.id != node_id(hello.who.name))
    return refused(fmt::format("the id of {} does not belong to its name", name), "");
  return std::nullopt;
}

std::optional<Error> judge(const Roster& roster, const Introduction& self, Rank me,
                           const Hello& hello) {
  const std::string name = printable(hello.who.name, Limits::name_bytes);
  // Whose mistake it is shows best in this order: a wrong configuration explains a wrong rank.
  if (auto error = judge_configuration(self, hello.who)) return error;
  if (hello.peer_name != self.name || hello.peer_rank != me)
    return refused(
        fmt::format("{} looked for {} (rank {}) and found {} (rank {})", name,
                    printable(hello.peer_name, Limits::name_bytes), hello.peer_rank, self.name, me),
        "correct the addresses, and give every member the same order of contacts");
  const auto at = std::find_if(roster.begin(), roster.end(), [&](const RosterMember& member) {
    return member.name == hello.who.name;
  });
  if (at == roster.end()) {
    std::vector<std::string_view> names;
    for (const RosterMember& member : roster) names.push_back(member.name);
    return refused(fmt::format("{} is not a member at {}; members are {}", name, self.name,
                               fmt::join(names, ", ")),
                   "name it in the contacts of every member");
  }
  const auto rank = static_cast<Rank>(at - roster.begin());
  if (rank == me)
    return refused(fmt::format("two members call themselves {}", self.name),
                   "give each its own node.name");
  if (hello.rank != rank)
    return refused(fmt::format("{} takes itself for rank {}, at {} it is {}", name, hello.rank,
                               self.name, rank),
                   "give every member the same order of contacts");
  if (hello.who.id != node_id(hello.who.name))
    return refused(fmt::format("the id of {} does not belong to its name", name), "");
  return std::nullopt;
}

Ticket make_ticket(const Hello& caller, const Hello& called) {
  Writer said;
  said.put(std::string_view("squall ticket"));
  for (const Hello* hello : {&caller, &called}) {
    put_raw(said, hello->nonce);
    said.put(hello->who.id).put(hello->who.incarnation);
  }
  return Digest().update(said.bytes()).value();
}

Proof make_proof(FrameKind kind, const Ticket& ticket) {
  Writer said;
  said.put(std::string_view("squall proof")).put(kind);
  put_raw(said, ticket);
  return Digest().update(said.bytes()).value();
}

}  // namespace squall::fabric
