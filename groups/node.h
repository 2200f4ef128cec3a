#pragma once
// The library's front door: a Node is this process's membership, a Group is one stream of
// messages with its own guarantees.
//
// Threads. With `engine_thread` the node turns on a thread of its own; otherwise the application
// turns it with `poll` and `idle`, from one thread at a time. `try_send`, `reserve` and `commit`
// may be called from any thread, also from inside upcalls. Upcalls run where the node turns, or
// on Config::executor, with no lock held. Sending is cheapest on the thread that turns the node; to
// move a polled node to another thread, make sure that the first one is not sending at that moment.

#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/base/view.h"
#include "core/engine/state.h"
#include "core/membership/timing.h"
#include "core/mirror/buffer.h"
#include "core/multicast/delivery.h"
#include "groups/config.h"

namespace squall {

template <class T>
class Object;

namespace clients {
class Service;
}

/// One delivered message: sender, number, position, bytes.
using Delivery = multicast::Delivery;

/// How a group's state passes to those who join: see core/engine/state.h. A joiner gets the state
/// of one moment (before the first message of its first view), then every message since. While it
/// does, its messages wait at its own node; once those are more than 16 MiB, the others' rings push
/// back.
using StateSource = engine::StateSource;
using StateHooks = engine::StateHooks;

/// How patient members are with each other.
using Timing = membership::Timing;

/// Memory for one large object, of the group that gave it: fill it, then send it. See
/// Group::buffer.
using Buffer = mirror::Buffer;

/// Space inside the ring, to be filled and then given to `Group::commit` exactly once.
struct Reservation {
  MutableBytes bytes;
  std::uint64_t handle = 0;
};

/// A member that others wait for in a group, as this node knows it. Whoever is asked under load
/// names members that are a moment behind; who stays named, and ever further behind, holds it back.
struct Laggard {
  Rank rank = 0;  ///< in the group's current view
  std::string name;
  /// The stack waits until it holds these rounds, of all senders together. This node has them.
  std::uint64_t missing_rounds = 0;
  /// Its application has not taken what another's has: bytes of the ring where it is most. Once
  /// that is the whole ring, its sender waits.
  std::uint64_t unconsumed_bytes = 0;

  /// "b: 12 rounds missing, 4096 bytes unconsumed"
  std::string text() const;
};

/// On whom a group is, in one view. Ranks are those of the view.
struct Membership {
  std::shared_ptr<const View> view;
  /// By shard; a group without shards has one.
  std::vector<std::vector<Rank>> shards;
  std::optional<std::size_t> shard;  ///< this member's; nullopt: it is not in the group, for now
  /// What keeps the group, or a part of it, from being there: "2 shards of 2 need 4 members, and
  /// there are 3". Empty: nothing.
  std::string missing;

  /// Those in this member's shard, in its order; nobody if it is in none.
  std::vector<Rank> members() const { return shard ? shards[*shard] : std::vector<Rank>(); }
};

/// Who is in no shard of a group is told of its membership, and neither sends nor is delivered
/// anything there. Who comes into one later gets its state, as a joiner does, while its other
/// groups go on.
class Group {
 public:
  virtual ~Group() = default;

  virtual std::string_view name() const = 0;
  /// As it was last told, from any thread.
  virtual Membership membership() const = 0;
  /// As the node's view has it, which the group may still be to be told of, after deliveries. Where
  /// the node turns.
  virtual Membership latest_membership() const = 0;
  /// Called for every view after the first, in the order of this group's deliveries. Their senders
  /// are ranks of the view that was told last. Where the node turns.
  virtual void on_membership(std::function<void(const Membership&)> handler) = 0;
  /// Of the node. Inside an upcall: the view in which the message is delivered.
  virtual std::shared_ptr<const View> view() const = 0;
  virtual Rank rank() const = 0;
  /// The largest message that goes through the ring: a quarter of it, less the frame header. Longer
  /// ones travel as large objects.
  virtual std::size_t max_message_bytes() const = 0;
  /// The largest of those: the group's large_memory.
  virtual std::size_t max_object_bytes() const = 0;

