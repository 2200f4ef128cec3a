#pragma once
// The large objects of one channel in one view, as one member takes part in them. Pure but for the
// fabric, as the channel is; one thread.
//
// How one object travels. Its sender offers it to those who get blocks from it first; whoever is
// offered one finds a place for it and imports the offerer's region into that place, which tells
// the offerer (`attached`) that blocks may come; then it offers what it will pass on, in the same
// way. A block is pushed, and a word behind it on the same lane says that it has landed. Who holds
// everything tells the sender; when all do, the sender publishes the object's frame. So whoever
// finds the frame has the object, no view has to decide about half of one, and nobody but its
// sender waits for it. Of small objects the receivers keep place and replica: what is sent next
// from the same memory begins with its blocks (`standing.h`).
//
// Where the fabric maps memory there is nothing to be sent: a member that has mapped the sender's
// buffer holds all that is ever sent from it.
//
// Room. Each member has a limit for what it takes in; what is over it waits at those who offer it.
// The first object of each sender that is not delivered yet gets its place whatever the limit says:
// else two members could each wait for what the other has given its room to. A sender has the same
// limit for what it sends, so it cannot have offered more than that, nor shown more than that twice
// over: who does is wrong.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/rank_set.h"
#include "core/fabric/fabric.h"
#include "core/mirror/outbox.h"
#include "core/multicast/bulk/cost.h"
#include "core/multicast/bulk/standing.h"
#include "core/multicast/bulk/transfer.h"
#include "core/multicast/bulk/transit.h"
#include "core/multicast/bulk/wire.h"

namespace squall::multicast::bulk {

/// The same at all members, but for the window.
struct Settings {
  std::optional<Kind> schedule;  ///< nullopt: the quickest, by `cost`
  Cost cost{};                   ///< of a link between two members; its sender's opinion counts
  std::uint32_t block_bytes = 1 << 20;
  std::uint64_t most_bytes = std::uint64_t{16} << 30;  ///< of an object
  /// On its way to one peer. What a turn moves is what a small message waits for beside it
  /// (`squall bench objects --beside`); less than two small objects leaves a turn with too little.
  std::size_t window_bytes = std::size_t{2} << 20;
};

/// What a member keeps of one channel's objects for good; all of it outlives the views.
struct Home {
  Settings settings;
  mirror::Outbox* outbox = nullptr;  ///< nullptr: this member is no sender
  mirror::Pool* places = nullptr;    ///< for what comes; nullptr: the channel has no large objects
  Transit* transit = nullptr;
};

class Transfers {
 public:
  struct Options {
    std::uint16_t channel = 0;  ///< its number, which every word begins with
    Rank self = 0;
    std::vector<Rank> senders;  ///< in the channel's order
    Home home;
  };

  /// `peers[rank]`: that member's connection.
  Transfers(fabric::Fabric& fabric, std::vector<fabric::PeerId> peers, Options options);
  ~Transfers();

  /// Cheap enough to be asked with every turn.
  bool due() const { return active_ || news(); }
  bool news() const { return home_.outbox != nullptr && home_.outbox->news(); }

  /// A word of a member. False if it makes no sense: its sender cannot be right.
  bool on_message(Rank from, Bytes message);
  /// A peer has a replica of a region. False if it is none of these.
  bool attached(fabric::PeerId peer, fabric::RegionId region);

  /// Goes on with everything. `consumed`: what all members have, of this member's own ring. True if
  /// anything was done.
  bool turn(Position consumed);
  /// Frames of own objects below this may be published.
  Position passed() const { return passed_; }

  /// What a frame stands for; nullopt if it is not here, so that its sender cannot be right.
  std::optional<Bytes> find(std::uint32_t origin, Bytes frame) const;
  /// It was delivered here.
  void delivered(std::uint32_t origin, Bytes frame);

 private:
  /// One object that this member passes on, or began.
  struct Spread {
    Spread(Transfer of, const Word& as) : transfer(std::move(of)), terms(as) {}

