#pragma once
// The connections that outlive fences and views: pulses, votes and the wishes of joiners between
// the members of a view, also between those that accuse each other. One to each member, dialled
// again when it breaks; what is sent meanwhile is dropped, since everything that goes here is said
// again until it is answered. Members of the view before are kept until the next change, so that
// whoever missed the decision still learns of it.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/rank_set.h"
#include "core/base/time.h"
#include "core/base/view.h"
#include "core/engine/contact.h"
#include "core/fabric/fabric.h"

namespace squall::engine {

class Control {
 public:
  /// The first byte of every control message.
  enum class Kind : std::uint8_t { pulse = 1, ballot, joiner, state_request, state_piece, post };

  explicit Control(fabric::Fabric& fabric)
      : fabric_(fabric), inline_bytes_(fabric.capabilities().inline_bytes) {}
  ~Control();

  /// Keeps the connections of members that are in both views, drops the others, dials new ones.
  /// `contacts` by rank, as for the epoch.
  void move_to(const View& view, Rank self, std::span<const Contact> contacts, Time now);

  /// False if it is none of these connections.
  bool knows(fabric::PeerId peer) const { return find(peer) != nullptr; }
  /// nullopt: of nobody in the current view.
  std::optional<Rank> rank_of(fabric::PeerId peer) const;
  void connected(fabric::PeerId peer);
  /// It broke: a member's is dialled again after a while.
  void lost(fabric::PeerId peer, std::string_view reason, Time now);
  /// Why this member's connection broke, while it has no new one; empty otherwise.
  std::string_view broken(Rank rank) const { return links_[rank].broken; }
  bool up(Rank rank) const { return links_[rank].up; }
  /// Every other member can be heard.
  bool all_up(Rank self) const {
    for (Rank rank = 0; rank < links_.size(); ++rank)
      if (rank != self && !links_[rank].up) return false;
    return true;
  }
  /// Dials what is due; returns when it wants to be called again.
  Time turn(Time now);

  /// A message that was sent with this token has left; of tokens of others, nothing.
  void completed(fabric::Token token) { leaving_.erase(token); }

  void send(Rank rank, Kind kind, Bytes message);
  /// What a sleeper need not be woken for; short.
  void send_quietly(Rank rank, Kind kind, Bytes message);
  void send(fabric::PeerId peer, Kind kind, Bytes message);
  /// To a member of this view, behind everything urgent; false: it is not there, or has no room
  /// now.
  bool send_bulk(const Member& to, Kind kind, Bytes message);
  /// The same of what an application posts on a channel. It begins with a word instead of a byte,
  /// so that words in it are where they can be loaded as such.
  bool post(const Member& to, std::uint16_t channel, Bytes message);
  static constexpr std::size_t post_head_bytes = sizeof(std::uint64_t);
  /// Of a message that begins with Kind::post; nullopt: it is none.
  static std::optional<std::uint16_t> channel_of_post(Bytes message);

 private:
  struct Link {
    Member member;
    Contact contact;
    std::optional<fabric::PeerId> id;
    bool up = false;
    Time dial_at = never;
    std::string broken{};
  };
  void dial(Link& link, Time now);
  void drop(Link& link);
  bool send(Link& link, fabric::Lane lane, Kind kind, Bytes message) {
    const auto head = static_cast<std::byte>(kind);
    return send(link, lane, Bytes(&head, 1), message);
  }
  bool send(Link& link, fabric::Lane lane, Bytes head, Bytes rest);
  Link* find(const Member& member);
  const Link* find(fabric::PeerId peer) const;
  Link* find(fabric::PeerId peer) {
    return const_cast<Link*>(static_cast<const Control*>(this)->find(peer));
  }

  fabric::Fabric& fabric_;
  const std::size_t inline_bytes_;
  std::vector<Link> links_;   // by rank; self's is never dialled
  std::vector<Link> former_;  // of the view before
  /// For what the fabric copies at once; grows to the longest such message.
  std::vector<std::byte> scratch_ = std::vector<std::byte>(256);
  /// What the fabric reads until its token comes back: too long to be copied.
  std::map<fabric::Token, std::vector<std::byte>> leaving_;
  fabric::Token next_token_ = fabric::no_token;
};

}  // namespace squall::engine