  /// A span in the ring for a message of exactly `bytes`. Code::would_block when the ring is full,
  /// Code::too_large over max_message_bytes, Code::closed once the node has stopped,
  /// Code::invalid if this member is no sender of the group, Code::unavailable while it is in no
  /// shard of it.
  virtual Result<Reservation> reserve(std::size_t bytes) = 0;
  /// Publishes it with the next turn. A reservation that is neither committed nor cancelled
  /// holds up every later one.
  virtual void commit(const Reservation& reservation) = 0;
  /// Gives it up instead: nothing is sent.
  virtual void cancel(const Reservation& reservation) = 0;
  /// reserve, copy, commit; or try_buffer, copy, try_send, if it is too long for the ring.
  virtual Result<> try_send(Bytes message) = 0;
  /// The same of one message in two pieces.
  Result<> try_send_parts(Bytes head, Bytes tail);
  /// The same of a word and what is behind it, put together in the ring: as quickly as can be.
  /// False: not here, or not now; ask try_send_parts.
  virtual bool try_send_word(std::uint64_t /*head*/, Bytes /*tail*/) { return false; }
  /// try_send that waits for room: turns the node in poll-driven mode. Inside an upcall it does not
  /// wait and returns Code::would_block.
  virtual Result<> send(Bytes message) = 0;

  // --- large objects: messages of any length. They are delivered as others are, in their sender's
  // order too; but nobody else's messages wait for one, and its bytes are copied nowhere that they
  // need not be. Where members map each other's memory, all read it where its sender has put it.

  /// Memory for an object of `bytes`; what was there before is there still. It can be filled on any
  /// thread, and in any time. Code::would_block while as much as large_memory is filled, on its
  /// way, or not yet consumed by all; Code::too_large over max_object_bytes; else as `reserve`.
  virtual Result<Buffer> try_buffer(std::size_t bytes) = 0;
  /// The same, waiting for room as `send` does.
  virtual Result<Buffer> buffer(std::size_t bytes) = 0;
  /// Sends what a buffer of this group holds, and takes it; after an error it is the caller's
  /// still.
  virtual Result<> try_send(Buffer& object) = 0;
  virtual Result<> send(Buffer object) = 0;

  /// At every member, if joiners are to get a state; set it before `on_deliver`. Its functions are
  /// called where the node turns.
  virtual void on_state(StateHooks hooks) = 0;
  /// Called for every delivered message. Until it is set nothing is delivered in this group, and
  /// its rings push back. Replaces the previous one; call it where the node turns, or before.
  virtual void on_deliver(std::function<void(const Delivery&)> handler) = 0;

  // --- to one member, beside the order

  /// Sends to one member of the view what it gets by `on_post`: in order and whole, as long as both
  /// stay in the view; with a connection that breaks, what was on its way is lost. There is no
  /// order between it and deliveries. Call it where the node turns (see Node::execute).
  /// Code::would_block when there is no room now, Code::too_large over max_post_bytes,
  /// Code::invalid for oneself and for ranks that the view does not have.
  virtual Result<> post(Rank to, Bytes message) = 0;
  virtual std::size_t max_post_bytes() const = 0;
  /// `from` is a rank of the node's view as it is told; the bytes are valid during the upcall.
  virtual void on_post(std::function<void(Rank from, Bytes)> handler) = 0;

  /// Who holds back stability, and who holds back ring space (this member too, if its own
  /// application is slow): the furthest behind first, nobody if all have everything. Computed when
  /// asked, and never waits for a peer. Call it where the node turns; with an engine thread from
  /// anywhere, it then waits for the thread's next turn.
  virtual std::vector<Laggard> laggards() const = 0;
};

/// Members came or went.
struct ViewChange {
  std::shared_ptr<const View> view;
  /// Who is in it no more, with the evidence that this member has: "b: link lost: ...".
  std::vector<std::string> gone;
  /// Who has joined, by name; they have the last ranks of the view.
  std::vector<std::string> came = {};
};

class Node;

/// See Node::next_view.
class NextView {
 public:
  explicit NextView(Node& node) : node_(node) {}

  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiting);
  Result<ViewChange> await_resume() { return *std::move(change_); }

 private:
  Node& node_;
  std::optional<Result<ViewChange>> change_;
};

/// What is built upon a group and takes its place: a replicated object. Called where the node
/// turns.
class Attachment {
 public:
  virtual ~Attachment() = default;
  /// After every turn. True if there was anything to do.
  virtual bool turned() = 0;
  /// The node has stopped, finished or left, or is about to be destroyed (then from its
  /// destructor): nothing is sent and nothing comes any more. Perhaps more than once.
  virtual void closed(const Error& error) = 0;
  /// What it does for clients that are no members (groups/client/service.h); nullptr: nothing.
  virtual clients::Service* for_clients() { return nullptr; }
};

class Node {
 public:
  /// Opens the fabric, meets the other members (at most `start_timeout`) and builds the groups.
  /// The error says what is wrong, or who is missing.
  static Result<std::unique_ptr<Node>> start(const Config& config);
  virtual ~Node() = default;

