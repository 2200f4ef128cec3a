#include "providers/ofi/ofi_region.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>

#include "core/base/ids.h"
#include "core/base/log.h"
#include "core/base/ring_math.h"

namespace squall::ofi {

Result<Source> Source::create(const fabric::Memory& memory) {
  Source source;
  source.pages_ = memory.pages();
  if (source.pages_ == nullptr)
    return fail(Code::invalid, "what is exposed is not memory of this node's own");
  source.bytes_ = {memory.data(), memory.size()};
  return source;
}

bool Source::writable_from(Domain& domain) {
  if (state_ == State::untried) {
    auto registered = domain.register_memory(bytes_, FI_WRITE);
    state_ = registered ? State::ready : State::refused;
    if (registered)
      registration_ = std::move(*registered);
    else
      log(Level::warning, "a region is sent instead of written: {}", registered.error().text());
  }
  return state_ == State::ready;
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
  std::swap(written, other.written);
  return *this;
}

Replica::~Replica() {
  written.reset();
  if (data_ != nullptr) munmap(data_, mapped_bytes_);
}

Result<const Replica*> Replicas::add(fabric::RegionId region, std::size_t bytes, Domain* writes) {
  if (bytes == 0) return fail(Code::invalid, "a replica of 0 bytes");
  if (replicas_.contains(region) || objects_.contains(region))
    return fail(Code::invalid, fmt::format("region {} was imported before", raw(region)));
  auto replica = Replica::create(bytes);
  if (!replica) return tl::unexpected(replica.error());
  if (writes != nullptr) {
    if (auto open = OpenMemory::create(*writes, replica->bytes()))
      replica->written = std::move(*open);
    else
      log(Level::warning, "a mirror is sent instead of written: {}", open.error().text());
  }
  return &replicas_.emplace(region, std::move(*replica)).first->second;
}

Result<std::shared_ptr<OpenMemory>> OpenMemory::create(Domain& domain, MutableBytes memory) {
  auto registered = domain.register_target(memory);
  if (!registered) return tl::unexpected(registered.error());
  auto made = std::make_shared<OpenMemory>();
  made->memory_ = memory;
  made->target_ = domain.target(*registered, memory);
  made->registration_ = std::move(*registered);
  return made;
}

std::shared_ptr<OpenMemory> OpenMemories::get(Domain& domain, MutableBytes memory) {
  std::erase_if(known_, [](const auto& known) { return known.expired(); });
  for (const auto& known : known_)
    if (auto open = known.lock();
        open->memory().data() == memory.data() && open->memory().size() == memory.size())
      return open;
  auto made = OpenMemory::create(domain, memory);
  if (!made) {
    log(Level::warning, "an object is copied to its place: {}", made.error().text());
    return nullptr;
  }
  known_.push_back(*made);
  return std::move(*made);
}

Result<const std::byte*> Replicas::add_object(fabric::RegionId region, MutableBytes landing,
                                              std::shared_ptr<OpenMemory> written) {
  if (replicas_.contains(region))
    return fail(Code::invalid, fmt::format("region {} was imported before", raw(region)),
                "a region is an object or is not");
  objects_[region] = {landing, std::move(written)};
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
  last_bytes_ = object != objects_.end() ? object->second.bytes : replica->second.bytes();
  return last_bytes_;
}

}  // namespace squall::ofi
