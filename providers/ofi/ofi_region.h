#pragma once
// Regions: mine, with who imported them, and my replicas of the peers'. Owned by the fabric;
// replicas are read by other threads while messages land in them.

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/fabric/fabric.h"
#include "core/fabric/memory.h"
#include "providers/ofi/ofi_domain.h"
#include "providers/ofi/ofi_wire.h"

namespace squall::ofi {

/// The pages of a region of mine, kept as long as something is in flight from them: longer than
/// `conceal`, and than the owner's `Memory`.
class Source {
 public:
  /// Code::invalid for memory that is lent.
  static Result<Source> create(const fabric::Memory& memory);
  Source() = default;

  Bytes bytes() const { return bytes_; }
  /// Registers them for `write`s, once; false if the host will not have it.
  bool writable_from(Domain& domain);
  void* descriptor() const { return ofi::descriptor(registration_); }

 private:
  std::shared_ptr<const void> pages_;  // longer than the registration
  Bytes bytes_;
  enum class State : std::uint8_t { untried, ready, refused } state_{};
  Fid<fid_mr> registration_;
};

/// A region of mine, exposed or asked for before it was.
struct Region {
  struct Importer {
    fabric::PeerId peer{};
    std::uint64_t bytes = 0;
    std::optional<WriteTarget> target{};
  };
  Source memory;  ///< empty until it is exposed
  bool exposed = false;
  std::vector<Importer> importers;  ///< attached if exposed, else waiting
};

/// Memory of the caller's that peers may write, as long as somebody has an object in it.
class OpenMemory {
 public:
  /// Code::io when the host will not have it: then what arrives is copied there instead.
  static Result<std::shared_ptr<OpenMemory>> create(Domain& domain, MutableBytes memory);
  const WriteTarget& target() const { return target_; }
  MutableBytes memory() const { return memory_; }

 private:
  MutableBytes memory_;
  Fid<fid_mr> registration_;
  WriteTarget target_;
};

/// A peer's region as I last heard of it: anonymous zeroed pages of its own.
class Replica {
 public:
  static Result<Replica> create(std::size_t bytes);
  Replica(Replica&& other) noexcept { *this = std::move(other); }
  Replica& operator=(Replica&& other) noexcept;
  ~Replica();

  MutableBytes bytes() const { return {data_, bytes_}; }
  /// Where its long pushes are written, if they are; gone before the pages.
  std::shared_ptr<OpenMemory> written;

 private:
  Replica() = default;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t mapped_bytes_ = 0;
};

/// The landings in use: several peers' objects in one memory are one registration.
class OpenMemories {
 public:
  /// nullptr if it cannot be written.
  std::shared_ptr<OpenMemory> get(Domain& domain, MutableBytes memory);

 private:
  std::vector<std::weak_ptr<OpenMemory>> known_;
};

/// One peer's replicas by region; the last one found is tried first, since messages are runs.
class Replicas {
 public:
  /// Open to the peer's writes from the beginning, if there is a domain for them that can.
  Result<const Replica*> add(fabric::RegionId region, std::size_t bytes, Domain* writes);
  /// An object, in memory of the caller's that outlives it here; replaces the one of that name.
  /// `written` keeps it open to the peer's writes until then.
  Result<const std::byte*> add_object(fabric::RegionId region, MutableBytes landing,
                                      std::shared_ptr<OpenMemory> written);
  /// False if there is no object of that name.
  bool remove_object(fabric::RegionId region);
  MutableBytes find(fabric::RegionId region);

 private:
  std::map<fabric::RegionId, Replica> replicas_;
  struct Object {
    MutableBytes bytes;
    std::shared_ptr<OpenMemory> written;
  };
  std::map<fabric::RegionId, Object> objects_;
  fabric::RegionId last_{};
  MutableBytes last_bytes_;
};

}  // namespace squall::ofi