  /// nullptr if the configuration names no such group.
  virtual Group* group(std::string_view name) = 0;
  /// The group's replica of an object of class T: include groups/object/object.h. From here on the
  /// group is the object's, and all its members make the same of it, once each. If it cannot be had
  /// (no such group, it is taken, its stack has no total and stable order), the object is false and
  /// its `error` says why. Call it where the node turns; with an engine thread from anywhere.
  template <class T>
  Object<T> object(std::string_view group);
  /// Gives a group to what is built upon it, which the node holds from then on. Code::invalid if
  /// there is no such group, or it is taken; Code::refused if its stack is not total and stable.
  virtual Result<> attach(std::string_view group, std::shared_ptr<Attachment> attachment) = 0;
  /// The current view: a snapshot, from any thread. Ranks are positions in it.
  virtual std::shared_ptr<const View> view() const = 0;
  /// The same where the node turns, without a lock: valid until it turns again.
  virtual const std::shared_ptr<const View>& view_here() const = 0;
  /// This member's, in the current view.
  virtual Rank rank() const = 0;
  /// The application has everything: this member did not join, or all states are loaded and all
  /// that came meanwhile is delivered. Where the node turns.
  virtual bool arrived() const = 0;
  /// Called for every view after the first, where the node turns, in one order with the deliveries:
  /// between the last message of the old view and the first of the new.
  virtual void on_view(std::function<void(const ViewChange&)> handler) = 0;
  /// `auto change = co_await node->next_view();`: the first view that comes from here on, in the
  /// place of its on_view, or why none does. The coroutine goes on where the node turns, also with
  /// an executor.
  NextView next_view();
  /// The same by a function, called once.
  virtual void next_view(std::function<void(Result<ViewChange>)> next) = 0;
  /// The provider in use ("shm", "tcp", ...), after `auto` has chosen: "auto" if each pair of
  /// members takes its own, a name with plus signs if that was configured.
  virtual std::string_view fabric() const = 0;
  /// What `failure_timeout` has come to: heartbeats, silence until a member is suspected, how long
  /// without a majority until this node stops. The same at every member.
  virtual const Timing& timing() const = 0;
  /// The clock by which its deadlines are; in simulation it is virtual.
  virtual Time now() const { return Monotonic::now(); }

  /// A thread of its own turns it.
  virtual bool threaded() const = 0;
  /// The caller is the thread that turned it last.
  virtual bool turning_here() const = 0;
  /// The caller was called by a turn: it cannot wait for one.
  virtual bool in_upcall() const = 0;

  // --- poll-driven mode

  /// One turn: receives, publishes, delivers. True if there was anything to do.
  virtual bool poll() = 0;
  /// Call it when poll() found nothing: spins, then yields, then sleeps until something happens or
  /// `until`; picks up where it was at the next call, and starts over after a poll that worked.
  virtual void idle(Time until) = 0;
  /// For a loop of the embedder's: readable when a poll is due (something came, or a heartbeat has
  /// to go out), after `arm` returned true. -1 on fabrics that cannot wait (ofi:*), or where the
  /// host is out of descriptors: poll there, at least ten times in a failure_timeout. -1 where the
  /// engine has a thread of its own.
  virtual int fd() const = 0;
  /// Announces that the caller will sleep on fd(); false: there is work, poll again instead.
  virtual bool arm() = 0;
  /// From any thread: ends a sleep in `idle` or on `fd()`.
  virtual void wake() = 0;
  /// From any thread: has `work` done where the node turns, with the next turn at the latest; at
  /// once if this is where, and not inside an upcall.
  virtual void execute(std::function<void()> work) = 0;

  /// Why the node stopped (it lost the majority, the others have gone on without it), if it did.
  /// Everything that was deliverable has been delivered by then.
  virtual std::optional<Error> stopped() const = 0;
  /// Called once, after the last delivery.
  virtual void on_stopped(std::function<void(const Error&)> handler) = 0;

  /// Ends the group together with everyone: waits (turning the node) until every member has
  /// delivered what this one sent, at most until `deadline`; then every other member may stop too.
  /// No sends afterwards.
  virtual Result<> shutdown(Time deadline) = 0;
  /// Leaves alone: waits (turning the node) until all that this member sent is delivered everywhere
  /// and the others go on in a view without it. No sends afterwards; what they send is delivered
  /// until then. Code::timeout at `deadline`: it may still leave, if the node is turned.
  virtual Result<> leave(Time deadline) = 0;
};

inline NextView Node::next_view() {
  return NextView(*this);
}

inline void NextView::await_suspend(std::coroutine_handle<> waiting) {
  node_.next_view([this, waiting](Result<ViewChange> change) {
    change_.emplace(std::move(change));
    waiting.resume();
  });
}

}  // namespace squall
