#pragma once
// The inside of a Network: the clock with its queue of events, the links between nodes, and the
// table of endpoints. Everything is kept in ordered containers or vectors, and events at one time
// happen in the order in which they were scheduled, so that a run depends on nothing but its seed
// and its calls.

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/base/time.h"
#include "providers/sim/options.h"
#include "providers/sim/packet.h"
#include "providers/sim/trace.h"

namespace squall::sim {

class Endpoint;

class Wire {
 public:
  explicit Wire(const Options& options);

  const Options& options() const { return options_; }
  Trace& trace() { return trace_; }

  // --- time
  Time now() const { return now_; }
  Time next_event() const { return agenda_.empty() ? never : agenda_.front().at; }
  void at(Time time, std::function<void()> action);
  bool step();
  /// Everything until then; and it is then.
  void run_until(Time time);

  // --- endpoints
  Host host_of(std::string_view name);
  /// The endpoint with this address, which may not be open yet.
  Slot slot_of(std::string_view address);
  /// The latest run of a node; nullptr if it is not running.
  Endpoint* running(Host host) const;
  Endpoint* running(std::string_view name) const;
  Endpoint* endpoint(Slot slot) const { return slots_[slot].endpoint; }
  std::string_view address(Slot slot) const { return slots_[slot].address; }
  /// A name's next run: its slot, to be filled with `opened`.
  Slot next_run(std::string_view name);
  void opened(Slot slot, Endpoint* endpoint);
  void closed(Slot slot);
  bool empty() const;

  // --- links
  void send(Packet packet);
  /// Takes back what an endpoint (or, with `peer`, one of its connections) has queued and not
  /// sent; returns the references of what is gone.
  std::vector<std::uint64_t> take_back(Slot from, std::optional<fabric::PeerId> peer);
  void set_cut(std::string_view from, std::string_view to, bool cut);
  void set_delay(std::string_view from, std::string_view to, Duration extra);

 private:
  struct Scheduled {
    Time at;
    std::uint64_t order;
    std::function<void()> action;
  };
  struct Later {
    bool operator()(const Scheduled& a, const Scheduled& b) const {
      return a.at != b.at ? a.at > b.at : a.order > b.order;
    }
  };
  struct SlotState {
    std::string address{};
    Host host = 0;
    Endpoint* endpoint = nullptr;
    bool was_open = false;
    std::vector<Packet> early{};  ///< arrived before it was opened
  };
  struct HostState {
    std::string name{};
    std::uint32_t runs = 0;
    Slot latest = 0;
  };
  struct Queued {
    Packet packet;
    std::uint64_t left_bytes;
  };
  /// One direction between two nodes: sends one packet (or slice) at a time, urgent ones first.
  struct Link {
    bool cut = false;
    bool busy = false;
    Duration extra{0};
    std::array<std::deque<Queued>, 2> queues;  ///< by lane
    std::optional<Queued> sending;
    /// By connection and lane: nothing arrives before what left before it.
    std::map<std::pair<Slot, fabric::PeerId>, std::array<Time, 2>> last_arrivals;
  };
  using LinkKey = std::pair<Host, Host>;

  void start_sending(LinkKey key);
  void slice_sent(LinkKey key, std::uint64_t bytes);
  void leave(Link& link, Packet packet);
  void arrive(Packet packet);

  Options options_;
  Random random_;
  Trace trace_;
  Time now_{};
  std::uint64_t next_order_ = 0;
  std::vector<Scheduled> agenda_;  ///< a heap, the earliest in front
  std::vector<SlotState> slots_;
  std::vector<HostState> hosts_;
  std::map<std::string, Slot, std::less<>> slot_by_address_;
  std::map<std::string, Host, std::less<>> host_by_name_;
  std::map<LinkKey, Link> links_;
};

}  // namespace squall::sim
