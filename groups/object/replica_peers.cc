// What passes between replicas beside the order: replies, reads, interfaces; and who they are.

#include <fmt/format.h>

#include <algorithm>

#include "core/base/log.h"
#include "groups/object/replica.h"

namespace squall::objects {
namespace {

// Of replies that a member does not take; beyond, it gets errors instead.
constexpr std::size_t most_outbox_bytes = std::size_t{64} << 20;

/// Of that run of a member: not of its next, which may be there already.
std::optional<Rank> rank_in(const View& view, const Member& member) {
  const auto rank = view.rank_of(member.id);
  if (rank && view.members[*rank].incarnation == member.incarnation) return rank;
  return std::nullopt;
}

}  // namespace

// --- out

void Replica::reply_to(Rank to, CallNumber call, std::uint64_t version, const Outcome& outcome) {
  auto& box = outbox_[to];
  out_ = true;
  if (!outcome.error && outcome.effect == Effect::yes && outcome.bytes.size() <= small_result &&
      box.size() < most_outbox_bytes) [[likely]]
    return box.reply(call, outcome.bytes, most_post_bytes_);
  RecordHeader header;
  header.call = call;
  header.what = version;
  reply_otherwise(to, header, outcome);
}

void Replica::reply_otherwise(Rank to, RecordHeader header, const Outcome& outcome) {
  auto& box = outbox_[to];
  header.effect = outcome.effect;
  if (!outcome.error && box.size() < most_outbox_bytes) return box.append(header, outcome.bytes);
  std::vector<std::byte> body;
  encode_error(
      body, outcome.error.value_or(Error{Code::would_block, "replies pile up at the replica", ""}));
  header.failed = 1;
  box.append(header, body);
}

bool Replica::flush(Rank to) {
  auto& box = outbox_[to];
  const std::size_t most = most_post_bytes_;
  const auto& now = node_->view_here();
  const auto rank =
      now == roster_->view ? std::optional(to) : now->rank_of(roster_->view->members[to].id);
  if (!rank) {
    box.clear();  // it is gone, as the group will be told
    return false;
  }
  const Bytes all = box.seal();
  if (all.size() <= most) [[likely]] {
    const auto posted = group_->post(*rank, all);
    if (!posted && posted.error().code == Code::would_block) return false;
    box.clear();
    return true;
  }
  std::size_t sent = 0;
  while (sent < all.size()) {
    std::size_t end = all.size() - sent <= most ? all.size() : sent;
    while (end < all.size()) {
      RecordHeader header;
      std::memcpy(&header, all.data() + end, sizeof header);
      const std::size_t next = end + sizeof header + header.bytes;
      if (next - sent > most && end != sent) break;
      end = next;
    }
    const auto posted = group_->post(*rank, all.subspan(sent, end - sent));
    if (!posted && posted.error().code == Code::would_block) break;
    // Whatever else it is, it is so for good: the callers learn of it with the next view.
    sent = end;
  }
  box.drop_front(sent);
  return sent != 0;
}

bool Replica::flush() {
  bool sent = false, left = false;
  for (Rank to = 0; to < outbox_.size(); ++to) {
    if (outbox_[to].empty()) continue;
    sent |= flush(to);
    left |= !outbox_[to].empty();
  }
  out_ = left;
  return sent;
}

bool Replica::turned() {
  if (!closed_.load(std::memory_order_relaxed)) pool_->turned_here();
  if (!ready_.load(std::memory_order_relaxed) && !broken_.load(std::memory_order_relaxed) &&
      shard_ && node_->arrived())
    ready_.store(true, std::memory_order_release);
  if (asked_.load(std::memory_order_acquire)) [[unlikely]]
    put_questions();
  bool worked = false;
  if (!rounds_.idle() || !so_far_.empty()) [[unlikely]]
    worked = turn_rounds();
  return (out_ && flush()) || worked;
}

// --- in

/// Who posts has a rank in the node's view, and perhaps none in the group's.
Rank Replica::rank_told(Rank posted_from) const {
  const auto& now = node_->view_here();
  if (now == roster_->view) return posted_from;
  if (posted_from >= now->size()) return nobody;
  return roster_->view->rank_of(now->members[posted_from].id).value_or(nobody);
}

void Replica::posted(Rank posted_from, Bytes message) {
  if (!roster_) return;
  const Rank from = rank_told(posted_from);
  RecordReader reader(message);
  bool asked = false;
  while (const auto* record = reader.next()) {
    using Kind = RecordHeader::Kind;
    if (record->header.kind == Kind::how_far || record->header.kind == Kind::so_far) {
      take_round(posted_from, *record);
      continue;
    }
    if (from == nobody) continue;
    switch (record->header.kind) {
      case RecordHeader::Kind::replies:
        take_replies(from, *record);
        break;
      case RecordHeader::Kind::reply:
        take_reply(from, *record);
        break;
      case RecordHeader::Kind::read:
        answer_read(from, *record);
        asked = true;
        break;
      case RecordHeader::Kind::greeting:
      case RecordHeader::Kind::interface:
        take_interface(from, *record);
        break;
      case RecordHeader::Kind::how_far:
      case RecordHeader::Kind::so_far:
        break;
    }
  }
  if (!reader.ok() && from != nobody && malformed_++ == 0)
    log(Level::warning, "{} says what is no word of an object in group {}",
        roster_->view->members[from].name, group_name_);
  // Somebody waits for it, as a rule, and the rest of this turn is no shorter than the way back.
  if (asked) static_cast<void>(flush(from));
}

void Replica::take_reply(Rank from, const RecordView& record) {
  Call* const call = pool_->find(record.header.call);
  if (call == nullptr) return;  // of before a view change: its caller was told
  const bool read = call->asks_;
  const NodeId member = roster_->view->members[from].id;
  if (read && call->asked() != member) return;
  if (read && call->rest_->shard && ask_next(*call, record)) return;
  if (!read && call->single_) return;
  const Reply* const reply =
      call->add_reply(member, record.header.failed == 1, record.header.effect, record.body);
  if (reply == nullptr) return;
  if (!read) return replied(*call);
  call->own_ = reply;
  finish(*call, Call::first | Call::own | Call::all);
}

void Replica::take_replies(Rank from, const RecordView& record) {
  const NodeId member = roster_->view->members[from].id;
  const std::size_t result_bytes = record.header.what;
  const std::size_t item_bytes = reply_item_bytes(result_bytes);
  for (Bytes rest = record.body; !rest.empty(); rest = rest.subspan(item_bytes)) {
    ReplyItem item;
    std::memcpy(&item, rest.data(), sizeof item);
    Call* const call = pool_->find(item.call);
    if (call == nullptr || call->single_) [[unlikely]]
      continue;
    if (call->add_reply(member, false, record.header.effect,
                        rest.subspan(sizeof item, result_bytes)) != nullptr) [[likely]]
      replied(*call);
  }
}

// --- who has what

void Replica::announce(Rank to, RecordHeader::Kind kind) {
  Interface mine{known_.name, known_.version, {}};
  for (const MethodEntry& method : known_.methods) mine.methods.push_back({method.id, method.name});
  RecordHeader header;
  header.kind = kind;
  outbox_[to].append(header, encode_interface(mine));
  out_ = true;
}

void Replica::take_interface(Rank from, const RecordView& record) {
  auto interface = decode_interface(record.body);
  if (!interface) {
    log(Level::warning, "{} says what is no interface in group {}",
        roster_->view->members[from].name, group_name_);
    return;
  }
  const NodeId member = roster_->view->members[from].id;
  {
    const std::lock_guard lock(mutex_);
    interfaces_[member] = std::move(*interface);
    compare_interfaces();
  }
  if (record.header.kind != RecordHeader::Kind::greeting) return;
  // What was said to it before it listened is lost.
  announce(from, RecordHeader::Kind::interface);
  pool_->each([&](Call& call) {
    if (call.asked() == member) static_cast<void>(put_question(call));
  });
  rounds_.ask_again(member);
}

void Replica::compare_interfaces() {
  bool fits = true, listen = true;
  for (const Member& other : others_) {
    const auto theirs = interfaces_.find(other.id);
    listen = listen && theirs != interfaces_.end();
    fits = fits && theirs != interfaces_.end() && theirs->second.version == known_.version &&
           std::ranges::all_of(known_.methods, [&](const MethodEntry& method) {
             return theirs->second.has(method.id);
           });
  }
  fits_.store(fits, std::memory_order_release);
  all_listen_.store(listen, std::memory_order_release);
}

/// Why a call would be refused somewhere, as far as others have said what they have.
std::optional<CallError> Replica::misfit(std::uint64_t method) {
  const std::lock_guard lock(mutex_);
  for (const Member& other : others_) {
    const auto found = interfaces_.find(other.id);
    if (found == interfaces_.end()) continue;
    const Interface& theirs = found->second;
    if (theirs.version != known_.version)
      return with_effect({Code::refused,
                          fmt::format("{} has version {} of {}, and this member version {}",
                                      other.name, theirs.version, theirs.object, known_.version),
                          "run one version of the object at all members"},
                         Effect::no);
    if (theirs.has(method)) continue;
    const auto mine = std::ranges::find(known_.methods, method, &MethodEntry::id);
    return with_effect(
        {Code::refused,
         fmt::format("{} has no method {} in its version {} of {}, and this member has it in its "
                     "version {} of {}",
                     other.name, mine == known_.methods.end() ? "of that number" : mine->name,
                     theirs.version, theirs.object, known_.version, known_.name),
         "run one program at all members, or list the methods in the class (squall::Methods)"},
        Effect::no);
  }
  return std::nullopt;
}

// --- views

void Replica::enter(const Membership& now) {
  const bool first = roster_ == nullptr;
  if (!now.shard || (!first && shard_ != now.shard && !loaded_)) {
    ready_.store(false, std::memory_order_release);
    if (!first) {
      const std::lock_guard lock(executing_);
      reset_object();
      sessions_.clear();
    }
  }
  loaded_ = false;
  // What is for those who stay still goes to them.
  std::vector<RecordBox> boxes(now.view->size());
  for (Rank was = 0; was < outbox_.size(); ++was)
    if (const auto is = rank_in(*now.view, roster_->view->members[was]))
      boxes[*is] = std::move(outbox_[was]);
  outbox_ = std::move(boxes);
  roster_ = std::make_shared<const Roster>(Roster{now.view, now.members(), self_id_});
  most_post_bytes_ = group_->max_post_bytes();
  shards_ = now.shards;
  shard_ = now.shard;
  self_ = *roster_->view->rank_of(self_id_);
  {
    const std::lock_guard lock(mutex_);
    others_.clear();
    peers_.clear();
    for (const Rank rank : roster_->members)
      if (rank != self_) others_.push_back(roster_->view->members[rank]);
    for (const auto& shard : now.shards)
      for (const Rank rank : shard)
        if (rank != self_) peers_.push_back(roster_->view->members[rank]);
    std::erase_if(interfaces_, [&](const auto& each) {
      return std::ranges::count(peers_, each.first, &Member::id) == 0;
    });
    compare_interfaces();
  }
  for (const auto& shard : now.shards)
    for (const Rank rank : shard)
      if (rank != self_) announce(rank, RecordHeader::Kind::greeting);
  // Calls that were not delivered are sent again by the engine, if there is a group.
  pool_->each([&](Call& call) {
    if (call.asked() != NodeId{})
      static_cast<void>(put_question(call));
    else if (call.latest())
      return;
    else if (call.reached(Call::own))
      lose_replies(call, false);
    else if (!now.shard)
      fail_call(call, {Code::lost, "this member is in the group no more", ""}, Effect::unknown);
  });
  if (desk_ != nullptr) desk_->look_again(*this);
}

/// Of those who are gone, or of all; the call was executed, so it took effect.
void Replica::lose_replies(Call& call, bool of_all) {
  for (const Rank rank : call.roster_->members) {
    const Member& member = call.roster_->view->members[rank];
    if (!of_all && rank_in(*roster_->view, member)) continue;
    if (call.reply_of(member.id) != nullptr) continue;
    Outcome lost;
    lost.effect = Effect::yes;
    lost.error =
        Error{Code::lost,
              fmt::format("the reply of {} never came; the call took effect at all who are left",
                          member.name),
              ""};
    static_cast<void>(add_reply(call, member.id, lost));
  }
  if (call.arrived_ >= call.awaited_) finish(call, Call::all);
}

void Replica::closed(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_why_) return;
    closed_why_ = error;
  }
  closed_.store(true, std::memory_order_seq_cst);
  pool_->each([&](Call& call) {
    if (call.asked() != NodeId{} || call.single_)
      fail_call(call, error, Effect::no);
    else if (call.reached(Call::own))
      lose_replies(call, true);
    else
      fail_call(call, error, Effect::unknown);
  });
  pool_->close();
}

}  // namespace squall::objects
