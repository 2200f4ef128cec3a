#include "groups/coded_group.h"

#include <algorithm>

namespace squall {

CodedGroup::CodedGroup(GroupHost& host, engine::Loop& loop, const GroupPlan& plan,
                       mirror::RingWriter* writer, mirror::Outbox* outbox)
    : GroupImpl(host, loop, plan, writer, outbox), codecs_(plan.codecs) {
  overhead_ = codecs_.overhead();
  max_bytes_ -= std::min(max_bytes_, overhead_);
}

Result<> CodedGroup::try_send(Bytes message) {
  if (message.size() > max_bytes_) return otherwise(message);
  // Nothing is sent from inside of it, so a thread needs one.
  thread_local multicast::Codecs::Scratch scratch;
  return GroupImpl::try_send(codecs_.encode(message, scratch));
}

Result<> CodedGroup::send(Bytes message) {
  if (message.size() > max_bytes_) return GroupImpl::send(message);
  auto sent = try_send(message);
  if (sent || sent.error().code != Code::would_block) return sent;
  // Upcalls may send while this waits, so it keeps what it has encoded to itself.
  multicast::Codecs::Scratch scratch;
  return GroupImpl::send(codecs_.encode(message, scratch));
}

Reservation CodedGroup::whole(const Reservation& reservation) const {
  return {{reservation.bytes.data(), reservation.bytes.size() + overhead_}, reservation.handle};
}

Result<Reservation> CodedGroup::reserve(std::size_t bytes) {
  if (bytes > max_bytes_) return tl::unexpected(refuse(bytes + overhead_).error());
  auto reserved = GroupImpl::reserve(bytes + overhead_);
  if (reserved) reserved->bytes = reserved->bytes.first(bytes);
  return reserved;
}

void CodedGroup::commit(const Reservation& reservation) {
  const Reservation all = whole(reservation);
  codecs_.encode_in_place(all.bytes);
  GroupImpl::commit(all);
}

void CodedGroup::cancel(const Reservation& reservation) {
  GroupImpl::cancel(whole(reservation));
}

}  // namespace squall
