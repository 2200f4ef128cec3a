#pragma once
// What the members of a test have in common: where they listen, what they send, and what they
// write down of it.

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/sanitized.h"
#include "groups/node.h"
#include "test/checker/trace.h"
#include "test/groups/process.h"

namespace squall::group_tests {

/// What SQUALL_TEST_FABRIC in the environment says; shm without.
std::string fabric_under_test();
inline const std::string fabric_name = fabric_under_test();

/// Whether software emulates this machine (SQUALL_TEST_EMULATED in the environment says so). A
/// process may be held up for seconds there, so that silence says less, and takes longer to.
bool emulated();

/// A listening socket on a free port of 127.0.0.1, so that no test depends on a fixed one.
struct Listener {
  int fd = -1;
  int keeper = -1;  ///< while it is open nobody else gets the port, and calls are refused
  std::string address;
};
Listener listen_somewhere();

/// The configurations of members a, b, c..., with a group "test" each; their sockets listen until
/// the end of this object, and nobody else gets their ports. Make it, change what should differ,
/// then fork members from it.
struct Seats {
  Seats(std::size_t members, const std::string& fabric);
  ~Seats();
  Seats(const Seats&) = delete;
  Seats& operator=(const Seats&) = delete;

  template <class Change>
  void each(Change change) {
    for (Config& config : configs) change(config);
  }
  /// In a member: only its own socket stays open, so that nobody calls one that is gone.
  void take(std::size_t seat);
  /// In the test, once all members are forked: it holds no socket of theirs.
  void close_all();

  std::vector<Config> configs;
  std::vector<std::string> addresses;  ///< of their rendezvous, by seat

 private:
  std::vector<int> keepers_;
};

/// A member as a process: `play` runs with the seat's configuration.
using Play = std::function<void(Line&, const Config&)>;
std::vector<std::unique_ptr<Process>> start_members(Seats& seats, const Play& play);

/// A started node; throws what Node::start says.
std::unique_ptr<Node> started(const Config& config);

/// Bytes that only this message has; the same wherever they are computed.
void fill_payload(Rank sender, MessageNumber number, MutableBytes bytes);
std::vector<std::byte> payload(Rank sender, MessageNumber number, std::size_t bytes);

/// What a seat sends that sends steadily.
std::vector<std::byte> streamed(Rank seat, MessageNumber number);

/// And one that fills its ring.
std::vector<std::byte> flooded(Rank seat, MessageNumber number);

/// And one of whom every fourth message is a large object, in rings of `mixed_ring_bytes`.
std::vector<std::byte> mixed(Rank seat, MessageNumber number);
inline constexpr std::size_t mixed_ring_bytes = std::size_t{64} << 10;

/// Writes down what one member does, for the checker. Deliveries may come from another thread.
class Recorder {
 public:
  /// Beside recording it, for every delivery.
  using Upcall = std::function<void(const Delivery&)>;
  using ViewUpcall = std::function<void(const ViewChange&)>;
  /// Records from here on all that `group` delivers.
  Recorder(Node& node, Group& group, Upcall also = {}, ViewUpcall also_view = {});

  void also(Upcall upcall) { also_ = std::move(upcall); }
  void also_view(ViewUpcall upcall) { also_view_ = std::move(upcall); }

  void sending(Bytes message);
  std::size_t delivered() const;
  MessageNumber sent() const { return sent_; }
  std::string trace() const;

 private:
  void add(checker::Event event);
  void install(const View& view);

  ViewId view_{};
  std::vector<checker::Process> members_;  // of that view, by rank
  checker::Process self_;
  MessageNumber sent_ = 0;
  Upcall also_;
  ViewUpcall also_view_;
  mutable std::mutex mutex_;
  std::vector<checker::Event> events_;
  std::size_t delivered_ = 0;
};

/// In the test: what these traces say, and what is known of members of these seats that were killed
/// and took theirs along: they sent what `streamed` gives.
std::vector<checker::Event> events_of(const std::vector<std::string>& traces,
                                      const std::vector<Rank>& killed);

/// Who was not there until the end, for check_traces.
struct Ends {
  std::vector<Rank> dead = {};            ///< seats without a trace; they sent what `message` gives
  std::optional<std::size_t> left = {};   ///< the trace of who left
  std::vector<std::size_t> stopped = {};  ///< the traces of nodes that stopped with an error
  std::vector<std::byte> (*message)(Rank seat, MessageNumber number) = streamed;
};

/// In the test: the traces of all members hold what a stack promises, and all is quiet: whoever was
/// there to the end has delivered all that those sent, and the same of the others.
void check_traces(const std::vector<std::string>& traces, std::string_view stack,
                  const Ends& ends = {});

}  // namespace squall::group_tests
