#pragma once
// Regions: mine, with who imported them, and my replicas of the peers'. Owned by the fabric;
// replicas are read by other threads while messages land in them.

#include <map>
#include <memory>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/fabric/fabric.h"
#include "core/fabric/memory.h"

namespace squall::ofi {

/// Another view of an owner's memory, so that what is in flight from it survives `conceal`.
class Mapping {
 public:
  static Result<Mapping> create(const fabric::Memory& memory);
  Mapping() = default;
  Mapping(Mapping&& other) noexcept { *this = std::move(other); }
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  Bytes bytes() const { return {data_, bytes_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// A region of mine, exposed or asked for before it was.
struct Region {
  struct Importer {
    fabric::PeerId peer{};
    std::uint64_t bytes = 0;
  };
  Mapping memory;  ///< empty until it is exposed
  bool exposed = false;
  std::vector<Importer> importers;  ///< attached if exposed, else waiting
};

/// A peer's region as I last heard of it: anonymous zeroed pages of its own.
class Replica {
 public:
  static Result<Replica> create(std::size_t bytes);
  Replica(Replica&& other) noexcept { *this = std::move(other); }
  Replica& operator=(Replica&& other) noexcept;
  ~Replica();

  MutableBytes bytes() const { return {data_, bytes_}; }

 private:
  Replica() = default;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t mapped_bytes_ = 0;
};

/// One peer's replicas by region; the last one found is tried first, since messages are runs.
class Replicas {
 public:
  Result<const std::byte*> add(fabric::RegionId region, std::size_t bytes);
  /// An object, in memory of the caller's that outlives it here; replaces the one of that name.
  Result<const std::byte*> add_object(fabric::RegionId region, MutableBytes landing);
  /// False if there is no object of that name.
  bool remove_object(fabric::RegionId region);
  MutableBytes find(fabric::RegionId region);

 private:
  std::map<fabric::RegionId, Replica> replicas_;
  std::map<fabric::RegionId, MutableBytes> objects_;
  fabric::RegionId last_{};
  MutableBytes last_bytes_;
};

}  // namespace squall::ofi
