#include "groups/object/sessions.h"

#include <algorithm>
#include <utility>

#include "core/base/assert.h"

namespace squall::objects {
namespace {

// What a session and a reply take of what is saved, at most, less a reply's bytes.
constexpr std::size_t session_bytes = 28, record_bytes = 22;

}  // namespace

void Sessions::open(std::uint64_t position, std::uint64_t secret) {
  if (by_id_.contains(position)) return;
  sessions_.push_back({position, secret, 0, {}});
  by_id_[position] = std::prev(sessions_.end());
  keep_limits();
}

Sessions::Judged Sessions::judge(const SessionHeader& update) {
  const auto found = by_id_.find(update.session);
  if (found == by_id_.end() || found->second->secret != update.secret) return {Verdict::unknown};
  Session& session = *found->second;
  sessions_.splice(sessions_.end(), sessions_, found->second);
  // Not its own reply, which it is about to get: judging it again changes nothing.
  while (!session.replies.empty() && session.replies.front().sequence <= update.acknowledged &&
         session.replies.front().sequence < update.sequence)
    drop_oldest_reply(session);
  if (update.sequence == session.last + 1) return {Verdict::execute};
  if (update.sequence > session.last) return {Verdict::early};
  const auto reply = std::ranges::find(session.replies, update.sequence, &RecordedReply::sequence);
  if (reply == session.replies.end()) return {Verdict::forgotten};
  return {Verdict::answered, &*reply};
}

void Sessions::record(std::uint64_t id, RecordedReply reply) {
  const auto found = by_id_.find(id);
  SQUALL_ASSERT(found != by_id_.end(), "a reply is of a session that was judged");
  Session& session = *found->second;
  SQUALL_ASSERT(reply.sequence == session.last + 1, "sequences have no gaps");
  session.last = reply.sequence;
  bytes_ += reply.bytes.size();
  session.replies.push_back(std::move(reply));
  if (session.replies.size() > limits_.replies) drop_oldest_reply(session);
  keep_limits();
}

void Sessions::clear() {
  sessions_.clear();
  by_id_.clear();
  bytes_ = 0;
}

void Sessions::drop_oldest_reply(Session& session) {
  bytes_ -= session.replies.front().bytes.size();
  session.replies.pop_front();
}

void Sessions::drop(Order::iterator session) {
  while (!session->replies.empty()) drop_oldest_reply(*session);
  by_id_.erase(session->id);
  sessions_.erase(session);
}

/// The last one used stays, whatever it takes.
void Sessions::keep_limits() {
  while (sessions_.size() > 1 && (sessions_.size() > limits_.sessions || bytes_ > limits_.bytes))
    drop(sessions_.begin());
}

// --- for joiners

std::size_t Sessions::most_saved_bytes() const {
  return sizeof(std::uint32_t) + limits_.bytes + limits_.replies * limits_.reply_bytes +
         limits_.sessions * (session_bytes + limits_.replies * record_bytes);
}

std::vector<std::byte> Sessions::save() const {
  Writer to;
  to.put(static_cast<std::uint32_t>(sessions_.size()));
  for (const Session& session : sessions_) {
    to.put(session.id).put(session.secret).put(session.last);
    to.put(static_cast<std::uint32_t>(session.replies.size()));
    // Their sequences are the last ones.
    for (const RecordedReply& reply : session.replies)
      to.put(reply.version)
          .put(static_cast<std::uint8_t>(reply.failed ? 1 : 0))
          .put(reply.effect)
          .put(Bytes(reply.bytes));
  }
  return to.take();
}

bool Sessions::load(Bytes bytes) {
  clear();
  Reader from(bytes);
  const auto count = from.get<std::uint32_t>();
  bool fine = count <= limits_.sessions;
  for (std::uint32_t at = 0; at < count && fine; ++at) {
    Session session;
    session.id = from.get<std::uint64_t>();
    session.secret = from.get<std::uint64_t>();
    session.last = from.get<std::uint64_t>();
    const auto replies = from.get<std::uint32_t>();
    fine = from.ok() && replies <= limits_.replies && replies <= session.last &&
           !by_id_.contains(session.id);
    for (std::uint32_t each = 0; each < replies && fine; ++each) {
      RecordedReply reply;
      reply.sequence = session.last - replies + each + 1;
      reply.version = from.get<std::uint64_t>();
      const auto failed = from.get<std::uint8_t>();
      reply.failed = failed == 1;
      reply.effect = from.get<Effect>();
      const Bytes body = from.get_bytes(limits_.reply_bytes);
      reply.bytes.assign(body.begin(), body.end());
      bytes_ += body.size();
      session.replies.push_back(std::move(reply));
      fine = from.ok() && failed <= 1 && session.replies.back().effect <= Effect::unknown;
    }
    if (!fine) break;
    sessions_.push_back(std::move(session));
    by_id_[sessions_.back().id] = std::prev(sessions_.end());
  }
  fine = fine && from.done();
  if (!fine) clear();
  return fine;
}

}  // namespace squall::objects
