#include "providers/ofi/ofi_region.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>

#include "core/base/ids.h"
#include "core/base/ring_math.h"

namespace squall::ofi {

Result<Mapping> Mapping::create(const fabric::Memory& memory) {
  Mapping mapping;
  // The seal forbids later writable mappings, not readable ones.
  void* mapped = mmap(nullptr, memory.size(), PROT_READ, MAP_SHARED, memory.fd(), 0);
  if (mapped == MAP_FAILED)
    return fail_errno(fmt::format("cannot map a region of {} bytes", memory.size()), errno);
  mapping.data_ = static_cast<const std::byte*>(mapped);
  mapping.bytes_ = memory.size();
  return mapping;
}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Mapping::~Mapping() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), bytes_);
}

Result<Replica> Replica::create(std::size_t bytes) {
  Replica replica;
  replica.mapped_bytes_ = round_up(bytes, 4096);
  void* mapped = mmap(nullptr, replica.mapped_bytes_, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED)
    return fail_errno(fmt::format("cannot map a replica of {} bytes", bytes), errno);
  replica.data_ = static_cast<std::byte*>(mapped);
  replica.bytes_ = bytes;
  return replica;
}

Replica& Replica::operator=(Replica&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(mapped_bytes_, other.mapped_bytes_);
  return *this;
}

Replica::~Replica() {
  if (data_ != nullptr) munmap(data_, mapped_bytes_);
}

Result<const std::byte*> Replicas::add(fabric::RegionId region, std::size_t bytes) {
  if (bytes == 0) return fail(Code::invalid, "a replica of 0 bytes");
  if (replicas_.contains(region) || objects_.contains(region))
    return fail(Code::invalid, fmt::format("region {} was imported before", raw(region)));
  auto replica = Replica::create(bytes);
  if (!replica) return tl::unexpected(replica.error());
  const std::byte* data = replica->bytes().data();
  replicas_.emplace(region, std::move(*replica));
  return data;
}

Result<const std::byte*> Replicas::add_object(fabric::RegionId region, MutableBytes landing) {
  if (replicas_.contains(region))
    return fail(Code::invalid, fmt::format("region {} was imported before", raw(region)),
                "a region is an object or is not");
  objects_[region] = landing;
  last_bytes_ = {};
  return landing.data();
}

bool Replicas::remove_object(fabric::RegionId region) {
  last_bytes_ = {};
  return objects_.erase(region) != 0;
}

MutableBytes Replicas::find(fabric::RegionId region) {
  if (region == last_ && !last_bytes_.empty()) return last_bytes_;
  const auto object = objects_.find(region);
  const auto replica = replicas_.find(region);
  if (object == objects_.end() && replica == replicas_.end()) return {};
  last_ = region;
  last_bytes_ = object != objects_.end() ? object->second : replica->second.bytes();
  return last_bytes_;
}

}  // namespace squall::ofi
