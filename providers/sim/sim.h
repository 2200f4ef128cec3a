#pragma once
// A fabric without hardware: whole clusters in one thread, in virtual time. A Network owns the
// clock, the links and the faults; every node opens an endpoint on it. Nothing happens by itself:
// the driver (groups/simulation, or a test) moves time with `step` or `run_until` and turns the
// nodes. The same seed and the same calls give the same trace, byte for byte.
//
// Ownership: endpoints belong to the caller and must be destroyed before their Network.
// Threads: one for everything, `wake` included.

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "core/base/time.h"
#include "core/fabric/fabric.h"
#include "providers/sim/options.h"

namespace squall::sim {

class Wire;

class Network {
 public:
  explicit Network(const Options& options);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// A node's endpoint. `name` must have no '#' and no open endpoint at this time. Its address is
  /// the name; the second run of a name (after a crash) has the address "name#2", and so on, so
  /// that it is never taken for its former self.
  std::unique_ptr<fabric::Fabric> open(std::string_view name);

  // --- time, which starts at Time{}

  Time now() const;
  /// When the next thing happens in the network; `never` if nothing will by itself.
  Time next_event() const;
  /// Moves time to the next event and lets this one happen; false if there was none.
  bool step();
  /// Everything until `time`, inclusive; then it is `time`.
  void run_until(Time time);
  /// `action` becomes an event of the network: a fault at a set time, or the driver's own doings.
  void at(Time time, std::function<void()> action);

  // --- what the driver asks about a node

  /// The number of the node of this name, which it keeps.
  Host host(std::string_view name);
  /// It does not sleep (any more): it should be turned. False for a node that is not running.
  bool awake(std::string_view name) const;
  bool awake(Host host) const;  ///< the same, for who asks all the time
  /// The deadline of a sleeping node; now() of one awake; `never` of one that is not running.
  Time wakes_at(std::string_view name) const;
  bool running(std::string_view name) const;

  // --- faults; all take effect now

  /// The node's endpoint does nothing any more: its polls are empty, other calls fail with
  /// Code::closed. What had left is still on its way; what was queued is gone.
  void crash(std::string_view name);
  /// Nothing leaves from one to the other, for as long as it lasts; queued packets wait, as behind
  /// a retransmitting transport. What has left arrives. The other direction works.
  void cut(std::string_view from, std::string_view to);
  void heal(std::string_view from, std::string_view to);
  /// Added to the latency of what leaves from now on; zero ends it.
  void delay(std::string_view from, std::string_view to, Duration extra);
  /// The node's polls see each arrival this much late; zero ends it.
  void slow(std::string_view name, Duration lag);

  // --- the trace: one line for each call that leaves its node and for each arrival and landing

  /// Of every line so far, with the digests of payloads.
  std::uint64_t trace_hash() const;
  /// The text, if Options::keep_trace.
  std::string_view trace() const;

 private:
  std::unique_ptr<Wire> wire_;
};

}  // namespace squall::sim
