// Hostile messages of a peer: nothing is written but replicas, and those keep their size.
#include <vector>

#include "core/base/assert.h"
#include "providers/ofi/ofi_wire.h"

namespace squall::ofi {
namespace {

struct Peer final : Receiver {
  MutableBytes replica(RegionId region) override {
    return region == RegionId{1} ? MutableBytes(memory) : MutableBytes();
  }
  void on_message(Bytes bytes) override {
    for (const std::byte byte : bytes) sum += static_cast<unsigned>(byte);
  }
  void on_import(RegionId, std::uint64_t, const std::optional<WriteTarget>&) override {}
  void on_refused(RegionId, std::uint64_t) override {}
  void on_release(RegionId) override {}

  std::vector<std::byte> memory = std::vector<std::byte>(96);
  unsigned sum = 0;
};

}  // namespace
}  // namespace squall::ofi

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static squall::ofi::Peer peer;
  const squall::Bytes wire{reinterpret_cast<const std::byte*>(data), size};
  (void)squall::ofi::apply_message(wire, squall::ofi::Lane::urgent, peer);
  SQUALL_ASSERT(peer.memory.size() == 96, "a replica keeps its size");
  return 0;
}
