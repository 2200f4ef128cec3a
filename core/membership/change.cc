#include "core/membership/change.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "core/base/assert.h"
#include "core/base/digest.h"

namespace squall::membership {
namespace {

auto parts(const Member& member) {
  return std::tie(member.id, member.incarnation, member.name);
}

bool same_members(const View& left, const View& right) {
  return left.seating == right.seating &&
         std::ranges::equal(left.members, right.members,
                            [](const Member& a, const Member& b) { return parts(a) == parts(b); });
}

tl::unexpected<Error> wrong_change(std::string what) {
  return fail(Code::invalid, "a view change " + std::move(what));
}

/// All that can be said without the old view.
Result<> well_formed(const Change& change) {
  if (!(change.kept & change.leaving).empty()) return wrong_change("keeps a member that leaves");
  if (change.survivors().empty()) return wrong_change("that nobody survives");
  if (change.joiners.size() > change.kept.size())
    return wrong_change(
        fmt::format("admits {} and keeps only {}", change.joiners.size(), change.kept.size()));
  const std::vector<Member>& members = change.next.members;
  if (members.size() != change.kept.size() + change.joiners.size())
    return wrong_change("whose next view is not the kept members and the joiners");
  if (members.size() > max_members)
    return wrong_change(fmt::format("to {} members; at most {} fit", members.size(), max_members));
  std::vector<NodeId> ids;
  for (const Member& member : members) {
    if (member.name.size() > ChangeLimits::name_bytes) return wrong_change("with too long a name");
    ids.push_back(member.id);
  }
  std::ranges::sort(ids);
  if (std::ranges::adjacent_find(ids) != ids.end()) return wrong_change("with one node twice");
  for (std::size_t at = 0; at < change.joiners.size(); ++at) {
    const Joiner& joiner = change.joiners[at];
    if (joiner.fabric_address.size() > ChangeLimits::address_bytes)
      return wrong_change("with too long an address");
    if (joiner.host.size() > ChangeLimits::host_bytes) return wrong_change("with too long a host");
    if (parts(members[change.kept.size() + at]) != parts(joiner.member))
      return wrong_change("whose next view does not end with the joiners");
  }
  if (change.trim.size() > ChangeLimits::channels) return wrong_change("with too many channels");
  if (auto ok = check_seating(change.next); !ok) return wrong_change(ok.error().what);
  if (!change.next.seating.empty() && change.next.seating.size() != change.trim.size())
    return wrong_change("that seats and trims different channels");
  for (const auto& senders : change.trim)
    if (senders.size() > max_members) return wrong_change("with too many senders");
  return {};
}

// --- pieces of the wire form

void put(Writer& to, const RankSet& set) {
  for (const std::uint64_t word : set.words()) to.put(word);
}
RankSet get_ranks(Reader& from) {
  RankSet set;
  for (std::uint64_t& word : set.words()) word = from.get<std::uint64_t>();
  return set;
}

void put(Writer& to, const Rounds& rounds) {
  to.put(static_cast<std::uint32_t>(rounds.size()));
  for (const auto& senders : rounds) {
    to.put(static_cast<std::uint32_t>(senders.size()));
    for (const Round round : senders) to.put(round);
  }
}
/// nullopt: over a limit. Allocates no more than a few times what the bytes themselves take.
std::optional<Rounds> get_rounds(Reader& from) {
  const auto channels = from.get<std::uint32_t>();
  if (channels > ChangeLimits::channels) return std::nullopt;
  Rounds rounds;
  for (std::uint32_t channel = 0; channel < channels && from.ok(); ++channel) {
    const auto senders = from.get<std::uint32_t>();
    if (senders > max_members || senders * sizeof(Round) > from.rest().size()) return std::nullopt;
    auto& row = rounds.emplace_back(senders);
    for (Round& round : row) round = from.get<Round>();
  }
  return rounds;
}

tl::unexpected<Error> garbled(std::string_view what) {
  return fail(Code::invalid, fmt::format("{} is cut short, or over a limit", what));
}
tl::unexpected<Error> trailing(std::string_view what) {
  return fail(Code::invalid, fmt::format("{} has bytes left over", what));
}

template <class Value, class Decode>
Result<Value> whole(Bytes bytes, std::string_view what, Decode decode) {
  Reader from(bytes);
  Result<Value> value = decode(from);
  if (value && !from.done()) return trailing(what);
  return value;
}

}  // namespace

Result<> check_seating(const View& view) {
  if (view.seating.size() > ChangeLimits::channels)
    return fail(Code::invalid, "with too many channels");
  for (const Seating& seating : view.seating) {
    if (raw(seating.since) > raw(view.id))
      return fail(Code::invalid, "with a channel that is not there yet");
    RankSet seen;
    for (const Rank rank : seating.members) {
      if (rank >= view.size() || seen.contains(rank))
        return fail(Code::invalid, "that seats in a channel who cannot be there");
      seen.insert(rank);
    }
  }
  return {};
}

bool compatible(const Rounds& left, const Rounds& right) {
  return std::ranges::equal(left, right, [](const auto& mine, const auto& theirs) {
    return mine.size() == theirs.size() || mine.empty() || theirs.empty();
  });
}

bool operator==(const Joiner& left, const Joiner& right) {
  return parts(left.member) == parts(right.member) && left.fabric_address == right.fabric_address &&
         left.host == right.host && left.secret == right.secret;
}

bool operator==(const Change& left, const Change& right) {
  return left.next.id == right.next.id && same_members(left.next, right.next) &&
         left.kept == right.kept && left.leaving == right.leaving && left.trim == right.trim &&
         left.joiners == right.joiners;
}

Change make_change(const View& old, const RankSet& kept, const RankSet& leaving,
                   std::vector<Joiner> joiners, Rounds trim) {
  Change change;
  change.next.id = ViewId{raw(old.id) + 1};
  for (Rank rank = 0; rank < old.size(); ++rank)
    if (kept.contains(rank)) change.next.members.push_back(old.members[rank]);
  for (const Joiner& joiner : joiners) change.next.members.push_back(joiner.member);
  change.kept = kept;
  change.leaving = leaving;
  change.trim = std::move(trim);
  change.joiners = std::move(joiners);
  return change;
}

Secret secret_between(const Change& change, Rank one, Rank other) {
  // Of two joiners, the earlier one's.
  const Rank first = static_cast<Rank>(change.next.size() - change.joiners.size());
  const Rank low = std::min(one, other), high = std::max(one, other);
  SQUALL_ASSERT(high >= first && high < change.next.size() && low != high, "one of them joins");
  const Rank joins = low >= first ? low : high;
  Writer said;
  said.put(std::string_view("squall pair"));
  for (const std::byte byte : change.joiners[joins - first].secret) said.put(byte);
  said.put(change.next.members[joins == low ? high : low].id);
  return Digest().update(said.bytes()).value();
}

Result<> check(const Change& change, const View& old) {
  if (auto ok = well_formed(change); !ok) return ok;
  if (raw(change.next.id) != raw(old.id) + 1)
    return wrong_change(
        fmt::format("to view {} cannot follow on view {}", raw(change.next.id), raw(old.id)));
  if (!RankSet::all(old.size()).includes(change.survivors()))
    return wrong_change(fmt::format("keeps a rank that a view of {} does not have", old.size()));
  auto next = change.next.members.begin();
  for (Rank rank = 0; rank < old.size(); ++rank)
    if (change.kept.contains(rank) && parts(*next++) != parts(old.members[rank]))
      return wrong_change(
          fmt::format("keeps {} and calls it something else", old.members[rank].name));
  return {};
}

void encode(Writer& to, const Member& member) {
  to.put(member.id).put(member.incarnation).put(std::string_view(member.name));
}
Member decode_member(Reader& from) {
  Member member;
  member.id = from.get<NodeId>();
  member.incarnation = from.get<Incarnation>();
  member.name = from.get_string(ChangeLimits::name_bytes);
  return member;
}

void encode(Writer& to, const Joiner& joiner) {
  encode(to, joiner.member);
  to.put(std::string_view(joiner.fabric_address)).put(std::string_view(joiner.host));
  for (const std::byte byte : joiner.secret) to.put(byte);
}
Joiner decode_joiner(Reader& from) {
  Joiner joiner;
  joiner.member = decode_member(from);
  joiner.fabric_address = from.get_string(ChangeLimits::address_bytes);
  joiner.host = from.get_string(ChangeLimits::host_bytes);
  for (std::byte& byte : joiner.secret) byte = from.get<std::byte>();
  return joiner;
}

void encode(Writer& to, const std::vector<Seating>& seatings) {
  static_assert(max_members <= UINT16_MAX);
  to.put(static_cast<std::uint16_t>(seatings.size()));
  for (const Seating& seating : seatings) {
    to.put(seating.since).put(static_cast<std::uint16_t>(seating.members.size()));
    for (const Rank rank : seating.members) to.put(static_cast<std::uint16_t>(rank));
  }
}
std::vector<Seating> decode_seating(Reader& from) {
  std::vector<Seating> seatings;
  const auto channels = from.get<std::uint16_t>();
  for (std::uint16_t channel = 0; channel < channels && from.ok(); ++channel) {
    Seating& seating = seatings.emplace_back();
    seating.since = from.get<ViewId>();
    const auto members = from.get<std::uint16_t>();
    for (std::uint16_t at = 0; at < members && from.ok(); ++at)
      seating.members.push_back(from.get<std::uint16_t>());
  }
  return seatings;
}

void encode(Writer& to, const Frozen& frozen) {
  put(to, frozen.received);
}

void encode(Writer& to, const Change& change) {
  // The joiners are written once, not as members of the next view too: so the two cannot differ.
  to.put(change.next.id);
  put(to, change.kept);
  put(to, change.leaving);
  for (std::size_t at = 0; at < change.kept.size(); ++at) encode(to, change.next.members[at]);
  to.put(static_cast<std::uint32_t>(change.joiners.size()));
  for (const Joiner& joiner : change.joiners) encode(to, joiner);
  encode(to, change.next.seating);
  put(to, change.trim);
}

Result<Frozen> decode_frozen(Reader& from) {
  auto rounds = get_rounds(from);
  if (!rounds || !from.ok()) return garbled("a member's frozen counts");
  return Frozen{std::move(*rounds)};
}

Result<Change> decode_change(Reader& from) {
  Change change;
  change.next.id = from.get<ViewId>();
  change.kept = get_ranks(from);
  change.leaving = get_ranks(from);
  const Rank kept = change.kept.size();
  for (Rank at = 0; at < kept && from.ok(); ++at)
    change.next.members.push_back(decode_member(from));
  const auto joiners = from.get<std::uint32_t>();
  if (joiners > kept) return garbled("a view change");
  for (std::uint32_t at = 0; at < joiners && from.ok(); ++at) {
    change.joiners.push_back(decode_joiner(from));
    change.next.members.push_back(change.joiners.back().member);
  }
  change.next.seating = decode_seating(from);
  auto trim = get_rounds(from);
  if (!trim || !from.ok()) return garbled("a view change");
  change.trim = std::move(*trim);
  if (auto ok = well_formed(change); !ok) return tl::unexpected(ok.error());
  return change;
}

std::vector<std::byte> encode(const Frozen& frozen) {
  Writer to;
  encode(to, frozen);
  return to.take();
}
std::vector<std::byte> encode(const Change& change) {
  Writer to;
  encode(to, change);
  return to.take();
}

Result<Frozen> decode_frozen(Bytes bytes) {
  return whole<Frozen>(bytes, "a member's frozen counts",
                       [](Reader& from) { return decode_frozen(from); });
}
Result<Change> decode_change(Bytes bytes) {
  return whole<Change>(bytes, "a view change", [](Reader& from) { return decode_change(from); });
}

}  // namespace squall::membership
