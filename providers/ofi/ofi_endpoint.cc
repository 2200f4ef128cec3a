#include "providers/ofi/ofi_endpoint.h"

#include <fmt/format.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>

#include <cstring>

#include "core/base/assert.h"

namespace squall::ofi {

Result<std::unique_ptr<Endpoint>> Endpoint::open(Domain& domain, Queue& queue, fi_info* info,
                                                 PeerId peer, Lane lane, const LaneShape& shape) {
  std::unique_ptr<Endpoint> made(new Endpoint(peer, lane, shape));
  auto opened = made->slots_.open(domain, made.get(), shape.slots(), shape.limits.block_bytes);
  if (!opened) return tl::unexpected(opened.error());
  opened = made->write_slots_.open(domain, made.get(), shape.write_window, 0);
  if (!opened) return tl::unexpected(opened.error());
  opened = made->landings_.open(domain, made.get(), shape.landings);
  if (!opened) return tl::unexpected(opened.error());
  made->credits_ = static_cast<std::uint32_t>(shape.landings);

  fid_ep* endpoint = nullptr;
  if (const int failed = fi_endpoint(domain.domain(), info, &endpoint, nullptr); failed != 0)
    return fail(Code::io, fi_text("fi_endpoint", failed));
  made->endpoint_.reset(endpoint);
  int failed = fi_ep_bind(endpoint, &queue.eq()->fid, 0);
  if (failed == 0)
    failed = fi_ep_bind(endpoint, &queue.cq()->fid, FI_TRANSMIT | FI_SELECTIVE_COMPLETION);
  if (failed == 0) failed = fi_ep_bind(endpoint, &queue.cq()->fid, FI_RECV);
  if (failed == 0) failed = fi_enable(endpoint);
  if (failed != 0) return fail(Code::io, fi_text("fi_enable", failed));
  for (Landing& landing : made->landings_.all()) {
    auto posted = made->repost(landing);
    if (!posted) return tl::unexpected(posted.error());
  }
  made->owed_ = 0;
  return made;
}

Result<> Endpoint::dial(const void* address, Bytes greeting) {
  const int failed = fi_connect(endpoint_.get(), address, greeting.data(), greeting.size());
  if (failed != 0) return fail(Code::lost, fi_text("fi_connect", failed));
  return {};
}

Result<> Endpoint::accept() {
  const int failed = fi_accept(endpoint_.get(), nullptr, 0);
  if (failed != 0) return fail(Code::lost, fi_text("fi_accept", failed));
  return {};
}

Slot* Endpoint::begin() {
  if (!up_ || !unsent_.empty() || slots_.available() <= 1) return nullptr;
  if (shape_.credits && credits_ <= 1) return nullptr;
  Slot* slot = slots_.take();
  slot->peer = peer_;
  slot->lane = lane_;
  return slot;
}

Slot* Endpoint::begin_write() {
  if (!up_ || !unsent_.empty() || written_bytes_ >= shape_.write_window_bytes) return nullptr;
  Slot* slot = write_slots_.take();
  if (slot == nullptr) return nullptr;
  slot->peer = peer_;
  slot->lane = lane_;
  return slot;
}

WireHeader Endpoint::header() {
  WireHeader header;
  header.lane = static_cast<std::uint8_t>(lane_);
  header.credits = std::exchange(owed_, 0);
  return header;
}

long Endpoint::post_write(Slot* slot) {
  const iovec source{const_cast<std::byte*>(slot->references[0].data), slot->references[0].bytes};
  const fi_rma_iov target{slot->to.target.address, source.iov_len, slot->to.target.key};
  Op* context = slot;
  fi_msg_rma message{};
  message.msg_iov = &source;
  message.desc = &slot->to.descriptor;
  message.iov_count = 1;
  message.addr = FI_ADDR_UNSPEC;
  message.rma_iov = &target;
  message.rma_iov_count = 1;
  message.context = context;
  return fi_writemsg(endpoint_.get(), &message, FI_COMPLETION);
}

long Endpoint::post(Slot* slot) {
  if (slot->writes) return post_write(slot);
  std::array<iovec, Wire::max_references + 1> parts;
  std::array<void*, Wire::max_references + 1> descriptors{};
  parts[0] = {slot->block, slot->block_bytes};
  descriptors[0] = slots_.descriptor();
  for (std::size_t i = 0; i < slot->reference_count; ++i)
    parts[i + 1] = {const_cast<std::byte*>(slot->references[i].data), slot->references[i].bytes};
  Op* context = slot;
  // A completion makes the tcp provider signal its descriptor, two system calls that most small
  // messages can do without: sends complete in order, so a later one speaks for those before it.
  const bool completes = !slot->tokens.empty() || slot->reference_count != 0 ||
                         slots_.available() <= shape_.window / 2;
  fi_msg message{};
  message.msg_iov = parts.data();
  message.desc = descriptors.data();
  message.iov_count = slot->reference_count + 1;
  message.addr = FI_ADDR_UNSPEC;
  message.context = context;
  return fi_sendmsg(endpoint_.get(), &message, completes ? FI_COMPLETION : 0);
}

void Endpoint::sent(const Slot* slot) {
  while (!in_flight_.empty()) {
    Slot* front = in_flight_.front();
    in_flight_.pop_front();
    give_back(front);
    if (front == slot) return;
  }
}

void Endpoint::give_back(Slot* slot) {
  if (!slot->writes) return slots_.give_back(slot);
  written_bytes_ -= slot->references[0].bytes;
  write_slots_.give_back(slot);
}

Result<> Endpoint::send(Slot* slot) {
  if (slot->writes) {
    written_bytes_ += slot->references[0].bytes;
  } else if (shape_.credits) {
    SQUALL_ASSERT(credits_ > 0, "a message needs a buffer at the peer");
    --credits_;
  }
  unsent_.push_back(slot);
  if (unsent_.size() > 1) return {};
  auto left = retry();
  if (!left) return tl::unexpected(left.error());
  return {};
}

Result<bool> Endpoint::retry() {
  while (!unsent_.empty()) {
    const long failed = post(unsent_.front());
    if (failed == -FI_EAGAIN) return true;
    if (failed != 0) return fail(Code::lost, fi_text("fi_send", failed));
    in_flight_.push_back(unsent_.front());
    unsent_.pop_front();
  }
  if (shape_.credits)
    if (auto given = give_credits(); !given) return tl::unexpected(given.error());
  return !unsent_.empty();
}

void Endpoint::received(const WireHeader& header) {
  if (shape_.credits) credits_ += header.credits;
}

Result<> Endpoint::repost(Landing& landing) {
  Op* context = &landing;
  const long failed = fi_recv(endpoint_.get(), landing.data, max_wire_bytes, landings_.descriptor(),
                              FI_ADDR_UNSPEC, context);
  if (failed != 0) return fail(Code::lost, fi_text("fi_recv", failed));
  if (!shape_.credits) return {};
  ++owed_;
  return give_credits();
}

Result<> Endpoint::give_credits() {
  if (!up_ || owed_ < shape_.landings / 2 || credits_ == 0 || !unsent_.empty()) return {};
  Slot* slot = slots_.take();
  if (slot == nullptr) return {};
  slot->peer = peer_;
  slot->lane = lane_;
  const WireHeader only_credits = header();
  std::memcpy(slot->block, &only_credits, sizeof only_credits);
  slot->block_bytes = sizeof only_credits;
  slot->reference_count = 0;
  slot->writes = false;
  slot->tokens.clear();
  return send(slot);
}

void Endpoint::close(std::vector<TokenIndex>& tokens) {
  endpoint_.reset();
  up_ = false;
  unsent_.clear();
  in_flight_.clear();
  for (Slots* slots : {&slots_, &write_slots_}) {
    for (Slot& slot : slots->all()) {
      if (!slot.in_use) continue;
      tokens.insert(tokens.end(), slot.tokens.begin(), slot.tokens.end());
      slot.tokens.clear();
    }
  }
}

}  // namespace squall::ofi
