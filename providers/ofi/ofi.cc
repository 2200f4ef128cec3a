#include "providers/ofi/ofi.h"

#include <fmt/format.h>

#include "providers/ofi/ofi_fabric.h"
#include "providers/ofi/ofi_msg.h"
#include "providers/ofi/ofi_rdm.h"
#include "providers/ofi/ofi_survey.h"

namespace squall::ofi {
namespace {

class Connected final : public fabric::Provider {
 public:
  explicit Connected(std::string name) : name_(std::move(name)) {}

  std::vector<fabric::Device> survey() const override {
    return ofi::survey(name_, name_, FI_EP_MSG);
  }
  Result<std::unique_ptr<fabric::Fabric>> open(const fabric::Options& options) const override {
    auto transport = MsgTransport::open(name_, options);
    if (!transport) return tl::unexpected(transport.error());
    return std::make_unique<OfiFabric>(name_, std::move(*transport));
  }

 private:
  std::string name_;
};

class Named final : public fabric::Provider {
 public:
  explicit Named(std::string libfabric_name) : libfabric_name_(std::move(libfabric_name)) {}

  std::vector<fabric::Device> survey() const override {
    return ofi::survey("ofi:" + libfabric_name_, libfabric_name_, FI_EP_RDM);
  }
  Result<std::unique_ptr<fabric::Fabric>> open(const fabric::Options& options) const override {
    auto transport = RdmTransport::open(libfabric_name_, options);
    if (!transport) return tl::unexpected(transport.error());
    return std::make_unique<OfiFabric>("ofi:" + libfabric_name_, std::move(*transport));
  }

 private:
  std::string libfabric_name_;
};

}  // namespace

std::unique_ptr<fabric::Provider> make_tcp() {
  return std::make_unique<Connected>("tcp");
}
std::unique_ptr<fabric::Provider> make_verbs() {
  return std::make_unique<Connected>("verbs");
}
std::unique_ptr<fabric::Provider> make_named(std::string libfabric_name) {
  return std::make_unique<Named>(std::move(libfabric_name));
}

}  // namespace squall::ofi
