#pragma once
// A group whose stack changes bytes: what is sent is encoded before it comes into the ring. A class
// of its own, so that it costs all others nothing. Private to groups/.

#include <string>
#include <utility>

#include "core/multicast/codec.h"
#include "groups/group.h"

namespace squall {

class CodedGroup final : public GroupImpl {
 public:
  CodedGroup(GroupHost& host, engine::Loop& loop, const GroupPlan& plan, mirror::RingWriter* writer,
             mirror::Outbox* outbox);

  Result<Reservation> reserve(std::size_t bytes) override;
  void commit(const Reservation& reservation) override;
  void cancel(const Reservation& reservation) override;
  Result<> try_send(Bytes message) override;
  bool try_send_word(std::uint64_t /*head*/, Bytes /*tail*/) override { return false; }
  Result<> send(Bytes message) override;

 private:
  Reservation whole(const Reservation& reservation) const;

  multicast::Codecs codecs_;
};

}  // namespace squall
