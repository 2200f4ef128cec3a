#pragma once
// Channels of one group, turned by hand on a network whose pushes land by hand.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/mirror/fake_network.h"
#include "core/mirror/frame.h"
#include "core/multicast/channel.h"

namespace squall::multicast {

inline constexpr std::size_t ring_bytes = 4096;
inline constexpr std::size_t largest = mirror::max_message_bytes(ring_bytes);
inline constexpr auto ring_region = static_cast<fabric::RegionId>(1ull << 24 | 0 << 8 | 2);
inline constexpr auto row_region = static_cast<fabric::RegionId>(1ull << 24 | 0 << 8 | 1);

/// Delivers what was received, sender by sender: no module stands between test and channel.
class Received final : public Order {
 public:
  void step(const StageInput& input, mirror::Table&, StageOutput& output) override {
    std::ranges::transform(input.below, output.frontier.begin(),
                           [this](Round round) { return std::min(round, ceiling); });
    output.deadline = deadline;
    output.promise = promise;
  }
  void close(Frontier) const override {}
  std::size_t walk(ConstFrontier heads, ConstFrontier to, std::span<Run> runs) const override {
    std::size_t count = 0;
    for (SenderIndex sender = 0; sender < heads.size() && count < runs.size(); ++sender)
      if (heads[sender] < to[sender]) runs[count++] = {sender, to[sender]};
    return count;
  }
  void cut_to(Rank member, const mirror::Table&, Frontier frontier) const override {
    for (Round& round : frontier)
      if (const auto at = told.find(member); at != told.end()) round = std::min(round, at->second);
  }
  Time deadline = never;
  Round promise = 0;
  Round ceiling = mirror::no_round;  // of what is deliverable
  std::map<Rank, Round> told;        // as if this stage waited for these
};

struct Member {
  std::shared_ptr<mirror::RingWriter> writer;  // survives the view
  std::unique_ptr<Channel> channel;
  Received* order = nullptr;
  std::vector<std::string> got;
  std::vector<std::pair<Rank, MessageNumber>> numbers;
  std::vector<std::uint64_t> positions;
};

/// Hooks that a group's channels have.
struct Hooks {
  std::function<std::unique_ptr<Gather>()> gather = {};
  Codecs codecs = {};
};

/// Channels of one group, turned by hand, on pushes that land by hand.
struct Group {
  explicit Group(Rank count, std::vector<Rank> of, bool attach = true, Hooks with = {})
      : network(count), members(count), senders(std::move(of)), hooks(std::move(with)) {
    for (const Rank rank : senders)
      members[rank].writer = mirror::RingWriter::create(ring_bytes).value();
    for (Rank rank = 0; rank < count; ++rank) build(rank, Past{{}, 0});
    if (attach) attach_all();
  }
  void build(Rank rank, const Past& past) {
    Member& member = members[rank];
    ChannelOptions options;
    options.view = view;
    options.shape = {static_cast<Rank>(members.size()), rank, senders};
    options.ring_bytes = ring_bytes;
    options.writer = member.writer.get();
    options.past = past;
    options.codecs = hooks.codecs;
    member.channel = Channel::create(network.node(rank), network.peers(), options,
                                     [&](const Shape&, mirror::TableLayout&) {
                                       Stages stages;
                                       auto order = std::make_unique<Received>();
                                       member.order = order.get();
                                       stages.order = std::move(order);
                                       if (hooks.gather) stages.gather = hooks.gather();
                                       return stages;
                                     })
                         .value();
  }
  void attach_all(bool land = true) {
    const std::uint64_t name = raw(view) << 24;
    for (Rank owner = 0; owner < members.size(); ++owner)
      for (Rank peer = 0; peer < members.size(); ++peer)
        for (const std::uint64_t kind : {2, 1})
          if (peer != owner)
            members[owner].channel->attached(fabric::PeerId{peer}, fabric::RegionId{name | kind});
    if (land) network.land();
  }
  /// Everyone freezes, closes at the least that anyone holds, and goes on in the next view; a
  /// joiner comes without a past. With `renews`, as if somebody had been expelled.
  void change_view(std::optional<Rank> joiner = {}, bool land = true) {
    std::vector<Round> trim(senders.size(), mirror::no_round);
    for (Member& member : members) {
      member.channel->freeze(now);
      for (std::size_t at = 0; at < trim.size(); ++at)
        trim[at] = std::min(trim[at], member.channel->received()[at]);
    }
    view = ViewId{raw(view) + 1};
    for (Rank rank = 0; rank < members.size(); ++rank) {
      REQUIRE(members[rank].channel->close(trim));
      deliver(rank);
      REQUIRE(members[rank].channel->exhausted());
      const Past past = members[rank].channel->past();
      for (std::size_t at = 0; at < senders.size(); ++at)
        if (senders[at] == rank) {
          members[rank].writer->rewind(trim[at]);
          if (renews) REQUIRE(members[rank].writer->renew());
        }
      build(rank, rank == joiner ? Past{{}, std::nullopt} : past);
    }
    attach_all(land);
  }
  Channel& operator[](Rank rank) { return *members[rank].channel; }

  bool send(Rank rank, std::string_view text) {
    mirror::RingWriter::Claim claim;
    if (!members[rank].channel->writer()->claim(text.size(), claim)) return false;
    std::memcpy(claim.message, text.data(), text.size());
    members[rank].channel->writer()->commit(claim);
    return true;
  }
  Channel::Turned exchange(Rank rank) { return members[rank].channel->exchange(now); }
  std::size_t deliver(Rank rank, std::size_t limit = SIZE_MAX) {
    Member& member = members[rank];
    return member.channel->deliver(
        [&](const Delivery& message) {
          member.got.emplace_back(as_text(message.bytes));
          member.numbers.emplace_back(message.sender, message.number);
          member.positions.push_back(message.position);
        },
        limit);
  }
  /// A turn of each, everything landing in between.
  void turn_all() {
    for (Rank rank = 0; rank < members.size(); ++rank) {
      exchange(rank);
      network.land();
      deliver(rank);
    }
  }
  /// Writes over a frame's header in a sender's own ring: what its peers get is damaged.
  void damage(Rank sender, std::size_t offset, mirror::FrameHeader header) {
    std::memcpy(const_cast<std::byte*>(members[sender].channel->writer()->memory().data()) + offset,
                &header, sizeof(header));
  }

  Time now{};
  ViewId view{1};
  bool renews = false;  ///< the rings' memory, with every view
  mirror::FakeNetwork network;
  std::vector<Member> members;
  std::vector<Rank> senders;
  Hooks hooks;
};

using Texts = std::vector<std::string>;

}  // namespace squall::multicast
