#pragma once
// Where a case plays: some endpoints of the provider under test in this process, all turned by the
// one thread that runs the case, and a time line, real or virtual. Every wait has a deadline.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/time.h"
#include "core/fabric/fabric.h"
#include "core/fabric/provider.h"

namespace squall::conformance {

using fabric::Event;
using fabric::Lane;
using fabric::PeerId;
using fabric::RegionId;
using fabric::Ticket;
using fabric::Token;
using Kind = fabric::Event::Kind;

/// Long enough for anything that should happen, on a machine that is busy with other things.
inline constexpr Duration patience = std::chrono::seconds(60);
/// A call that takes longer has blocked: nothing but `wait` may.
inline constexpr Duration longest_call = std::chrono::milliseconds(500);

/// How often to repeat what is repeated only to meet a rare moment: `count` times, or a tenth of it
/// with SQUALL_TEST_EMULATED in the environment, on a machine that is emulated by software.
std::uint64_t repeats(std::uint64_t count);
bool emulated();

/// Between two looks, when nothing has moved for `quiet`: gives the core away, and after a while
/// sleeps, since cases that wait for seconds would keep it from others.
void rest(Duration quiet);

/// Ends the case, or the child's role, which tells the parent: an exception, since doctest's own
/// macros work in the parent only.
[[noreturn]] void broken(const std::string& what);
inline void expect(bool condition, const char* what) {
  if (!condition) broken(what);
}

/// The value, or the end of the case with the error.
template <class T>
T must(Result<T> result, const char* what) {
  if (!result) broken(std::string(what) + ": " + result.error().text());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// Memory, to compare with text.
inline std::string_view view(const std::byte* at, std::size_t bytes) {
  return {reinterpret_cast<const char*>(at), bytes};
}

/// An event, with copies of what it lent.
struct Seen {
  Kind kind{};
  bool ok = true;
  Lane lane{};
  PeerId peer{};
  RegionId region{};
  Token token = fabric::no_token;
  std::string bytes;
  std::string text;
};

/// An endpoint and the events that it has had.
class Node {
 public:
  Node(std::string name, std::unique_ptr<fabric::Fabric> fabric);

  fabric::Fabric* operator->() { return fabric_.get(); }
  const std::string& name() const { return name_; }
  /// Flushes and polls until there are no more events; they go to `seen`, or to `on_event`. Whether
  /// anything moved.
  bool turn();
  /// Ends the endpoint's life; only the destructor may follow.
  void close() { fabric_.reset(); }
  bool open() const { return fabric_ != nullptr; }

  std::size_t count(Kind kind) const;
  std::size_t count(Kind kind, PeerId peer) const;
  /// The first of its kind from that peer, or nullptr.
  const Seen* find(Kind kind, PeerId peer) const;

  std::vector<Seen> seen;
  std::function<void(const Event&)> on_event;
  /// Of flush and poll, without the time that others had this thread's core.
  Duration slowest_call{0};

 private:
  std::string name_;
  std::unique_ptr<fabric::Fabric> fabric_;
  Time kept_read_{};
  Duration kept_{0};
};

class World {
 public:
  virtual ~World() = default;

  /// A new endpoint, turned by `until` and `pass_time` from now on. Fails the case if it cannot.
  Node& add(std::string_view name);
  /// Turns everyone until `done`; false if that takes longer than `limit`.
  bool until(const std::function<bool()>& done, Duration limit = patience);
  /// Turns everyone for that long: to see that something does *not* happen.
  void pass_time(Duration span);
  /// Whether anything moved.
  bool turn();

  virtual Time now() const = 0;
  virtual Result<std::unique_ptr<fabric::Fabric>> open(std::string_view name) = 0;

 protected:
  /// Lets a little time pass between two turns; nothing has moved for `quiet`.
  virtual void pass(Duration quiet) = 0;

  std::deque<Node> nodes_;
};

/// Real time and a real provider.
class RealWorld final : public World {
 public:
  RealWorld(std::string_view provider_name, const fabric::Provider& provider)
      : provider_name_(provider_name), provider_(provider) {}
  Time now() const override { return Monotonic::now(); }
  Result<std::unique_ptr<fabric::Fabric>> open(std::string_view name) override;

 private:
  void pass(Duration quiet) override { rest(quiet); }

  std::string provider_name_;
  const fabric::Provider& provider_;
};

/// What a test binary tests.
struct Subject {
  std::string_view name;
  /// A device may be missing here: then the whole suite is skipped, and says why.
  bool may_be_missing = false;
  /// Endpoints may live in different processes.
  bool processes = true;
  std::function<std::unique_ptr<World>()> make_world;
  /// What one end exposes the other reads in place, though not all fabrics under it map memory: a
  /// push moves nothing. (Objects do move.)
  bool maps_regions = false;
  /// Why connections that say nothing are not dropped, where they are not.
  std::string_view keeps_silent_strangers;
  /// Why a dead peer holds up what is meant for others, where it does.
  std::string_view dead_stall_others;
  /// A raw socket, connected to where this address listens; empty: nothing to dial. For strangers.
  std::function<int(const std::string& address)> dial;
};

/// Defined once by each test binary.
const Subject& subject();

// --- the two sides of a connection

struct Pair {
  PeerId first_to_second{};
  PeerId second_to_first{};
};

/// Never the same twice, also between processes.
Ticket fresh_ticket();
/// Connects two nodes and waits until both say so.
Pair connect(World& world, Node& first, Node& second);

/// The bytes of the message, or region content, with this number: the same wherever it is made.
std::string content(std::uint64_t number, std::size_t bytes);

/// Fails the case if a call took this long: nothing but `wait` may block.
void require_prompt(Duration took);
template <class Call>
auto timed(Call&& call) {
  const Time start = Monotonic::now();
  auto result = call();
  require_prompt(Monotonic::now() - start);
  return result;
}

/// Reads a counter as a reader of a replica does.
inline std::uint64_t load_counter(const std::byte* at) {
  return __atomic_load_n(reinterpret_cast<const std::uint64_t*>(at), __ATOMIC_ACQUIRE);
}
/// Writes a counter as a region's owner does.
inline void store_counter(std::byte* at, std::uint64_t value) {
  __atomic_store_n(reinterpret_cast<std::uint64_t*>(at), value, __ATOMIC_RELEASE);
}

}  // namespace squall::conformance
