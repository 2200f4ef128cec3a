// What a replica does for clients of its member, and what every replica does with their updates.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "groups/object/replica.h"

namespace squall::objects {
namespace {

// The method of an update that was refused before it had its place: its arguments are the error.
constexpr std::uint64_t no_method = 0;

}  // namespace

// --- for the desk

std::optional<clients::Away> Replica::client_opens(const clients::Opening& opening,
                                                   clients::Answers& desk) {
  desk_ = &desk;
  const auto away = [](Error why) { return clients::Away{std::move(why), {}}; };
  if (opening.version != known_.version)
    return away({Code::refused,
                 fmt::format("it has version {} of {}, and the client version {} of {}",
                             known_.version, known_.name, opening.version, opening.object),
                 "run one version of the object everywhere"});
  const Membership now = group_->membership();
  if (now.shard != opening.shard) {
    clients::Away elsewhere{{Code::unavailable,
                             fmt::format("it is not in shard {} of group {}{}{}", opening.shard,
                                         group_name_, now.missing.empty() ? "" : ": ", now.missing),
                             ""},
                            {}};
    if (opening.shard < now.shards.size())
      for (const Rank rank : now.shards[opening.shard])
        elsewhere.members.push_back(now.view->members[rank].name);
    return elsewhere;
  }
  if (!ready_.load(std::memory_order_relaxed)) return away(*not_ready());
  return std::nullopt;
}

Result<> Replica::put_client_call(CallHeader::Kind kind, clients::Tag tag, std::uint64_t method,
                                  Bytes first, Bytes second) {
  if (closed_.load(std::memory_order_acquire)) return tl::unexpected<Error>(closed_error());
  auto space = group_->reserve(sizeof(CallHead) + sizeof tag + first.size() + second.size());
  if (!space) {
    // Another member may be a sender.
    if (space.error().code == Code::invalid) space.error().code = Code::unavailable;
    return tl::unexpected(std::move(space.error()));
  }
  const CallHead head = encode_call(header_of(kind, method, 0));
  std::byte* at = space->bytes.data();
  std::memcpy(at, head.data(), sizeof head);
  std::memcpy(at + sizeof head, &tag, sizeof tag);
  at += sizeof head + sizeof tag;
  if (!first.empty()) std::memcpy(at, first.data(), first.size());
  if (!second.empty()) std::memcpy(at + first.size(), second.data(), second.size());
  group_->commit(*space);
  return {};
}

/// Why no replica should be given this call.
std::optional<Error> Replica::client_misfit(std::uint64_t method, bool update) {
  const MethodEntry* const found = find_method(method);
  if (found == nullptr)
    return Error{Code::refused,
                 fmt::format("the members have no method {:016x} in version {} of {}", method,
                             known_.version, known_.name),
                 "run one version of the object everywhere, or list its methods (squall::Methods)"};
  if (found->update != update)
    return Error{Code::invalid,
                 fmt::format("{} of {} is called as an update and is a read, or the reverse",
                             found->name, known_.name),
                 ""};
  if (!fits_.load(std::memory_order_acquire))
    if (auto error = misfit(method)) return *error;
  return std::nullopt;
}

Result<> Replica::client_session(clients::Tag tag, std::uint64_t secret) {
  return put_client_call(CallHeader::Kind::client_session, tag, no_method,
                         std::as_bytes(std::span(&secret, 1)), {});
}

Result<> Replica::client_update(clients::Tag tag, const SessionHeader& session,
                                std::uint64_t method, Bytes arguments) {
  if (auto error = client_misfit(method, true)) return tl::unexpected(std::move(*error));
  return put_client_call(CallHeader::Kind::client_update, tag, method,
                         std::as_bytes(std::span(&session, 1)), arguments);
}

Result<> Replica::client_refuses(clients::Tag tag, const SessionHeader& session, const Error& why) {
  std::vector<std::byte> error;
  encode_error(error, why);
  return put_client_call(CallHeader::Kind::client_update, tag, no_method,
                         std::as_bytes(std::span(&session, 1)), error);
}

Result<> Replica::client_read_in_order(clients::Tag tag, std::uint64_t method, Bytes arguments) {
  if (auto error = client_misfit(method, false)) return tl::unexpected(std::move(*error));
  // As a member's own: without a message in the order, if all answer.
  Call* const call = all_listen() ? pool_->take() : nullptr;
  if (call == nullptr)
    return put_client_call(CallHeader::Kind::client_read, tag, method, arguments, {});
  auto asked = ask(*call, Latest{}, method, arguments);
  if (!asked) return tl::unexpected<Error>(asked.error());
  call->watch(Call::all, [this, call, tag] {
    answer_client_read(tag, *call);
    call->release();
  });
  return {};
}

void Replica::client_read(clients::Tag tag, std::uint64_t method, Bytes arguments) {
  CallView call;
  call.header.method = method;
  call.header.version = known_.version;
  call.header.kind = CallHeader::Kind::read;
  call.arguments = arguments;
  Outcome outcome;
  if (!ready_.load(std::memory_order_relaxed))
    outcome.error = *not_ready();
  else
    run(call, outcome, clients::most_reply_bytes);
  answer_client_read(tag, outcome);
}

void Replica::answer_client_read(clients::Tag tag, Outcome& outcome) {
  if (desk_ == nullptr) return;
  using Kind = clients::Answer::Kind;
  if (outcome.error) {
    outcome.bytes.clear();
    encode_error(outcome.bytes, *outcome.error);
  }
  desk_->answer(tag, {outcome.error ? Kind::error : Kind::value, Effect::no,
                      executed_.load(std::memory_order_relaxed), outcome.bytes});
}

void Replica::answer_client_read(clients::Tag tag, const Call& call) {
  Outcome outcome;
  if (call.reached(Call::failed))
    outcome.error = call.failure();
  else if (call.first_reply().failed)
    outcome.error = decode_error(call.first_reply().bytes);
  else if (const Bytes bytes = call.first_reply().bytes; !bytes.empty())
    outcome.bytes.assign(bytes.begin(), bytes.end());
  answer_client_read(tag, outcome);
}

// --- in the group's order

void Replica::deliver_of_client(const Delivery& message, CallView call) {
  const bool own = message.sender == self_ && desk_ != nullptr;
  const clients::Tag tag = call.tag;
  if (call.header.kind == CallHeader::Kind::client_read) {
    if (!own) return;
    call.header.kind = CallHeader::Kind::read;
    run(call, outcome_, clients::most_reply_bytes);
    return answer_client_read(tag, outcome_);
  }
  if (call.header.kind == CallHeader::Kind::client_session) {
    Reader secret(call.arguments);
    sessions_.open(message.position, secret.get<std::uint64_t>());
    if (own) desk_->answer(tag, {clients::Answer::Kind::session, Effect::no, message.position, {}});
    return;
  }
  const auto session = take_session(call.arguments);
  if (!session) return;
  if (sessions_.judge(*session).verdict == Sessions::Verdict::execute)
    execute_for_client(message, *session, call);
  if (own) answer_client(tag, sessions_.judge(*session));
}

void Replica::execute_for_client(const Delivery& message, const SessionHeader& session,
                                 CallView& call) {
  if (call.header.method == no_method) {
    outcome_ = {};
    outcome_.error = decode_error(call.arguments);
  } else {
    call.header.kind = CallHeader::Kind::update;
    // The same everywhere, and what the table of sessions takes.
    run(call, outcome_, SessionLimits{}.reply_bytes);
  }
  executed_.store(message.position + 1, std::memory_order_release);
  RecordedReply reply{
      session.sequence, message.position, outcome_.error.has_value(), outcome_.effect, {}};
  if (reply.failed)
    encode_error(reply.bytes, *outcome_.error);
  else
    reply.bytes = outcome_.bytes;
  sessions_.record(session.session, std::move(reply));
}

void Replica::answer_client(clients::Tag tag, const Sessions::Judged& judged) {
  using Verdict = Sessions::Verdict;
  using Kind = clients::Answer::Kind;
  const RecordedReply* const reply = judged.reply;
  switch (judged.verdict) {
    case Verdict::execute:
      return;
    case Verdict::answered:
      return desk_->answer(tag, {reply->failed ? Kind::error : Kind::value, reply->effect,
                                 reply->version + 1, reply->bytes});
    case Verdict::early:
      return desk_->answer(tag, {Kind::gap});
    case Verdict::unknown:
      return desk_->answer(tag, {Kind::expired});
    case Verdict::forgotten: {
      std::vector<std::byte> error;
      encode_error(error, {Code::invalid, "the reply of this update was acknowledged before", ""});
      return desk_->answer(tag, {Kind::error, Effect::unknown, 0, error});
    }
  }
}

// --- notices

Result<> Replica::notify(Bytes notice) {
  if (notice.size() > clients::most_reply_bytes)
    return fail(Code::too_large,
                fmt::format("a notice of {} bytes; clients take at most {}", notice.size(),
                            clients::most_reply_bytes),
                "cut it into pieces");
  if (closed_.load(std::memory_order_acquire)) return tl::unexpected<Error>(closed_error());
  if (node_->turning_here()) {
    if (desk_ != nullptr) desk_->notify(*this, notice);
    return {};
  }
  node_->execute(
      [self = weak_from_this(), all = std::vector<std::byte>(notice.begin(), notice.end())] {
        const auto replica = self.lock();
        if (replica && replica->desk_ != nullptr) replica->desk_->notify(*replica, all);
      });
  return {};
}

}  // namespace squall::objects
