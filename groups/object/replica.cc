#include "groups/object/replica.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <future>

#include "core/base/log.h"

namespace squall::objects {
namespace {

// Before the state, for who would load what this is not.
constexpr std::uint32_t state_magic = 0x52424f53;

UpdateCodes codes_of(const ClassEntry& known) {
  std::vector<std::uint64_t> updates;
  for (const MethodEntry& method : known.methods)
    if (method.update) updates.push_back(method.id);
  return {updates, known.version};
}

tl::unexpected<CallError> refused(Error error) {
  return tl::unexpected(with_effect(std::move(error), Effect::no));
}

}  // namespace

Replica::Replica(Node& node, Group& group, ClassEntry known)
    : node_(&node),
      group_(&group),
      group_name_(group.name()),
      known_(std::move(known)),
      locks_(node.threaded()),
      self_id_(node.view()->members[node.rank()].id),
      codes_(codes_of(known_)),
      pool_(new Pool(node)) {}

Replica::~Replica() {
  pool_->abandon();
}

void Replica::listen() {
  group_->on_state(
      {[this] { return save(); }, [this](Bytes piece, bool last) { return load(piece, last); }});
  group_->on_post([this](Rank from, Bytes message) { posted(from, message); });
  group_->on_membership([this](const Membership& now) { enter(now); });
  const auto begin = [this] {
    enter(group_->membership());
    static_cast<void>(turned());
  };
  if (node_->threaded() && !node_->turning_here()) {
    std::promise<void> begun;
    node_->execute([&] {
      begin();
      begun.set_value();
    });
    begun.get_future().wait();
  } else {
    node_->execute(begin);
  }
  group_->on_deliver([this](const Delivery& message) { deliver(message); });
}

// --- calls of this member

CallError Replica::closed_error() const {
  const std::lock_guard lock(mutex_);
  return with_effect(closed_why_.value_or(Error{Code::closed, "the node is gone", ""}), Effect::no);
}

bool Replica::wait_for_room() {
  if (closed_.load(std::memory_order_acquire) || node_->in_upcall()) return false;
  if (node_->threaded()) {
    if (node_->turning_here()) return false;
    sched_yield();
  } else if (!node_->poll()) {
    node_->idle(node_->now() + std::chrono::milliseconds(1));
  }
  return true;
}

CallResult<Call*> Replica::take_call() {
  while (true) {
    if (closed_.load(std::memory_order_acquire)) [[unlikely]]
      return tl::unexpected(closed_error());
    if (Call* call = pool_->take()) [[likely]]
      return call;
    if (!wait_for_room())
      return refused({Code::would_block, "too many calls are in flight, or held",
                      "let the node turn, and let go of futures"});
  }
}

CallResult<Replica::Begun> Replica::begin(CallHeader::Kind kind, std::uint64_t method,
                                          std::size_t bytes) {
  if (!fits_.load(std::memory_order_acquire)) [[unlikely]]
    if (auto error = misfit(method)) return tl::unexpected(std::move(*error));
  auto taken = take_call();
  if (!taken) return tl::unexpected(std::move(taken.error()));
  Begun begun{*taken, {}};
  while (true) {
    auto space = group_->reserve(sizeof(CallHead) + bytes);
    if (space) [[likely]] {
      begun.space = *space;
      break;
    }
    if (space.error().code == Code::would_block && wait_for_room()) continue;
    begun.call->release();
    return tl::unexpected(no_room(std::move(space.error())));
  }
  const CallHead head = encode_call(header_of(kind, method, begun.call->id()));
  std::memcpy(begun.space.bytes.data(), head.data(), sizeof head);
  begun.call->single_ = kind == CallHeader::Kind::read;
  return begun;
}

CallHandle Replica::send(CallHeader::Kind kind, std::uint64_t method, Bytes arguments) {
  if (!fits_.load(std::memory_order_acquire)) [[unlikely]]
    if (auto error = misfit(method)) return CallHandle(std::move(*error));
  Call* call = closed_.load(std::memory_order_acquire) ? nullptr : pool_->take();
  if (call == nullptr) [[unlikely]] {
    auto taken = take_call();
    if (!taken) return CallHandle(std::move(taken.error()));
    call = *taken;
  }
  const bool small = kind == CallHeader::Kind::update && codes_.distinct();
  const CallHead words =
      small ? CallHead{call_word(CallHeader::Kind::small_update, call->id(), codes_.of(method))}
            : encode_call(header_of(kind, method, call->id()));
  if (!small || !group_->try_send_word(words[0], arguments)) [[unlikely]] {
    const Bytes head = std::as_bytes(std::span(words).first(small ? 1 : words.size()));
    if (auto error = send_when_there_is_room(head, arguments)) {
      call->release();
      return CallHandle(std::move(*error));
    }
  }
  // Nobody knows of it before the next turn.
  call->single_ = kind == CallHeader::Kind::read;
  call->in_flight_.store(true, std::memory_order_relaxed);
  return CallHandle(call);
}

std::optional<CallError> Replica::send_when_there_is_room(Bytes head, Bytes arguments) {
  while (true) {
    auto sent = group_->try_send_parts(head, arguments);
    if (sent) return std::nullopt;
    if (sent.error().code != Code::would_block || !wait_for_room())
      return no_room(std::move(sent.error()));
  }
}

CallError Replica::no_room(Error why) const {
  if (why.code == Code::would_block && why.what.empty())
    why.what = fmt::format("no room in the ring of group {} now", group_name_);
  return with_effect(std::move(why), Effect::no);
}

void Replica::commit(const Begun& begun) {
  Call& call = *begun.call;
  // Either `closed` sees it in flight, or it is seen here that nobody will complete it.
  call.in_flight_.store(true, std::memory_order_seq_cst);
  group_->commit(begun.space);
  if (closed_.load(std::memory_order_seq_cst)) [[unlikely]]
    fail_call(call, closed_error(), Effect::unknown);
}

void Replica::cancel(const Begun& begun) {
  group_->cancel(begun.space);
  begun.call->release();
}

// --- in the group's order

const MethodEntry* Replica::find_method(std::uint64_t id) {
  if (found_ != nullptr && found_->id == id) return found_;
  const auto& methods = known_.methods;
  const auto found = std::ranges::lower_bound(methods, id, {}, &MethodEntry::id);
  if (found == methods.end() || found->id != id) return nullptr;
  return found_ = &*found;
}

/// Hot. The usual call is one more of the update that was executed last.
void Replica::deliver(const Delivery& message) {
  std::uint64_t word = 0;
  if (message.bytes.size() < sizeof word || usual_method_ == nullptr) [[unlikely]]
    return deliver_other(message);
  std::memcpy(&word, message.bytes.data(), sizeof word);
  if ((word & ~call_number_mask) != usual_) [[unlikely]]
    return deliver_other(message);
  const CallNumber number = number_in(word);
  outcome_.error.reset();
  outcome_.effect = Effect::no;
  usual_method_->invoke(object(), message.bytes.subspan(sizeof word), outcome_);
  if (outcome_.error || outcome_.bytes.size() > small_result) [[unlikely]]
    return executed(message, usual_method_->id, number);
  executed_.store(message.position + 1, std::memory_order_release);
  if (message.sender != self_) return reply_to(message.sender, number, message.position, outcome_);
  if (Call* const call = pool_->find(number)) [[likely]]
    answer_own(*call, message, call->add_reply(self_id_, false, Effect::yes, outcome_.bytes));
}

void Replica::deliver_other(const Delivery& message) {
  auto call = parse_call(message.bytes);
  if (!call) [[unlikely]] {
    if (malformed_++ == 0)
      log(Level::warning, "group {} carries what is no call of an object: {} bytes from {}",
          group_name_, message.bytes.size(), roster_->view->members[message.sender].name);
    return;
  }
  if (call->header.kind >= CallHeader::Kind::client_update)
    return deliver_of_client(message, *call);
  if (call->header.kind == CallHeader::Kind::read) {
    if (message.sender != self_) return;
    run(*call, outcome_);
    if (Call* const own = pool_->find(call->header.call))
      answer_own(*own, message, add_reply(*own, self_id_, outcome_));
    return;
  }
  CallHeader& header = call->header;
  if (header.kind == CallHeader::Kind::small_update) {
    const auto code = static_cast<std::uint32_t>(header.method);
    header.kind = CallHeader::Kind::update;
    header.version = known_.version;
    header.method = codes_.update_of(code).value_or(code);
  }
  run(*call, outcome_);
  executed(message, header.method, header.call);
}

void Replica::executed(const Delivery& message, std::uint64_t method, CallNumber number) {
  check_size(outcome_, method, most_post_bytes_ - sizeof(RecordHeader));
  executed_.store(message.position + 1, std::memory_order_release);
  if (message.sender != self_)
    reply_to(message.sender, number, message.position, outcome_);
  else if (Call* const call = pool_->find(number))
    answer_own(*call, message, add_reply(*call, self_id_, outcome_));
}

void Replica::run(const CallView& call, Outcome& outcome) {
  run(call, outcome, most_post_bytes_ - sizeof(RecordHeader));
}

void Replica::run(const CallView& call, Outcome& outcome, std::size_t most) {
  outcome.error.reset();
  outcome.effect = Effect::no;
  const MethodEntry* const method = find_method(call.header.method);
  if (method == nullptr || call.header.version != known_.version ||
      method->update != (call.header.kind == CallHeader::Kind::update) ||
      broken_.load(std::memory_order_relaxed)) [[unlikely]]
    return run_unfit(call, outcome);
  if (locks_) {
    const std::lock_guard lock(executing_);
    method->invoke(object(), call.arguments, outcome);
  } else {
    method->invoke(object(), call.arguments, outcome);
    if (method->update) {
      usual_ = call_word(CallHeader::Kind::small_update, 0, codes_.of(method->id));
      usual_method_ = method;
    }
  }
  check_size(outcome, call.header.method, most);
}

void Replica::check_size(Outcome& outcome, std::uint64_t method, std::size_t most) {
  if (outcome.error || outcome.bytes.size() <= most) [[likely]]
    return;
  outcome.error =
      Error{Code::too_large,
            fmt::format("{} of {} returned {} bytes; a reply takes at most {}",
                        find_method(method)->name, known_.name, outcome.bytes.size(), most),
            "return less, or in pieces"};
  outcome.bytes.clear();
}

/// What cannot be run here, and perhaps is elsewhere: then this replica is none any more.
void Replica::run_unfit(const CallView& call, Outcome& outcome) {
  outcome.bytes.clear();
  if (broken_.load(std::memory_order_relaxed)) {
    const std::lock_guard lock(mutex_);
    outcome.error = *broken_why_;
    return;
  }
  const MethodEntry* const method = find_method(call.header.method);
  const std::string& here = roster_->view->members[self_].name;
  if (call.header.version != known_.version)
    outcome.error = Error{Code::refused,
                          fmt::format("{} has version {} of {}, and the caller version {}", here,
                                      known_.version, known_.name, call.header.version),
                          "run one version of the object at all members"};
  else if (method == nullptr)
    outcome.error = Error{
        Code::refused,
        fmt::format("{} has no method {:016x} in its version {} of {}, which the caller has", here,
                    call.header.method, known_.version, known_.name),
        "run one version of the object at all members, or list its methods (squall::Methods)"};
  else
    outcome.error = Error{Code::invalid,
                          fmt::format("{} of {} is called as an update and a read at once",
                                      method->name, known_.name),
                          ""};
  if (call.header.kind == CallHeader::Kind::update &&
      (method == nullptr || call.header.version != known_.version))
    break_down(*outcome.error);
}

const Reply* Replica::add_reply(Call& call, NodeId member, const Outcome& outcome) {
  if (!outcome.error) [[likely]]
    return call.add_reply(member, false, outcome.effect, outcome.bytes);
  std::vector<std::byte> text;
  encode_error(text, *outcome.error);
  return call.add_reply(member, true, outcome.effect, text);
}

void Replica::fail_call(Call& call, Error error, Effect effect) {
  complete(call, [&] {
    call.rest().failure = std::make_unique<CallError>(with_effect(std::move(error), effect));
    call.reach(Call::first | Call::own | Call::all | Call::failed);
  });
}

// --- state

std::optional<std::uint64_t> Replica::version() const {
  const std::uint64_t executed = executed_.load(std::memory_order_acquire);
  return executed == 0 ? std::nullopt : std::optional(executed - 1);
}

StateSource Replica::save() {
  if (broken_.load(std::memory_order_relaxed))
    return [this](MutableBytes) -> Result<std::size_t> {
      const std::lock_guard lock(mutex_);
      return tl::unexpected(*broken_why_);
    };
  auto all = std::make_shared<std::vector<std::byte>>();
  Writer head;
  head.put(state_magic).put(known_.version).put(executed_.load(std::memory_order_relaxed));
  head.put(Bytes(sessions_.save()));
  all->assign(head.bytes().begin(), head.bytes().end());
  try {
    save_object(*all);
  } catch (const std::exception& error) {
    return [what = std::string(error.what())](MutableBytes) -> Result<std::size_t> {
      return fail(Code::invalid, "the object's serialize threw: " + what);
    };
  }
  return [all, at = std::size_t{0}](MutableBytes to) mutable -> Result<std::size_t> {
    const std::size_t count = std::min(to.size(), all->size() - at);
    std::memcpy(to.data(), all->data() + at, count);
    at += count;
    return count;
  };
}

Result<> Replica::load(Bytes piece, bool last) {
  loading_.insert(loading_.end(), piece.begin(), piece.end());
  if (!last) return {};
  const auto all = std::exchange(loading_, {});
  Reader head(all);
  const bool ours = head.get<std::uint32_t>() == state_magic;
  const auto version = head.get<std::uint32_t>();
  const auto executed = head.get<std::uint64_t>();
  const Bytes sessions = head.get_bytes(sessions_.most_saved_bytes());
  if (!head.ok() || !ours)
    return fail(Code::refused,
                fmt::format("what group {} gives to joiners is no object's state", group_name_),
                "let all members use the group for the same object");
  if (version != known_.version)
    return fail(Code::refused,
                fmt::format("the members of group {} have version {} of {}, and this one has {}",
                            group_name_, version, known_.name, known_.version),
                "run one version of the object at all members");
  {
    const std::lock_guard lock(executing_);
    if (auto loaded = load_object(head.rest()); !loaded) return loaded;
  }
  if (!sessions_.load(sessions))
    return fail(Code::invalid, "the sessions of clients in the state do not decode",
                "run one version of Squall everywhere");
  executed_.store(executed, std::memory_order_release);
  loaded_ = true;
  ready_.store(!broken_.load(), std::memory_order_release);
  return {};
}

void Replica::break_down(Error why) {
  log(Level::error, "this replica of {} is none any more: {}", group_name_, why.text());
  {
    const std::lock_guard lock(mutex_);
    broken_why_ = std::move(why);
    broken_.store(true, std::memory_order_release);
    usual_method_ = nullptr;
    ready_.store(false, std::memory_order_release);
  }
  if (desk_ != nullptr) desk_->look_again(*this);
}

std::optional<CallError> Replica::not_ready() const {
  const std::lock_guard lock(mutex_);
  if (broken_why_) return with_effect(*broken_why_, Effect::no);
  return with_effect(
      {Code::would_block, fmt::format("the state of group {} is still on its way", group_name_),
       "wait until Node::arrived"},
      Effect::no);
}

}  // namespace squall::objects
