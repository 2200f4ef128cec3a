#include "groups/group.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/base/copy.h"

namespace squall {
namespace {

// Who puts this much of a ring into it between two turns goes on filling it, as a rule: then that
// piece had better be on its way, and in the caches, than wait for the rest. A share of the ring
// and a cap: what is pushed at once is cheaper for each byte of it (tcp, 1 KiB messages: a quarter
// more of them by pieces of 256 KiB than by 64).
constexpr std::size_t piece_share = 4, piece_cap = std::size_t{256} << 10;

mirror::RingWriter::Claim claim_of(const Reservation& reservation) {
  return {reservation.bytes.data(), reservation.handle,
          static_cast<std::uint32_t>(reservation.bytes.size())};
}

}  // namespace

GroupImpl::GroupImpl(GroupHost& host, engine::Loop& loop, const GroupPlan& plan,
                     mirror::RingWriter* writer, mirror::Outbox* outbox)
    : host_(host),
      loop_(loop),
      writer_(writer),
      outbox_(outbox),
      plan_(plan),
      max_post_bytes_(host.most_post_bytes()),
      upcalls_(&host.upcalls()),
      max_bytes_(writer != nullptr ? mirror::max_message_bytes(writer->ring_bytes()) : 0) {
  membership_ = seat(host_.host_view(), host_.host_rank());
  if (writer_ == nullptr || loop_.maps()) return;
  piece_ = std::min(writer_->ring_bytes() / piece_share, piece_cap);
}

Result<> Group::try_send_parts(Bytes head, Bytes tail) {
  std::vector<std::byte> message(head.begin(), head.end());
  message.insert(message.end(), tail.begin(), tail.end());
  return try_send(message);
}

// `return {}` would clear all the bytes that an error has; flattened, nothing is moved either.
[[gnu::flatten]] Result<> GroupImpl::try_send(Bytes message) {
  if (sent_at_once(message)) [[likely]] {
    Result<> sent;
    return sent;
  }
  return try_send_slowly(message);
}

/// Most messages of a stream. As few stores as can be, and no calls: see RingWriter::append_here.
[[gnu::always_inline]] inline bool GroupImpl::sent_at_once(Bytes message) {
  return loop_.awake_here() && open() && unpushed() < piece_ && writer_->append_short_here(message);
}

Result<> GroupImpl::try_send_slowly(Bytes message) {
  if (!loop_.turning_here()) return send_from_elsewhere(message);
  if (!open() || !writer_->append_here(message)) [[unlikely]]
    return otherwise(message);
  appended_here();
  return {};
}

bool GroupImpl::try_send_word(std::uint64_t head, Bytes tail) {
  if (!loop_.turning_here() || !open() || !writer_->append_here(head, tail)) [[unlikely]]
    return false;
  appended_here();
  return true;
}

inline void GroupImpl::appended_here() {
  loop_.ring_doorbell_here();
  if (unpushed() >= piece_) [[unlikely]] {
    // Not published if another thread has claimed before it: then not tried for every message.
    pushed_to_ = writer_->end_here();
    loop_.push_early();
  }
}

Result<> GroupImpl::send_from_elsewhere(Bytes message) {
  mirror::RingWriter::Claim space;
  if (!open() || !writer_->claim(message.size(), space)) return otherwise(message);
  copy_message(space.message, message.data(), message.size());
  writer_->commit(space);
  loop_.ring_doorbell();
  return {};
}

Result<Reservation> GroupImpl::reserve(std::size_t bytes) {
  mirror::RingWriter::Claim space;
  if (!open() ||
      !(loop_.turning_here() ? writer_->claim_here(bytes, space) : writer_->claim(bytes, space)))
    return tl::unexpected(refuse(bytes).error());
  return Reservation{{space.message, bytes}, space.frame};
}

void GroupImpl::commit(const Reservation& reservation) {
  writer_->commit(claim_of(reservation));
  loop_.ring_doorbell();
}

void GroupImpl::cancel(const Reservation& reservation) {
  writer_->cancel(claim_of(reservation));
  loop_.ring_doorbell();
}

[[gnu::flatten]] Result<> GroupImpl::send(Bytes message) {
  if (sent_at_once(message)) [[likely]] {
    Result<> sent;
    return sent;
  }
  return send_slowly(message);
}

Result<> GroupImpl::send_slowly(Bytes message) {
  while (true) {
    auto sent = try_send_slowly(message);
    if (sent || sent.error().code != Code::would_block || loop_.in_upcall()) return sent;
    host_.wait_for_room();
  }
}

Result<> GroupImpl::otherwise(Bytes message) {
  if (open() && outbox_ != nullptr && message.size() > max_bytes_ + overhead_)
    return send_large(message);
  return refuse(message.size());
}

// --- large objects

Result<> GroupImpl::send_large(Bytes message) {
  auto object = try_buffer(message.size());
  if (!object) return tl::unexpected(object.error());
  std::ranges::copy(message, object->bytes().begin());
  return try_send(*object);
}

Result<Buffer> GroupImpl::try_buffer(std::size_t bytes) {
  if (!open() || outbox_ == nullptr) return tl::unexpected(refuse(0).error());
  return outbox_->pool().take(bytes);
}

Result<> GroupImpl::try_send(Buffer& object) {
  if (!open() || outbox_ == nullptr) return refuse(0);
  const bool here = loop_.turning_here();
  auto sent = outbox_->send(object, here);
  if (sent) loop_.ring_doorbell();
  return sent;
}

Result<Buffer> GroupImpl::buffer(std::size_t bytes) {
  while (true) {
    auto made = try_buffer(bytes);
    if (made || made.error().code != Code::would_block || loop_.in_upcall()) return made;
    host_.wait_for_room();
  }
}

Result<> GroupImpl::send(Buffer object) {
  while (true) {
    auto sent = try_send(object);
    if (sent || sent.error().code != Code::would_block || loop_.in_upcall()) return sent;
    host_.wait_for_room();
  }
}

Result<> GroupImpl::refuse(std::size_t bytes) const {
  if (writer_ == nullptr)
    return fail(Code::invalid, fmt::format("this member is no sender of group {}", name()),
                "name it in the group's senders");
  const std::uint8_t shut = shut_.load(std::memory_order_relaxed);
  if ((shut & closed) != 0) return tl::unexpected(host_.why_closed());
  if ((shut & unseated) != 0) {
    const std::string missing = membership().missing;
    return fail(Code::unavailable,
                fmt::format("this member is not in group {}{}{}", name(),
                            missing.empty() ? "" : ": ", missing),
                "send when on_membership says that it is");
  }
  if (bytes > max_bytes_ + overhead_)
    return fail(
        Code::too_large,
        fmt::format("a message of {} bytes; group {} takes at most {}", bytes - overhead_, name(),
                    max_bytes_),
        "cut it into pieces, or raise the group's ring_bytes to at least four times its size");
  // No text: this is the one error that comes by the million.
  return fail(Code::would_block, {});
}

Result<> GroupImpl::post(Rank to, Bytes message) {
  if (message.size() > max_post_bytes_) [[unlikely]]
    return fail(Code::too_large,
                fmt::format("a message of {} bytes to one member; at most {} go", message.size(),
                            max_post_bytes_),
                "cut it into pieces");
  // Whoever shuts down still delivers what others sent, and may answer.
  if (host_.post_to(plan_.first, to, message)) [[likely]]
    return {};
  const Rank members = host_.host_view_here().size();
  if (to >= members || to == host_.host_rank_here())
    return fail(Code::invalid, fmt::format("no message to rank {} of {}", to, members),
                "post to another member of the view");
  if ((shut_.load(std::memory_order_relaxed) & closed) != 0)
    return tl::unexpected(host_.why_closed());
  return fail(Code::would_block, {});
}

void GroupImpl::on_post(std::function<void(Rank, Bytes)> handler) {
  Upcalls& by = *upcalls_;
  if (by.direct() || !handler) return host_.hand_posts(plan_.first, std::move(handler));
  host_.hand_posts(plan_.first, [&by, handler = std::move(handler)](Rank from, Bytes message) {
    by.call([handler, from, copy = std::vector<std::byte>(message.begin(), message.end())] {
      handler(from, copy);
    });
  });
}

void GroupImpl::on_state(StateHooks hooks) {
  hooks = upcalls_.load()->in_order(std::move(hooks), [this](Error error) {
    host_.run_in_turn([this, error = std::move(error)] { host_.stop_node(error); });
  });
  for (std::size_t shard = 0; shard < plan_.shards; ++shard)
    host_.hand_state(plan_.first + shard, hooks);
}

void GroupImpl::on_deliver(std::function<void(const Delivery&)> handler) {
  Upcalls& by = *upcalls_;
  const bool queued = !by.direct() && handler;
  if (queued)
    handler = [&by, kept = std::make_shared<const multicast::DeliverFunction>(std::move(handler))](
                  const Delivery& message) { by.deliver(kept, message); };
  for (std::size_t shard = 0; shard < plan_.shards; ++shard)
    host_.deliver_to(plan_.first + shard, handler, queued);
}

std::vector<Laggard> GroupImpl::laggards() const {
  const auto shard = membership().shard;
  return shard ? host_.laggards_of(plan_.first + *shard) : std::vector<Laggard>();
}

// --- membership

Membership GroupImpl::membership() const {
  const std::lock_guard lock(membership_mutex_);
  return membership_;
}

void GroupImpl::on_membership(std::function<void(const Membership&)> handler) {
  host_.run_in_turn([this, handler = std::move(handler)] { membership_handler_ = handler; });
}

Membership GroupImpl::membership_in(std::shared_ptr<const View> view, Rank self) const {
  Membership now;
  now.shards.resize(plan_.shards);
  for (std::size_t shard = 0; shard < plan_.shards; ++shard) {
    std::vector<Rank>& members = now.shards[shard];
    if (view->seating.empty()) {
      members.resize(view->size());
      std::iota(members.begin(), members.end(), Rank{0});
    } else {
      members = view->seating[plan_.first + shard].members;
    }
    if (std::ranges::find(members, self) != members.end()) now.shard = shard;
  }
  if (!view->seating.empty()) now.missing = squall::missing(plan_, *view);
  now.view = std::move(view);
  return now;
}

Membership GroupImpl::seat(std::shared_ptr<const View> view, Rank self) {
  Membership now = membership_in(std::move(view), self);
  if (now.shard)
    shut_.fetch_and(static_cast<std::uint8_t>(~unseated), std::memory_order_relaxed);
  else
    shut_.fetch_or(unseated, std::memory_order_relaxed);
  return now;
}

void GroupImpl::be_in(std::shared_ptr<const View> view, Rank self) {
  // It is told in its place, and answers so from there on.
  upcalls_.load()->call([this, now = seat(std::move(view), self), handler = membership_handler_] {
    {
      const std::lock_guard lock(membership_mutex_);
      membership_ = now;
    }
    if (handler) handler(now);
  });
}

void GroupImpl::look_at(const std::shared_ptr<const View>& view, Rank self) {
  if (!membership_in(view, self).shard) be_in(view, self);
}

}  // namespace squall
