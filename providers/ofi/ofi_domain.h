#pragma once
// A libfabric provider opened for one local address: the fabric and domain objects, what the
// provider asks for, and memory registered as it asks. Owned by a transport.

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>

#include <memory>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "providers/ofi/libfabric.h"
#include "providers/ofi/ofi_locked.h"
#include "providers/ofi/ofi_wire.h"

namespace squall::ofi {

/// The API that this code is written to; later libfabrics keep serving it.
inline constexpr std::uint32_t api_version = FI_VERSION(1, 17);

/// "fi_endpoint: Resource temporarily unavailable", from a negative libfabric return value.
std::string fi_text(std::string_view call, long result);

/// One write of at most `wanted` bytes as the device can send it: its largest message may be
/// shorter. Code::unavailable if that is shorter than what the wire needs (max_wire_bytes).
Result<std::size_t> largest_write(const fi_info& info, std::size_t wanted);

/// What we can work with: endpoints of that type by that provider, for messages. After
/// `libfabric::load`.
Info hints_for(std::string_view provider, fi_ep_type type);

class Domain {
 public:
  /// Code::unavailable with what there is instead. `local_address` may be empty.
  static Result<std::unique_ptr<Domain>> open(std::string_view provider, fi_ep_type type,
                                              const std::string& local_address);

  /// What will be registered at most, for errors. Code::unavailable if its buffers cannot be.
  Result<> plan(std::size_t peers, const LockPlan& plan);

  const fi_info* info() const { return info_.get(); }
  fid_fabric* fabric() const { return fabric_.get(); }
  fid_domain* domain() const { return domain_.get(); }
  /// The provider sends from and receives into registered memory only (FI_MR_LOCAL).
  bool registers() const { return (info_->domain_attr->mr_mode & FI_MR_LOCAL) != 0; }
  /// A provider known to signal its own wait descriptor for every completion: tcp of libfabric
  /// 1.17. Later ones are made differently, and rxm hands such queues through.
  bool signals_itself() const;
  /// Connected endpoints of it write into the memory of their peers (FI_RMA).
  bool writes() const { return (info_->caps & FI_RMA) != 0; }
  /// Memory that peers may write from now on, until the Fid is gone. Code::unavailable where the
  /// limit of locked memory is too low, Code::io for other reasons; so with `register_memory`.
  Result<Fid<fid_mr>> register_target(Bytes memory);
  /// What a peer must say to write the first byte of that memory.
  WriteTarget target(const Fid<fid_mr>& registered, Bytes memory) const;
  /// Registers where it must be; otherwise an empty Fid, whose descriptor is nullptr.
  Result<Fid<fid_mr>> register_memory(Bytes memory, std::uint64_t access);

 private:
  Result<Fid<fid_mr>> enroll(Bytes memory, std::uint64_t access);

  Info info_;
  LockPlan plan_;
  Fid<fid_fabric> fabric_;
  Fid<fid_domain> domain_;
  std::uint64_t next_key_ = 1;
};

inline void* descriptor(const Fid<fid_mr>& memory) {
  return memory ? fi_mr_desc(memory.get()) : nullptr;
}

/// Zeroed pages that cost nothing until they are touched, registered if the domain wants that.
class Pages {
 public:
  static Result<Pages> create(Domain& domain, std::size_t bytes, std::uint64_t access);
  Pages() = default;
  Pages(Pages&& other) noexcept { *this = std::move(other); }
  Pages& operator=(Pages&& other) noexcept;
  ~Pages();

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  void* descriptor() const { return ofi::descriptor(registration_); }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  Fid<fid_mr> registration_;
};

}  // namespace squall::ofi
