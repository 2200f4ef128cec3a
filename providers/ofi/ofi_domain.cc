#include "providers/ofi/ofi_domain.h"

#include <fmt/format.h>
#include <rdma/fi_errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "core/base/log.h"
#include "core/base/ring_math.h"
#include "providers/ofi/ofi_survey.h"

namespace squall::ofi {

std::string fi_text(std::string_view call, long result) {
  return fmt::format("{}: {}", call,
                     libfabric::strerror(static_cast<int>(result < 0 ? -result : result)));
}

Result<std::size_t> largest_write(const fi_info& info, std::size_t wanted) {
  const std::size_t most = info.ep_attr->max_msg_size;
  if (most < max_wire_bytes)
    return fail(
        Code::unavailable,
        fmt::format("{} ({}) sends messages of at most {} bytes, and one of Squall's has up "
                    "to {}",
                    info.domain_attr->name == nullptr ? "the device" : info.domain_attr->name,
                    info.fabric_attr->prov_name, most, max_wire_bytes),
        "choose another device or fabric: squall info shows what there is");
  return std::min(wanted, most);
}

Info hints_for(std::string_view provider, fi_ep_type type) {
  Info hints(libfabric::dupinfo(nullptr));
  // RDM endpoints send everything: nobody writes through them.
  hints->caps = type == FI_EP_MSG ? FI_MSG | FI_RMA : FI_MSG;
  hints->mode = FI_CONTEXT | FI_CONTEXT2 | FI_RX_CQ_DATA;
  hints->ep_attr->type = type;
  hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
  hints->domain_attr->threading = FI_THREAD_DOMAIN;
  hints->tx_attr->msg_order = FI_ORDER_SAS;
  hints->rx_attr->msg_order = FI_ORDER_SAS;
  if (!provider.empty()) {
    hints->fabric_attr->prov_name = strndup(provider.data(), provider.size());
  }
  return hints;
}

Result<std::unique_ptr<Domain>> Domain::open(std::string_view provider, fi_ep_type type,
                                             const std::string& local_address) {
  if (auto loaded = libfabric::load(); !loaded) return tl::unexpected(loaded.error());
  const Info hints = hints_for(provider, type);
  // Providers that speak no IP (shm) take no node.
  const bool ip = speaks_ip(provider, type);
  const bool any = local_address.empty();
  std::vector<std::string> nodes{!ip ? "" : any ? "127.0.0.1" : local_address};
  // RDMA devices have no loopback: without an address, the first device will do.
  if (ip && any) nodes.emplace_back();
  fi_info* found = nullptr;
  int looked_up = -FI_ENODATA;
  for (const std::string& node : nodes) {
    // Without write-after-write order libfabric's shm turns on a fast path for writes, which we do
    // not use, which makes messages slower and whose own info fi_domain then refuses.
    for (std::uint64_t order : {FI_ORDER_SAS | FI_ORDER_WAW, FI_ORDER_SAS}) {
      // A message tells that what was written before it is there.
      if (type == FI_EP_MSG) order |= FI_ORDER_SAW;
      hints->tx_attr->msg_order = order;
      hints->rx_attr->msg_order = order;
      looked_up = libfabric::getinfo(api_version, node.empty() ? nullptr : node.c_str(), nullptr,
                                     node.empty() ? 0 : FI_SOURCE, hints.get(), &found);
      if (looked_up == 0) break;
    }
    if (looked_up == 0) break;
  }
  const Host host = Host::here();
  if (looked_up != 0) {
    if (auto up = check_ports(provider, host); !up) return tl::unexpected(up.error());
    return fail(Code::unavailable,
                fmt::format("libfabric has no provider '{}' for {}: {}", provider,
                            local_address.empty() ? "this host" : local_address,
                            libfabric::strerror(-looked_up)),
                what_there_is());
  }
  auto domain = std::make_unique<Domain>();
  const Info list(found);
  const auto chosen = choose_device(provider, found, host);
  if (!chosen) return tl::unexpected(chosen.error());
  domain->info_.reset(libfabric::dupinfo(*chosen));
  fi_info* info = domain->info_.get();
  fid_fabric* fabric = nullptr;
  if (const int failed = libfabric::open_fabric(info->fabric_attr, &fabric); failed != 0)
    return fail(Code::unavailable, fi_text(fmt::format("fi_fabric({})", provider), failed));
  domain->fabric_.reset(fabric);
  fid_domain* opened = nullptr;
  if (const int failed = fi_domain(fabric, info, &opened, nullptr); failed != 0)
    return fail(Code::unavailable, fi_text(fmt::format("fi_domain({})", provider), failed));
  domain->domain_.reset(opened);
  return domain;
}

bool Domain::signals_itself() const {
  const std::uint32_t version = libfabric::version();
  return FI_MAJOR(version) == 1 && FI_MINOR(version) == 17 && info_->ep_attr->type == FI_EP_MSG &&
         std::string_view(info_->fabric_attr->prov_name) == "tcp";
}

Result<> Domain::plan(std::size_t peers, const LockPlan& plan) {
  plan_ = plan;
  if (!registers()) return {};
  const LockLimit limit = LockLimit::here();
  auto fits = check_locked(
      fmt::format("{} to {} peer{}", info_->fabric_attr->prov_name, peers, peers == 1 ? "" : "s"),
      plan, limit);
  if (!fits) return fits;
  if (auto all = check_locked("with large objects", {plan.total(), 0}, limit); !all)
    log(Level::warning, "{}; what does not fit is copied", all.error().text());
  return {};
}

Result<Fid<fid_mr>> Domain::enroll(Bytes memory, std::uint64_t access) {
  fid_mr* registered = nullptr;
  // With FI_MR_PROV_KEY the requested key is ignored; without it keys must differ.
  const int failed = fi_mr_reg(domain_.get(), memory.data(), memory.size(), access, 0, next_key_++,
                               0, &registered, nullptr);
  if (failed != 0)
    return tl::unexpected(cannot_register(memory.size(), -failed, plan_, LockLimit::here()));
  return Fid<fid_mr>(registered);
}

Result<Fid<fid_mr>> Domain::register_memory(Bytes memory, std::uint64_t access) {
  if (!registers()) return Fid<fid_mr>{};
  return enroll(memory, access);
}

Result<Fid<fid_mr>> Domain::register_target(Bytes memory) {
  return enroll(memory, FI_REMOTE_WRITE);
}

WriteTarget Domain::target(const Fid<fid_mr>& registered, Bytes memory) const {
  const bool virtual_addresses = (info_->domain_attr->mr_mode & FI_MR_VIRT_ADDR) != 0;
  return {virtual_addresses ? reinterpret_cast<std::uintptr_t>(memory.data()) : 0,
          fi_mr_key(registered.get())};
}

Result<Pages> Pages::create(Domain& domain, std::size_t bytes, std::uint64_t access) {
  Pages pages;
  const std::size_t size = round_up(bytes == 0 ? 1 : bytes, 4096);
  void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED)
    return fail_errno(fmt::format("cannot map {} bytes of buffers", size), errno);
  pages.data_ = static_cast<std::byte*>(mapped);
  pages.size_ = size;
  if (access != 0) {
    auto registration = domain.register_memory({pages.data_, size}, access);
    if (!registration) return tl::unexpected(registration.error());
    pages.registration_ = std::move(*registration);
  }
  return pages;
}

Pages& Pages::operator=(Pages&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(registration_, other.registration_);
  return *this;
}

Pages::~Pages() {
  registration_.reset();
  if (data_ != nullptr) munmap(data_, size_);
}

}  // namespace squall::ofi
