#include "providers/rendezvous/tcp.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/base/assert.h"
#include "core/base/time.h"
#include "core/fabric/meeting.h"
#include "core/fabric/rendezvous_wire.h"
#include "providers/rendezvous/address.h"
#include "providers/rendezvous/socket.h"

namespace squall::rendezvous {
namespace {

using fabric::LineId;
using fabric::Meeting;

constexpr LineId listener_id = 0;  // the meeting numbers its lines from 1
// All that can be ready at once in one batch, so that an introduced member's end and the hello of
// its next run are never in two batches the wrong way round.
constexpr std::size_t events_at_once = 1024;
constexpr std::size_t read_bytes = 16384;
constexpr int reads_at_once = 4;  // of one connection, before the others have their turn
constexpr int rounds_per_poll = 4;
constexpr Duration accept_pause = std::chrono::milliseconds(100);
/// How long a refused peer may take to read why, and how many such connections there may be.
constexpr Duration linger = std::chrono::seconds(1);
constexpr std::size_t lingering_most = 256;
/// What may wait for a peer that does not read: the largest word, and what comes before and after.
constexpr std::size_t unread_most = 2 * fabric::Limits::word_bytes;
constexpr Duration resolver_pause = std::chrono::seconds(2);

fabric::Nonce system_nonce() {
  fabric::Nonce nonce;
  // Up to 256 bytes come whole or not at all, and not at all only before the system has entropy.
  const ssize_t got = getrandom(nonce.data(), nonce.size(), 0);
  SQUALL_ASSERT(got == static_cast<ssize_t>(nonce.size()), "the system gives randomness");
  return nonce;
}

class TcpRendezvous final : public fabric::Rendezvous {
 public:
  TcpRendezvous(Meeting meeting, std::vector<HostPort> places, Descriptor listener,
                Descriptor epoll)
      : meeting_(std::move(meeting)), listener_(std::move(listener)), epoll_(std::move(epoll)) {
    for (HostPort& place : places) callees_.push_back({std::move(place), {}, Time::min()});
    if (listener_.get() >= 0) watch(listener_, listener_id, EPOLLIN, EPOLL_CTL_ADD);
  }

  void poll(Time now, std::vector<Event>& events) override {
    now_ = std::max(now_, now);
    meeting_.tick(now_);
    act();
    if (listen_again_ != never && now >= listen_again_) resume_listening();
    for (int round = 0; round < rounds_per_poll && turn(); ++round) {
    }
    sweep();
    for (Event& event : meeting_.take_events()) events.push_back(std::move(event));
  }

  int fd() const override { return epoll_.get(); }

  Time deadline() const override {
    Time next = std::min(meeting_.deadline(), listen_again_);
    for (const LineId id : lingering_) next = std::min(next, wires_.at(id).until);
    return next;
  }

  std::string missing() const override { return meeting_.missing(); }

  LineId visit(Rank rank) override {
    // The last poll may be long ago, or yet to come.
    now_ = std::max(now_, Monotonic::now());
    const LineId line = meeting_.visit(rank, now_);
    act();
    return line;
  }
  void say(LineId line, Bytes bytes) override {
    meeting_.say(line, bytes);
    act();
  }
  void renew(Incarnation incarnation) override { meeting_.renew(incarnation); }
  void dismiss(LineId line, const Error& why) override {
    meeting_.dismiss(line, why);
    act();
  }

  void leave(std::string_view text) override {
    meeting_.leave(text);
    act();
    listener_.reset();
    listen_again_ = never;
  }

 private:
  struct Wire {
    Descriptor socket;
    std::vector<std::byte> out;
    bool connecting = false;
    bool lingering = false;  ///< ours is said: what still comes is thrown away
    std::uint32_t watched = 0;
    Time until = never;                    ///< of lingering
    std::vector<SocketAddress> elsewhere;  ///< still to be tried, last first
  };
  /// Where a member of lower rank is called.
  struct Callee {
    HostPort place;
    Resolved resolved;
    Time resolve_again;
  };

  bool turn();
  void accept_callers();
  void pause_listening(Duration pause);
  void resume_listening();
  void act();
  void call(LineId id, Rank rank);
  void call_next(LineId id, Wire& wire, std::string reason, bool nobody);
  void on_ready(LineId id, std::uint32_t ready);
  void read(LineId id, Wire& wire);
  void flush(LineId id, Wire& wire);
  void finish(LineId id);
  void drop(LineId id);
  void sweep();

  void watch(const Descriptor& descriptor, LineId id, std::uint32_t wanted, int operation) {
    epoll_event event{};
    event.events = wanted;
    event.data.u64 = id;
    const int done = epoll_ctl(epoll_.get(), operation, descriptor.get(), &event);
    SQUALL_ASSERT(done == 0, "epoll watches an open socket");
  }
  void rewatch(LineId id, Wire& wire, std::uint32_t wanted) {
    if (wire.watched == wanted) return;
    watch(wire.socket, id, wanted, wire.watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD);
    wire.watched = wanted;
  }

