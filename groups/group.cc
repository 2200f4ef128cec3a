#include "groups/group.h"

#include <fmt/format.h>

#include <algorithm>

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

GroupImpl::GroupImpl(GroupHost& host, engine::Loop& loop, std::size_t index, std::string name,
                     mirror::RingWriter* writer)
    : host_(host),
      loop_(loop),
      writer_(writer),
      index_(index),
      name_(std::move(name)),
      max_bytes_(writer != nullptr ? mirror::max_message_bytes(writer->ring_bytes()) : 0) {
  if (writer_ == nullptr || loop_.maps()) return;
  piece_ = std::min(writer_->ring_bytes() / piece_share, piece_cap);
}

Result<> GroupImpl::try_send(Bytes message) {
  if (!loop_.turning_here()) return send_from_elsewhere(message);
  if (!open() || !writer_->append_here(message)) [[unlikely]]
    return refuse(message.size());
  loop_.ring_doorbell_here();
  const std::uint64_t waiting = writer_->end_here() - std::max(writer_->published(), pushed_to_);
  if (waiting >= piece_) [[unlikely]] {
    // Not published if another thread has claimed before it: then not tried for every message.
    pushed_to_ = writer_->end_here();
    loop_.push_early();
  }
  return {};
}

Result<> GroupImpl::send_from_elsewhere(Bytes message) {
  mirror::RingWriter::Claim space;
  if (!open() || !writer_->claim(message.size(), space)) return refuse(message.size());
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

Result<> GroupImpl::send(Bytes message) {
  while (true) {
    auto sent = GroupImpl::try_send(message);
    if (sent || sent.error().code != Code::would_block || loop_.in_upcall()) return sent;
    host_.wait_for_room();
  }
}

Result<> GroupImpl::refuse(std::size_t bytes) const {
  if (writer_ == nullptr)
    return fail(Code::invalid, fmt::format("this member is no sender of group {}", name_),
                "name it in the group's senders");
  if (closed_.load(std::memory_order_relaxed)) return tl::unexpected(host_.why_closed());
  if (bytes > max_bytes_ + overhead_)
    return fail(
        Code::too_large,
        fmt::format("a message of {} bytes; group {} takes at most {}", bytes - overhead_, name_,
                    max_bytes_),
        "cut it into pieces, or raise the group's ring_bytes to at least four times its size");
  // No text: this is the one error that comes by the million.
  return fail(Code::would_block, {});
}

Result<> GroupImpl::post(Rank to, Bytes message) {
  if (message.size() > max_post_bytes())
    return fail(Code::too_large,
                fmt::format("a message of {} bytes to one member; at most {} go", message.size(),
                            max_post_bytes()),
                "cut it into pieces");
  const auto view = host_.host_view();
  if (to >= view->size() || to == host_.host_rank())
    return fail(Code::invalid, fmt::format("no message to rank {} of {}", to, view->size()),
                "post to another member of the view");
  if (closed_.load(std::memory_order_relaxed)) return tl::unexpected(host_.why_closed());
  if (!host_.post_to(index_, to, message)) return fail(Code::would_block, {});
  return {};
}

void GroupImpl::on_post(std::function<void(Rank, Bytes)> handler) {
  host_.hand_posts(index_, std::move(handler));
}

void GroupImpl::on_state(StateHooks hooks) {
  host_.hand_state(index_, std::move(hooks));
}

void GroupImpl::on_deliver(std::function<void(const Delivery&)> handler) {
  host_.deliver_to(index_, std::move(handler));
}

}  // namespace squall
