// Reads that are not local and not in the order: at another member, at any member of a shard, and
// here, once this replica has executed what anybody had (read_rounds.h).

#include <fmt/format.h>

#include <algorithm>

#include "groups/object/replica.h"

namespace squall::objects {
namespace {

tl::unexpected<CallError> without_effect(Error error) {
  return tl::unexpected(with_effect(std::move(error), Effect::no));
}

std::string names_of(const std::vector<Member>& members) {
  std::string names;
  for (const Member& member : members) names += (names.empty() ? "" : ", ") + member.name;
  return names.empty() ? "nobody" : names;
}

}  // namespace

CallResult<Call*> Replica::ask(const Where& where, std::uint64_t method, Bytes arguments) {
  auto taken = take_call();
  if (!taken) return taken;
  return ask(**taken, where, method, arguments);
}

CallResult<Call*> Replica::ask(Call& call, const Where& where, std::uint64_t method,
                               Bytes arguments) {
  if (arguments.size() + sizeof(RecordHeader) + sizeof(std::uint32_t) > group_->max_post_bytes()) {
    call.release();
    return without_effect(
        {Code::too_large,
         fmt::format("arguments of {} bytes; a read at another member takes at most {}",
                     arguments.size(), group_->max_post_bytes()),
         "ask for it in pieces"});
  }
  RecordHeader header;
  header.kind = RecordHeader::Kind::read;
  header.call = call.id();
  header.what = method;
  header.bytes = static_cast<std::uint32_t>(sizeof known_.version + arguments.size());
  auto& read = call.rest();
  auto& question = read.question;
  question.resize(sizeof header + header.bytes);
  std::byte* at = question.data();
  store(at, header);
  std::memcpy(at += sizeof header, &known_.version, sizeof known_.version);
  if (!arguments.empty())
    std::memcpy(at + sizeof known_.version, arguments.data(), arguments.size());
  call.single_ = call.asks_ = true;
  call.awaited_ = 1;
  if (turns_here()) {
    if (auto placed = place(call, where); !placed) {
      call.release();
      return without_effect(std::move(placed.error()));
    }
    call.in_flight_.store(true, std::memory_order_relaxed);
    if (const Rank to = put(call); to != nobody)
      flush(to);
    else if (call.latest())
      turned();
    return &call;
  }
  {
    const std::lock_guard lock(mutex_);
    if (auto placed = place(call, where); !placed) {
      call.release();
      return without_effect(std::move(placed.error()));
    }
    call.in_flight_.store(true, std::memory_order_seq_cst);
    questions_.push_back(call.id());
    asked_.store(true, std::memory_order_release);
  }
  if (closed_.load(std::memory_order_seq_cst)) [[unlikely]]
    fail_call(call, closed_error(), Effect::no);
  else
    node_->wake();
  return &call;
}

Result<> Replica::place(Call& call, const Where& where) {
  if (const auto* member = std::get_if<AtMember>(&where)) {
    const auto found = std::ranges::find(peers_, member->name, &Member::name);
    if (found == peers_.end())
      return fail(Code::unavailable,
                  fmt::format("no other member of group {} is called {}; there are: {}",
                              group_name_, member->name, names_of(peers_)));
    call.rest().asked = found->id;
  } else if (const auto* shard = std::get_if<AtShard>(&where)) {
    if (const std::size_t count = shards(); shard->number >= count)
      return fail(Code::invalid, fmt::format("no shard {} of the {} of group {}", shard->number,
                                             count, group_name_));
    call.rest().shard = shard->number;
  } else {
    call.rest().latest = true;
  }
  return {};
}

// --- at a member

Rank Replica::rank_of_other(NodeId member) const {
  const Rank rank = roster_->view->rank_of(member).value_or(nobody);
  return rank == self_ ? nobody : rank;
}

void Replica::put_questions() {
  std::vector<std::uint64_t> questions;
  {
    const std::lock_guard lock(mutex_);
    questions.swap(questions_);
    asked_.store(false, std::memory_order_relaxed);
  }
  for (const std::uint64_t id : questions) {
    if (Call* const call = pool_->find(id)) static_cast<void>(put(*call));
  }
}

Rank Replica::put(Call& call) {
  if (!call.latest()) return put_question(call);
  rounds_.add(call.id());
  return nobody;
}

Rank Replica::put_question(Call& call) {
  auto& read = call.rest();
  if (read.shard) {
    // Whoever is closest is this replica; of others, not all members ask the same.
    if (shard_ == read.shard && ready_.load(std::memory_order_relaxed)) {
      answer_here(call);
      return nobody;
    }
    const auto& members = *read.shard < shards_.size() ? shards_[*read.shard] : shards_.front();
    if (members.empty()) {
      fail_call(call,
                {Code::unavailable,
                 fmt::format("shard {} of group {} has no members: {}", *read.shard, group_name_,
                             group_->membership().missing),
                 "ask when on_membership says that it has"},
                Effect::no);
      return nobody;
    }
    Rank one = members[(self_ + read.tried) % members.size()];
    if (one == self_) one = members[(self_ + ++read.tried) % members.size()];
    read.asked = roster_->view->members[one].id;
  }
  const Rank rank = rank_of_other(read.asked);
  if (rank == nobody) {
    fail_call(call, {Code::lost, "the member that was asked is in the group no more", ""},
              Effect::no);
    return nobody;
  }
  outbox_[rank].append(read.question);
  out_ = true;
  return rank;
}

/// True: that member has no state yet, and another one is asked.
bool Replica::ask_next(Call& call, const RecordView& reply) {
  if (reply.header.failed == 0 || decode_error(reply.body).code != Code::would_block) return false;
  auto& read = call.rest();
  if (++read.tried >= 2 * shards_[std::min(*read.shard, shards_.size() - 1)].size()) return false;
  static_cast<void>(put_question(call));
  return true;
}

void Replica::run_read(std::uint64_t method, Bytes body, std::size_t most, Outcome& outcome) {
  CallView call;
  call.header.method = method;
  call.header.kind = CallHeader::Kind::read;
  const bool whole = body.size() >= sizeof call.header.version;
  if (whole) {
    std::memcpy(&call.header.version, body.data(), sizeof call.header.version);
    call.arguments = body.subspan(sizeof call.header.version);
  }
  outcome.error.reset();
  if (!whole)
    outcome.error = Error{Code::invalid, "a read without a version", ""};
  else if (!ready_.load(std::memory_order_relaxed))
    outcome.error = *not_ready();
  else
    run(call, outcome, most);
  outcome.effect = Effect::no;
}

void Replica::answer_read(Rank from, const RecordView& record) {
  run_read(record.header.what, record.body, most_post_bytes_ - sizeof(RecordHeader), asked_for_);
  RecordHeader header;
  header.call = record.header.call;
  header.what = executed_.load(std::memory_order_relaxed);
  out_ = true;
  reply_otherwise(from, header, asked_for_);
}

void Replica::answer_here(Call& call) {
  RecordHeader header;
  const Bytes question = call.rest().question;
  std::memcpy(&header, question.data(), sizeof header);
  Outcome outcome;  // its own: the method of a read may come by here again
  run_read(header.what, question.subspan(sizeof header), clients::most_reply_bytes, outcome);
  const Reply* const reply = add_reply(call, self_id_, outcome);
  if (reply == nullptr) return;
  call.own_ = reply;
  finish(call, Call::first | Call::own | Call::all);
}

// --- the latest

/// By rank in the node's view: the group may still be to be told of it.
void Replica::take_round(Rank posted_from, const RecordView& record) {
  const auto& now = node_->view_here();
  if (posted_from >= now->size()) return;
  const NodeId from = now->members[posted_from].id;
  if (record.header.kind == RecordHeader::Kind::how_far) {
    RecordHeader answer;
    answer.kind = RecordHeader::Kind::so_far;
    answer.call = record.header.call;
    so_far_[from] = answer;  // of its earlier rounds it wants nothing any more
    return;
  }
  Reader body(record.body);
  const ViewId in{body.get<std::uint64_t>()};
  if (body.done()) rounds_.answered(from, record.header.call, in, record.header.what);
}

bool Replica::begin_round(const std::shared_ptr<const View>& now) {
  const Membership seats = group_->latest_membership();
  if (seats.view != now) return false;  // another thread's view: with the next turn
  if (!seats.shard) {
    for (const std::uint64_t id : rounds_.take_all())
      if (Call* call = pool_->find(id))
        fail_call(
            *call,
            {Code::unavailable, fmt::format("this member is not in group {} now", group_name_),
             "read when on_membership says that it is, or at a shard"},
            Effect::no);
    return true;
  }
  std::vector<Rank> others = seats.members();
  std::erase(others, *now->rank_of(self_id_));
  rounds_.begin(now, std::move(others), executed_.load(std::memory_order_relaxed));
  return true;
}

bool Replica::turn_rounds() {
  bool worked = false;
  const auto now = node_->view();
  if (rounds_.wants_round() || rounds_.outdated(now)) worked = begin_round(now);
  std::vector<std::byte> record;
  const auto posted = [&](Rank to, const RecordHeader& header, Bytes body) {
    record.clear();
    append_record(record, header, body);
    const auto sent = group_->post(to, record);
    worked |= sent.has_value();
    return sent || sent.error().code != Code::would_block;
  };
  RecordHeader question;
  question.kind = RecordHeader::Kind::how_far;
  question.call = rounds_.number();
  if (!rounds_.outdated(now))
    std::erase_if(rounds_.unasked(), [&](Rank rank) { return posted(rank, question, {}); });
  std::erase_if(so_far_, [&](const auto& each) {
    const auto rank = now->rank_of(each.first);
    if (!rank) return true;
    RecordHeader answer = each.second;
    answer.what = executed_.load(std::memory_order_relaxed);
    Writer in;
    in.put(raw(now->id));
    return posted(*rank, answer, in.bytes());
  });
  if (!ready_.load(std::memory_order_relaxed)) return worked;
  for (const std::uint64_t id :
       rounds_.take_due(roster_->view->id, executed_.load(std::memory_order_relaxed)))
    if (Call* call = pool_->find(id)) answer_here(*call);
  return worked;
}

}  // namespace squall::objects