  Meeting meeting_;
  std::vector<Callee> callees_;  // by rank
  Descriptor listener_;
  Descriptor epoll_;
  std::unordered_map<LineId, Wire> wires_;
  std::vector<LineId> lingering_;
  Time now_{};
  Time accepts_since_ = Time::min();  // accepts are paid for up to here
  Time listen_again_ = never;
  std::array<epoll_event, events_at_once> ready_;
};

// --- turning

bool TcpRendezvous::turn() {
  const int count = epoll_wait(epoll_.get(), ready_.data(), static_cast<int>(ready_.size()), 0);
  if (count <= 0) return false;
  const auto end = ready_.begin() + count;
  // Ends of introduced members first, callers last: a member's next run is never judged before
  // its former one's end.
  const auto strangers = std::partition(ready_.begin(), end, [this](const epoll_event& event) {
    return meeting_.introduced(event.data.u64);
  });
  bool callers = false;
  for (auto at = ready_.begin(); at != end; ++at) {
    if (at == strangers) act();
    if (at->data.u64 == listener_id)
      callers = true;
    else
      on_ready(at->data.u64, at->events);
  }
  if (callers) accept_callers();
  act();
  return true;
}

void TcpRendezvous::sweep() {
  std::erase_if(lingering_, [this](LineId id) {
    const auto at = wires_.find(id);
    if (at == wires_.end()) return true;
    if (at->second.until > now_) return false;
    wires_.erase(at);
    return true;
  });
}

// --- being called

void TcpRendezvous::accept_callers() {
  if (listener_.get() < 0) return;
  // A bucket that fills with time and holds `accepts_at_once`.
  constexpr Duration price = std::chrono::nanoseconds(std::chrono::seconds(1)) / accepts_per_second;
  accepts_since_ = std::max(accepts_since_, now_ - accepts_at_once * price);
  while (accepts_since_ + price <= now_) {
    accepts_since_ += price;
    SocketAddress from;
    from.size = sizeof(from.storage);
    Descriptor socket(
        accept4(listener_.get(), from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.get() < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        return pause_listening(accept_pause);
      if (errno == EAGAIN) return;
      continue;  // that caller gave up, or its network failed (accept(2))
    }
    tune_connection(socket);
    const LineId id = meeting_.accepted(now_, to_text(from));
    Wire& wire = wires_[id];
    wire.socket = std::move(socket);
    rewatch(id, wire, EPOLLIN);
    act();
  }
  pause_listening(price);
}

void TcpRendezvous::pause_listening(Duration pause) {
  watch(listener_, listener_id, 0, EPOLL_CTL_MOD);
  listen_again_ = now_ + pause;
}

void TcpRendezvous::resume_listening() {
  watch(listener_, listener_id, EPOLLIN, EPOLL_CTL_MOD);
  listen_again_ = never;
}

// --- what the meeting wants

void TcpRendezvous::act() {
  for (auto actions = meeting_.take_actions(); !actions.empty();
       actions = meeting_.take_actions()) {
    for (Meeting::Action& action : actions) {
      using Kind = Meeting::Action::Kind;
      if (action.kind == Kind::call) {
        call(action.line, action.rank);
      } else if (action.kind == Kind::drop) {
        drop(action.line);
      } else if (action.kind == Kind::finish) {
        finish(action.line);
      } else if (const auto at = wires_.find(action.line); at != wires_.end()) {
        Wire& wire = at->second;
        wire.out.insert(wire.out.end(), action.bytes.begin(), action.bytes.end());
        flush(action.line, wire);
        if (wire.out.size() <= unread_most) continue;
        drop(action.line);
        meeting_.ended(action.line, now_, "does not read what it is told");
      }
    }
  }
}

void TcpRendezvous::call(LineId id, Rank rank) {
  Callee& callee = callees_[rank];
  // A host name may have moved; a numeric address has not.
  if (callee.resolved.addresses.empty() ||
      (!callee.resolved.numeric && now_ >= callee.resolve_again)) {
    if (now_ < callee.resolve_again)
      return meeting_.ended(id, now_, "no address for host " + callee.place.host);
    callee.resolve_again = now_ + resolver_pause;
    auto resolved = resolve(callee.place);
    if (!resolved) return meeting_.ended(id, now_, resolved.error().what);
    callee.resolved = std::move(*resolved);
  }
  Wire& wire = wires_[id];
  wire.elsewhere.assign(callee.resolved.addresses.rbegin(), callee.resolved.addresses.rend());
  // Another one first the next time: one that never answers uses up a whole call.
  std::ranges::rotate(callee.resolved.addresses, callee.resolved.addresses.begin() + 1);
  call_next(id, wire, "no address", false);
}

void TcpRendezvous::call_next(LineId id, Wire& wire, std::string reason, bool nobody) {
  while (!wire.elsewhere.empty()) {
    const SocketAddress address = wire.elsewhere.back();
    wire.elsewhere.pop_back();
    auto socket = start_connecting(address);
    if (!socket) {
      reason = socket.error().what;
      nobody = false;
      continue;
    }
    wire.socket = std::move(*socket);
    wire.connecting = true;
    wire.watched = 0;
    return rewatch(id, wire, EPOLLOUT);
  }
  drop(id);
  meeting_.ended(id, now_, std::move(reason), nobody);
}

// --- sockets

void TcpRendezvous::on_ready(LineId id, std::uint32_t ready) {
  const auto at = wires_.find(id);
  if (at == wires_.end()) return;  // ended earlier in this batch
  Wire& wire = at->second;
  if (wire.connecting) {
    const int error = connect_result(wire.socket);
    if (error != 0) return call_next(id, wire, strerror(error), error == ECONNREFUSED);
    wire.connecting = false;
    rewatch(id, wire, EPOLLIN);
    return meeting_.connected(id, now_);
  }
  if ((ready & EPOLLOUT) != 0) flush(id, wire);
  // Also after errors: a refusal may have arrived before the reset did.
  if ((ready & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read(id, wire);
}

void TcpRendezvous::read(LineId id, Wire& wire) {
  std::array<std::byte, read_bytes> chunk;
  for (int i = 0; i < reads_at_once; ++i) {
    const ssize_t got = recv(wire.socket.get(), chunk.data(), chunk.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      const std::string reason = got == 0 ? "closed the connection" : strerror(errno);
      drop(id);
      return meeting_.ended(id, now_, reason);
    }
    if (!wire.lingering)
      meeting_.received(id, Bytes(chunk).first(static_cast<std::size_t>(got)), now_);
  }
}

void TcpRendezvous::flush(LineId id, Wire& wire) {
  std::size_t sent = 0;
  while (sent < wire.out.size()) {
    const ssize_t done =
        send(wire.socket.get(), wire.out.data() + sent, wire.out.size() - sent, MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && errno == EAGAIN) break;
    if (done < 0) {
      // The reading side will see the end, after whatever came before it.
      wire.out.clear();
      return rewatch(id, wire, EPOLLIN);
    }
    sent += static_cast<std::size_t>(done);
  }
  wire.out.erase(wire.out.begin(), wire.out.begin() + static_cast<std::ptrdiff_t>(sent));
  if (wire.out.empty() && wire.lingering) shutdown(wire.socket.get(), SHUT_WR);
  rewatch(id, wire, wire.out.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

void TcpRendezvous::finish(LineId id) {
  const auto at = wires_.find(id);
  if (at == wires_.end()) return;
  // Closed at once, with bytes unread, TCP would send a reset that may overtake the last words.
  if (lingering_.size() >= lingering_most) return drop(id);
  at->second.lingering = true;
  at->second.until = now_ + linger;
  lingering_.push_back(id);
  flush(id, at->second);
}

void TcpRendezvous::drop(LineId id) {
  wires_.erase(id);
  std::erase(lingering_, id);
}

}  // namespace

Result<std::unique_ptr<fabric::Rendezvous>> open(Options options) {
  // Taken over whatever happens.
  Result<Descriptor> listener = Descriptor();
  if (options.listen_fd >= 0) listener = adopt_listener(options.listen_fd);
  if (!listener) return tl::unexpected(listener.error());

  std::vector<HostPort> places;
  for (const fabric::RosterMember& member : options.roster) {
    auto place = parse_address(member.address);
    if (!place) return tl::unexpected(place.error());
    places.push_back(std::move(*place));
  }
  auto meeting = Meeting::create(std::move(options.roster), std::move(options.self), &system_nonce,
                                 std::move(options.manners));
  if (!meeting) return tl::unexpected(meeting.error());
  const bool listed = meeting->rank() < meeting->roster().size();
  if (options.listen.empty() && listed) options.listen = meeting->roster()[meeting->rank()].address;
  if (listener->get() < 0 && !options.listen.empty()) listener = listen_on(options.listen);
  if (!listener) return tl::unexpected(listener.error());
  Descriptor epoll(epoll_create1(EPOLL_CLOEXEC));
  if (epoll.get() < 0) return fail_errno("cannot make an epoll descriptor", errno);
  return std::make_unique<TcpRendezvous>(std::move(*meeting), std::move(places),
                                         std::move(*listener), std::move(epoll));
}

}  // namespace squall::rendezvous
