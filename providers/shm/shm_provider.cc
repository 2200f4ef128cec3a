#include "core/fabric/memory.h"
#include "providers/shm/shm.h"
#include "providers/shm/shm_fabric.h"

namespace squall::shm {
namespace {

class ShmProvider final : public fabric::Provider {
 public:
  std::vector<fabric::Device> survey() const override {
    fabric::Device device{.provider = "shm",
                          .device = "memory",
                          .address = "this host",
                          .speed = "memory",
                          .usable = true,
                          .reason = "members on one host and in one network namespace"};
    // Opening one is the only honest test: it needs sealed memory, eventfds and unix sockets.
    if (auto opened = ShmFabric::open("survey"); !opened) {
      device.usable = false;
      device.reason = opened.error().text();
    }
    return {device};
  }

  Result<std::unique_ptr<fabric::Fabric>> open(const fabric::Options& options) const override {
    auto opened = ShmFabric::open(options.node_name);
    if (!opened)
      return fail(Code::unavailable, "shm cannot be opened: " + opened.error().text(),
                  "use tcp instead");
    return opened;
  }
};

}  // namespace

std::unique_ptr<fabric::Provider> make_provider() {
  return std::make_unique<ShmProvider>();
}

}  // namespace squall::shm
