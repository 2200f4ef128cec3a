#pragma once
// Send slots and receive buffers: contexts of libfabric operations with the memory they use.
// Owned by an endpoint; they live until the completion queue cannot name them any more.

#include <cstdint>
#include <deque>
#include <vector>

#include "core/base/error.h"
#include "core/fabric/fabric.h"
#include "providers/ofi/ofi_batch.h"
#include "providers/ofi/ofi_domain.h"
#include "providers/ofi/ofi_queue.h"

namespace squall::ofi {

/// One wire message being filled, waiting for room in the provider, or in flight.
struct Slot : Op, Wire {
  fabric::PeerId peer{};
  Lane lane{};
  std::uint64_t address = 0;  ///< fi_addr_t, where endpoints are not connected
  bool in_use = false;
};

/// A receive buffer, posted or held by whoever still reads it.
struct Landing : Op {
  Landing() { is_receive = true; }
  std::byte* data = nullptr;
};

/// A fixed number of slots.
class Slots {
 public:
  Result<> open(Domain& domain, void* owner, std::size_t count, std::size_t block_bytes) {
    auto pages = Pages::create(domain, count * block_bytes, FI_SEND);
    if (!pages) return tl::unexpected(pages.error());
    pages_ = std::move(*pages);
    slots_ = std::vector<Slot>(count);
    for (std::size_t i = 0; i < count; ++i) {
      slots_[i].owner = owner;
      slots_[i].block = pages_.data() + i * block_bytes;
      free_.push_back(&slots_[i]);
    }
    return {};
  }
  std::size_t available() const { return free_.size(); }
  Slot* take() {
    if (free_.empty()) return nullptr;
    Slot* slot = free_.back();
    free_.pop_back();
    slot->in_use = true;
    return slot;
  }
  void give_back(Slot* slot) {
    slot->in_use = false;
    free_.push_back(slot);
  }
  void* descriptor() const { return pages_.descriptor(); }
  std::vector<Slot>& all() { return slots_; }

 private:
  Pages pages_;
  std::vector<Slot> slots_;
  std::vector<Slot*> free_;
};

/// A fixed number of receive buffers of `max_wire_bytes`.
class Landings {
 public:
  Result<> open(Domain& domain, void* owner, std::size_t count) {
    auto pages = Pages::create(domain, count * max_wire_bytes, FI_RECV);
    if (!pages) return tl::unexpected(pages.error());
    pages_ = std::move(*pages);
    landings_ = std::vector<Landing>(count);
    for (std::size_t i = 0; i < count; ++i) {
      landings_[i].owner = owner;
      landings_[i].data = pages_.data() + i * max_wire_bytes;
    }
    return {};
  }
  void* descriptor() const { return pages_.descriptor(); }
  std::vector<Landing>& all() { return landings_; }

 private:
  Pages pages_;
  std::vector<Landing> landings_;
};

}  // namespace squall::ofi
