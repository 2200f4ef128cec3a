#include "groups/link_end.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cstring>
#include <utility>

#include "core/fabric/fabric.h"
#include "core/fabric/memory.h"
#include "core/fabric/provider.h"
#include "providers/catalog/catalog.h"

namespace squall {
namespace {

using fabric::Event;
using fabric::Lane;
using fabric::Memory;

constexpr std::size_t counter_bytes = 8;
constexpr fabric::RegionId counters{1}, objects{2};
/// Nothing is to be kept secret here.
constexpr fabric::Ticket ticket{std::byte{42}};

}  // namespace

struct LinkEnd::Impl {
  Memory counter, object, landing;
  std::unique_ptr<fabric::Fabric> fabric;  // goes before what it has exposed
  std::uint64_t* theirs = nullptr;
  const std::byte* their_object = nullptr;
  bool connected = false;
  unsigned attached = 0;

  Result<> turn() {
    std::array<Event, 16> events;
    fabric->flush();
    const std::size_t count = fabric->poll(events);
    for (std::size_t i = 0; i < count; ++i) {
      if (events[i].kind == Event::Kind::lost)
        return fail(Code::lost, fmt::format("{}: {}", fabric->name(), events[i].text));
      connected |= events[i].kind == Event::Kind::connected;
      attached += events[i].kind == Event::Kind::attached;
    }
    return {};
  }

  template <class Condition>
  Result<> until(Condition condition, Time deadline) {
    while (!condition()) {
      if (auto turned = turn(); !turned) return turned;
      if (Monotonic::now() > deadline)
        return fail(Code::timeout, fmt::format("the two ends do not meet over {}", fabric->name()),
                    "see whether this fabric reaches from one to the other (`squall info`)");
    }
    return {};
  }

  Result<> push_value(std::uint64_t value, Lane lane) {
    std::memcpy(counter.data(), &value, sizeof value);
    auto pushed = fabric->push(counters, 0, counter_bytes, lane);
    fabric->flush();
    return pushed;
  }
};

LinkEnd::LinkEnd(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LinkEnd::LinkEnd(LinkEnd&& other) noexcept = default;
LinkEnd& LinkEnd::operator=(LinkEnd&& other) noexcept = default;
LinkEnd::~LinkEnd() = default;

Result<LinkEnd> LinkEnd::open(const std::string& name, std::size_t object_bytes) {
  auto impl = std::make_unique<Impl>();
  for (Memory* memory : {&impl->counter, &impl->object, &impl->landing}) {
    auto made = Memory::create(memory == &impl->counter ? counter_bytes : object_bytes);
    if (!made) return tl::unexpected(made.error());
    *memory = std::move(*made);
  }
  // Their pages are there, as those of buffers in use.
  std::memset(impl->object.data(), 1, impl->object.size());
  std::memset(impl->landing.data(), 0, impl->landing.size());
  fabric::Options options;
  options.name = name;
  options.peers = 1;
  options.object_bytes = 2 * object_bytes;
  auto opened = catalog::open(options);
  if (!opened) return tl::unexpected(opened.error());
  impl->fabric = std::move(*opened);
  if (auto shown = impl->fabric->expose(counters, impl->counter); !shown)
    return tl::unexpected(shown.error());
  if (auto shown = impl->fabric->expose(objects, impl->object); !shown)
    return tl::unexpected(shown.error());
  return LinkEnd(std::move(impl));
}

std::string LinkEnd::address() const {
  return impl_->fabric->address();
}

Result<> LinkEnd::connect(std::string_view address, Time deadline) {
  Impl& end = *impl_;
  const auto peer = end.fabric->connect(address, ticket);
  if (!peer) return tl::unexpected(peer.error());
  if (auto up = end.until([&] { return end.connected; }, deadline); !up) return up;
  const auto theirs = end.fabric->import(*peer, counters, counter_bytes);
  if (!theirs) return tl::unexpected(theirs.error());
  end.theirs = reinterpret_cast<std::uint64_t*>(const_cast<std::byte*>(*theirs));
  const auto object = end.fabric->import_object(*peer, objects, end.landing.size(), &end.landing);
  if (!object) return tl::unexpected(object.error());
  end.their_object = *object;
  end.fabric->flush();
  return end.until([&] { return end.attached == 2; }, deadline);
}

bool LinkEnd::maps() const {
  return impl_->fabric->capabilities().maps;
}

multicast::bulk::Cost LinkEnd::usual_cost() const {
  return multicast::bulk::default_cost(impl_->fabric->capabilities());
}

Result<> LinkEnd::push(std::size_t bytes, std::uint64_t value) {
  if (bytes != 0)
    if (auto pushed = impl_->fabric->push(objects, 0, bytes, Lane::bulk); !pushed) return pushed;
  return impl_->push_value(value, Lane::bulk);
}

Result<> LinkEnd::push(std::uint64_t value) {
  return impl_->push_value(value, Lane::urgent);
}

Result<std::uint64_t> LinkEnd::turn() {
  if (auto turned = impl_->turn(); !turned) return tl::unexpected(turned.error());
  return std::atomic_ref(*impl_->theirs).load(std::memory_order_acquire);
}

const std::byte* LinkEnd::object() const {
  return impl_->their_object;
}

}  // namespace squall
