#include "providers/shm/shm_peer.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <new>

#include "core/base/ids.h"
#include "core/base/log.h"

namespace squall::shm {

Peer::Peer(fabric::PeerId own_id, std::string_view peer_address,
           const fabric::Ticket& shared_ticket)
    : id(own_id), address(peer_address), ticket(shared_ticket) {}

Result<> Peer::greet(Waiter& waiter, ReadyTag socket_tag) {
  tag = socket_tag;
  auto memory = fabric::Memory::create(link_bytes);
  if (!memory) return tl::unexpected(memory.error());
  my_link_ = std::move(*memory);
  new (my_link_.data()) LinkHeader{};
  auto doorbell = make_doorbell();
  if (!doorbell) return tl::unexpected(doorbell.error());
  my_doorbell_ = std::move(*doorbell);
  if (auto added = waiter.add_doorbell(my_doorbell_); !added) return added;
  if (auto added = waiter.add_socket(socket, tag); !added) return added;
  const std::array<int, 3> fds{my_doorbell_.get(), waiter.control().fd(), my_link_.fd()};
  const auto hello = encode(Hello{wire_version, ticket});
  // A fresh socket has room, so anything but `whole` is the peer's end.
  if (send_packet(socket, hello, fds) != Sent::whole)
    return fail(Code::lost, "it closed the connection before the hello");
  return {};
}

Result<> Peer::adopt(Packet& hello) {
  if (hello.fd_count != 3) return fail(Code::refused, "its hello did not carry three descriptors");
  Fd doorbell = std::move(hello.fds[0]);
  if (!is_doorbell(doorbell)) return fail(Code::refused, "its doorbell is no eventfd");
  their_doorbell_ = std::move(doorbell);
  const auto map = [](Replica& into, const Fd& fd, std::size_t bytes) -> Result<> {
    auto reserved = Replica::reserve(bytes);
    if (!reserved) return tl::unexpected(reserved.error());
    into = std::move(*reserved);
    return into.map(fd);
  };
  if (auto mapped = map(their_control_, hello.fds[1], sizeof(ControlPage)); !mapped) return mapped;
  if (auto mapped = map(their_link_, hello.fds[2], link_bytes); !mapped) return mapped;
  const auto* page = reinterpret_cast<const ControlPage*>(their_control_.data());
  if (page->magic != control_magic) return fail(Code::refused, "its control page is not one");
  sleeping = &page->sleeping;
  for (std::size_t lane = 0; lane < lane_count; ++lane) {
    senders[lane] = MessageSender(my_link_.data(), their_link_.data(), lane);
    receivers[lane] = MessageReceiver(my_link_.data(), their_link_.data(), lane);
  }
  return {};
}

void Peer::hang_up(Waiter& waiter) {
  waiter.remove(socket);
  waiter.remove(my_doorbell_);
  socket.reset();
  my_doorbell_.reset();
  unsent_.clear();
  wants.clear();
}

void Peer::close(Waiter& waiter) {
  hang_up(waiter);
  their_doorbell_.reset();
  for (std::size_t lane = 0; lane < lane_count; ++lane) {
    senders[lane] = {};
    receivers[lane] = {};
  }
  sleeping = nullptr;
  their_link_ = {};
  their_control_ = {};
  my_link_ = {};
  // Against the order of import: counters before what they publish.
  // (Objects can be many gigabytes, and whoever reads one knows that it is whole.)
  for (auto import = imports.rbegin(); import != imports.rend(); ++import)
    if (!import->object && !import->replica.freeze())
      log(Level::warning,
          "shm: region {} of peer {} was written all through its fence: the copy may mix instants",
          raw(import->region), static_cast<unsigned>(id));
}

void Peer::post(Waiter& waiter, const Control& control, int fd) {
  if (!socket) return;
  auto bytes = encode(control);
  if (unsent_.empty()) {
    const auto fds = std::span<const int>(&fd, fd >= 0 ? 1 : 0);
    // If the peer is gone, its hang-up is about to be read.
    if (send_packet(socket, bytes, fds) != Sent::nothing) return;
    waiter.watch_writable(socket, tag, true);
  }
  // A duplicate, because the region may be concealed before there is room.
  unsent_.push_back({std::move(bytes), fd >= 0 ? Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0)) : Fd()});
}

void Peer::post_rest(Waiter& waiter) {
  while (!unsent_.empty()) {
    const int fd = unsent_.front().fd.get();
    const auto fds = std::span<const int>(&fd, fd >= 0 ? 1 : 0);
    if (send_packet(socket, unsent_.front().bytes, fds) == Sent::nothing) return;
    unsent_.pop_front();
    if (unsent_.empty()) waiter.watch_writable(socket, tag, false);
  }
}

void Peer::ring_now(std::uint64_t word) {
  rung_ = word;
  ring(their_doorbell_);
}

Import* Peer::find_import(fabric::RegionId region) {
  const auto found = std::find_if(imports.begin(), imports.end(),
                                  [&](const Import& i) { return i.region == region; });
  return found == imports.end() ? nullptr : &*found;
}

void Peer::drop_import(fabric::RegionId region) {
  std::erase_if(imports, [&](const Import& i) { return i.region == region; });
}

void Peer::end_grant(fabric::RegionId region) {
  const auto found = granted.find(region);
  if (found == granted.end()) return;
  found->second.live = false;
  if (found->second.unattached == 0) granted.erase(found);
}

bool Peer::waits_for_memory() const {
  return std::any_of(imports.begin(), imports.end(),
                     [](const Import& i) { return !i.replica.mapped(); });
}

}  // namespace squall::shm