    Transfer transfer;
    Word terms;                                    ///< an offer of it
    std::shared_ptr<const mirror::Buffer> buffer;  ///< none yet: it waits for a place
    bool offered = false;
    RankSet attached;      ///< those to whom blocks may go
    RankSet standing;      ///< of these, those that have a replica from before
    bool lasting = false;  ///< others may keep what they are offered
  };
  struct Outgoing {
    std::optional<Spread> spread;  // none where memory is mapped
    RankSet offered;               // mapped: those who were told
    RankSet whole;                 // those who hold it
    bool passed = false;
  };
  struct Incoming {
    Spread spread;
    std::map<Rank, fabric::RegionId> sources{};  // by who offered it
    bool told = false;                           // its sender knows that it is whole
    bool kept = false;                           // its place is a standing one
    bool delivered = false;

    bool done() const { return delivered && spread.transfer.finished(); }
  };
  struct Shown {
    const std::byte* data = nullptr;
    std::size_t bytes = 0;
  };
  struct Waiting {
    Rank to = 0;
    fabric::Lane lane{};
    WireWord message{};
  };
  using Name = std::pair<std::uint32_t, std::uint64_t>;  // origin, number

  Rank members() const { return static_cast<Rank>(peers_.size()); }
  Rank origin_rank(std::uint32_t origin) const { return senders_[origin]; }
  Place place_of(Rank rank, std::uint32_t origin) const {
    return (rank + members() - origin_rank(origin)) % members();
  }
  Rank rank_at(Place place, std::uint32_t origin) const {
    return (place + origin_rank(origin)) % members();
  }
  Kind schedule_for(std::uint64_t bytes) const;

  bool on_offer(Rank from, const Word& word);
  bool on_landed(Rank from, const Word& word);
  bool on_retired(Rank from, fabric::RegionId region);
  bool on_kept(Rank from, const Word& word);
  Incoming begin_incoming(const Word& terms) const;
  Incoming* begin_in_place(Rank from, const Word& word);
  bool on_whole(Rank from, const Word& word);
  void take_in(Incoming& incoming, Rank from, fabric::RegionId region);

  bool begin_sending();
  Word terms_of(const mirror::Outbox::Item& item) const;
  void begin_spread(const mirror::Outbox::Item& item, Outgoing& outgoing);
  bool show(const mirror::Outbox::Item& item, Outgoing& outgoing);
  bool find_places();
  void keep_place(Incoming& incoming);
  bool can_have(std::uint32_t origin, std::size_t bytes);
  bool can_show(Rank from, fabric::RegionId region, std::size_t bytes) const;
  void drop_done();
  bool offer(Spread& spread);
  bool push_blocks();
  bool push_block(Spread& spread);
  bool finish(Incoming& incoming);
  bool settle();
  void let_go();
  void tell_kept(Rank to, const Word& terms);
  void tell_retired(std::uint32_t origin, fabric::RegionId region, const RankSet& holders);
  Lent* lent(fabric::RegionId own);
  void expose(const mirror::Buffer& buffer);
  void say(Rank to, fabric::Lane lane, const Word& word);
  bool say_rest();
  bool waits(Rank to) const;

  fabric::Fabric& fabric_;
  std::vector<fabric::PeerId> peers_;
  Rank self_;
  std::uint16_t channel_;
  std::vector<Rank> senders_;
  Home home_;
  std::uint32_t own_;  // senders.size() if none
  bool maps_;
  std::vector<std::shared_ptr<Window>> windows_;  // by rank
  std::map<std::uint64_t, Outgoing> outgoing_;    // by number
  std::map<Name, Incoming> incoming_;
  std::vector<std::size_t> needed_;  // by origin: at least, at the sender, for what is in incoming_
  StandingRegions standing_regions_;
  StandingPlaces standing_places_;
  std::map<fabric::RegionId, RankSet> holders_;  // mapped: who has mapped this region of mine
  std::map<std::pair<Rank, fabric::RegionId>, Shown> shown_;  // mapped: what others have shown me
  std::vector<Waiting> waiting_;                              // words for which a lane had no room
  Position passed_ = 0;
  bool active_ = true;
};

}  // namespace squall::multicast::bulk
