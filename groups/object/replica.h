#pragma once
// One replica of an object, whatever its class: executes the calls that the group's order brings,
// answers, and completes the calls of its own. Object<T> is what applications hold of it.
//
// Calls are begun on any thread; all else happens where the node turns. With an engine thread a
// mutex keeps local reads and executions apart; without one they are on one thread.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "groups/client/service.h"
#include "groups/node.h"
#include "groups/object/call.h"
#include "groups/object/call_handle.h"
#include "groups/object/read_rounds.h"
#include "groups/object/sessions.h"
#include "groups/object/update_codes.h"
#include "groups/object/wire.h"

namespace squall::objects {

/// What a method leaves: an encoded result, or an error; then no bytes count.
struct Outcome {
  std::vector<std::byte> bytes;  // of earlier outcomes, until the method has returned
  std::optional<Error> error;
  Effect effect = Effect::no;
};

/// One method of the class that this program knows.
struct MethodEntry {
  std::uint64_t id = 0;
  std::string name;
  bool update = false;
  /// Never throws: whatever the method does is in the outcome.
  void (*invoke)(void* object, Bytes arguments, Outcome& outcome) = nullptr;
};

struct ClassEntry {
  std::string name;
  std::uint32_t version = 0;
  std::vector<MethodEntry> methods;  // by id
};

/// Results up to this size share a record: of larger ones a header of their own is a small part.
inline constexpr std::size_t small_result = 256;

class Replica : public Attachment,
                public clients::Service,
                public std::enable_shared_from_this<Replica> {
 public:
  Replica(Node& node, Group& group, ClassEntry known);
  ~Replica() override;

  /// Once it is the group's: from here on calls are executed.
  void listen();

  // --- calls, from any thread

  struct Begun {
    Call* call = nullptr;  ///< held by the caller
    Reservation space;     ///< the arguments go here
  };
  /// A call through the group's order, with `bytes` of arguments. Waits for room as Group::send
  /// does. It ends with `commit` or `cancel`. The error's effect is `no`.
  CallResult<Begun> begin(CallHeader::Kind kind, std::uint64_t method, std::size_t bytes);
  void commit(const Begun& begun);
  void cancel(const Begun& begun);
  /// All in one for what is small: without a lock or an atomic operation, as long as `turns_here`.
  CallHandle send(CallHeader::Kind kind, std::uint64_t method, Bytes arguments);
  /// The node turns on the calling thread.
  bool turns_here() const { return pool_->at_home(); }

  /// A read that goes to others, or waits for them: where, and what is to be run there.
  struct AtMember {
    std::string_view name;
  };
  struct AtShard {
    std::size_t number = 0;
  };
  struct Latest {};  ///< here, once this replica has executed what anybody had when it was asked
  using Where = std::variant<AtMember, AtShard, Latest>;
  CallResult<Call*> ask(const Where& where, std::uint64_t method, Bytes arguments);
  /// Everybody answers how far it has executed, as far as this member knows. Else reads that want
  /// the latest go through the order.
  bool all_listen() const { return all_listen_.load(std::memory_order_acquire); }
  /// Shards of the group, now.
  std::size_t shards() const { return group_->membership().shards.size(); }

  /// Runs `read` when nothing is being executed. Local reads are possible, or why not.
  template <class Read>
  std::optional<CallError> read_here(Read read) {
    if (!ready_.load(std::memory_order_acquire)) [[unlikely]]
      return not_ready();
    if (!locks_ || closed_.load(std::memory_order_acquire) || node_->in_upcall()) {
      read();
      return std::nullopt;
    }
    const std::lock_guard lock(executing_);
    read();
    return std::nullopt;
  }
  bool ready() const { return ready_.load(std::memory_order_acquire); }
  /// To the clients of this member that have opened the object and listen. Any thread.
  Result<> notify(Bytes notice);
  /// Of the last update that was executed here; nullopt: none was.
  std::optional<std::uint64_t> version() const;

  Pool& pool() { return *pool_; }
  std::string_view group_name() const { return group_name_; }
  const ClassEntry& known() const { return known_; }

 protected:
  virtual void* object() = 0;
  virtual void save_object(std::vector<std::byte>& to) = 0;
  /// An error says what does not decode.
  virtual Result<> load_object(Bytes from) = 0;
  virtual void reset_object() = 0;

 private:
  /// Instead of an optional: that is packed into a word and taken apart by way of memory, with
  /// every read elsewhere.
  static constexpr Rank nobody = UINT32_MAX;

  // --- of the node
  bool turned() override;
  void closed(const Error& error) override;

  clients::Service* for_clients() override { return this; }

  // --- of the desk (replica_clients.cc)
  std::optional<clients::Away> client_opens(const clients::Opening& opening,
                                            clients::Answers& desk) override;
  std::uint64_t client_version() const override {
    return executed_.load(std::memory_order_relaxed);
  }
  Result<> client_session(clients::Tag tag, std::uint64_t secret) override;
  Result<> client_update(clients::Tag tag, const SessionHeader& session, std::uint64_t method,
                         Bytes arguments) override;
  Result<> client_refuses(clients::Tag tag, const SessionHeader& session,
                          const Error& why) override;
  void client_read(clients::Tag tag, std::uint64_t method, Bytes arguments) override;
  Result<> client_read_in_order(clients::Tag tag, std::uint64_t method, Bytes arguments) override;

  Result<> put_client_call(CallHeader::Kind kind, clients::Tag tag, std::uint64_t method,
                           Bytes first, Bytes second);
  std::optional<Error> client_misfit(std::uint64_t method, bool update);
  void answer_client_read(clients::Tag tag, Outcome& outcome);
  void answer_client_read(clients::Tag tag, const Call& call);
  void deliver_of_client(const Delivery& message, CallView call);
  void execute_for_client(const Delivery& message, const SessionHeader& session, CallView& call);
  void answer_client(clients::Tag tag, const Sessions::Judged& judged);

  void deliver(const Delivery& message);
  void deliver_other(const Delivery& message);
  void run(const CallView& call, Outcome& outcome);
  /// `most`: bytes of a result.
  void run(const CallView& call, Outcome& outcome, std::size_t most);
  void run_unfit(const CallView& call, Outcome& outcome);
  /// What it came to is in `outcome_`.
  void executed(const Delivery& message, std::uint64_t method, CallNumber number);
  void check_size(Outcome& outcome, std::uint64_t method, std::size_t most);
  void answer_own(Call& call, const Delivery& message, const Reply* reply);
  void reply_to(Rank to, CallNumber call, std::uint64_t version, const Outcome& outcome);
  void reply_otherwise(Rank to, RecordHeader header, const Outcome& outcome);

  void posted(Rank from, Bytes message);
  void take_reply(Rank from, const RecordView& record);
  void take_replies(Rank from, const RecordView& record);
  void replied(Call& call);
  void answer_read(Rank from, const RecordView& record);
  void take_round(Rank posted_from, const RecordView& record);
  void take_interface(Rank from, const RecordView& record);

  void enter(const Membership& now);
  /// `nobody` in the group's view.
  Rank rank_told(Rank posted_from) const;
  void lose_replies(Call& call, bool of_all);
  CallResult<Call*> ask(Call& call, const Where& where, std::uint64_t method, Bytes arguments);
  Result<> place(Call& call, const Where& where);
  void put_questions();
  /// To whom it is put; `nobody` if it does not leave with the next flush.
  Rank put(Call& call);
  Rank put_question(Call& call);
  bool ask_next(Call& call, const RecordView& reply);
  /// `most`: bytes of a result.
  void run_read(std::uint64_t method, Bytes body, std::size_t most, Outcome& outcome);
  void answer_here(Call& call);
  bool turn_rounds();
  bool begin_round(const std::shared_ptr<const View>& now);
  void announce(Rank to, RecordHeader::Kind kind);
  void compare_interfaces();
  std::optional<CallError> misfit(std::uint64_t method);

  static const Reply* add_reply(Call& call, NodeId member, const Outcome& outcome);
  void finish(Call& call, std::uint32_t stages);
  template <class Finish>
  void complete(Call& call, Finish finish);
  void fail_call(Call& call, Error error, Effect effect);
  bool flush();
  bool flush(Rank to);
  Rank rank_of_other(NodeId member) const;

  StateSource save();
  Result<> load(Bytes piece, bool last);
  void break_down(Error why);
  std::optional<CallError> not_ready() const;
  CallResult<Call*> take_call();
  bool wait_for_room();
  CallError closed_error() const;
  [[gnu::noinline]] std::optional<CallError> send_when_there_is_room(Bytes head, Bytes arguments);
  CallError no_room(Error why) const;
  CallHeader header_of(CallHeader::Kind kind, std::uint64_t method, CallNumber call) const {
    return {kind, call, known_.version, method};
  }
  const MethodEntry* find_method(std::uint64_t id);

  std::atomic<bool> closed_{false};
  Node* node_;    // valid until closed
  Group* group_;  // as the node
  const std::string group_name_;
  const ClassEntry known_;
  const bool locks_;
  const NodeId self_id_;
  const UpdateCodes codes_;
  Pool* pool_;  // outlives this as long as calls are held

  // Where the node turns. The view is the one that the group was told last; for who is arriving the
  // node's may be later.
  std::shared_ptr<const Roster> roster_;
  std::optional<std::size_t> shard_;
  Rank self_ = 0;
  std::vector<std::vector<Rank>> shards_;
  ReadRounds rounds_;
  std::map<NodeId, RecordHeader> so_far_;  // answers that wait for room, one for each who asked
  bool loaded_ = false;                    // a state, since the group was told of a view
  Outcome outcome_, asked_for_;            // of the call that is executed; of a read for another
  std::size_t most_post_bytes_ = 0;
  std::vector<RecordBox> outbox_;  // by rank, for as long as it is here
  bool out_ = false;               // there is something in it
  // What calls that need no second look begin with, but for their number; null: there is none such
  // now.
  std::uint64_t usual_ = 0;
  const MethodEntry* usual_method_ = nullptr;
  const MethodEntry* found_ = nullptr;  // by the last look for a method; several of one in a row
  std::vector<std::byte> loading_;
  std::uint64_t malformed_ = 0;
  Sessions sessions_;                 // of clients: a part of the state
  clients::Answers* desk_ = nullptr;  // once a client has opened this; as the node

  std::mutex executing_;
  std::atomic<bool> ready_{false};
  std::atomic<std::uint64_t> executed_{0};  // one more than the version
  std::atomic<bool> broken_{false};

  // Requests of other threads, and what they may know.
  std::atomic<bool> fits_{false};  // every member has said what it has, and it is what we have
  std::atomic<bool> all_listen_{false};
  std::atomic<bool> asked_{false};
  mutable std::mutex mutex_;
  std::vector<std::uint64_t> questions_;  // numbers of calls
  std::map<NodeId, Interface> interfaces_;
  std::optional<Error> broken_why_, closed_why_;
  std::vector<Member> others_;  // in this member's shard
  std::vector<Member> peers_;   // in any shard
};

// --- the hot part of what completes calls

/// Completes one that is in flight, when the node turns no more: then other threads do so, too.
template <class Finish>
void Replica::complete(Call& call, Finish finish) {
  call.hold();
  if (call.in_flight_.exchange(false, std::memory_order_seq_cst)) finish();
  call.release();
}

[[gnu::always_inline]] inline void Replica::finish(Call& call, std::uint32_t stages) {
  if ((stages & Call::all) == 0) return call.reach(stages);
  if (closed_.load(std::memory_order_relaxed)) [[unlikely]]
    return complete(call, [&] { call.reach(stages); });
  call.reach(stages);
  // Once it is not in flight, whoever holds it elsewhere may give it back.
  const bool dropped = call.holders_.load(std::memory_order_relaxed) == 0;
  call.in_flight_.store(false, std::memory_order_release);
  if (dropped) [[unlikely]]
    call.recycle();
}

inline void Replica::answer_own(Call& call, const Delivery& message, const Reply* reply) {
  if (reply == nullptr) [[unlikely]]
    return;
  call.version_ = message.position;
  call.own_ = reply;
  if (call.roster_ != roster_) [[unlikely]]
    call.roster_ = roster_;
  call.awaited_ = call.single_ ? 1 : static_cast<std::uint16_t>(roster_->members.size());
  finish(call, call.arrived_ >= call.awaited_ ? Call::first | Call::own | Call::all
                                              : Call::first | Call::own);
}

/// One more to an update.
inline void Replica::replied(Call& call) {
  finish(call, call.reached(Call::own) && call.arrived_ >= call.awaited_ ? Call::first | Call::all
                                                                         : Call::first);
}

}  // namespace squall::objects
