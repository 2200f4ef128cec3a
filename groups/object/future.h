#pragma once
// What a call returns at once, and what it comes to: an update's replies, a read's answer.
//
// Futures are handles: copies are of the same call, each is used by one thread at a time, and one
// that is dropped leaves its call running. Waiting turns the node in poll-driven mode (wait where
// the node turns), and with an engine thread sleeps. Inside an upcall nothing waits: what is not
// there yet is Code::would_block; use `then` or co_await there.

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "groups/object/call.h"
#include "groups/object/call_handle.h"
#include "groups/object/codec.h"

namespace squall {

/// What one replica made of an update.
template <class T>
struct ReplicaReply {
  std::string member;
  Rank rank = 0;  ///< in the view in which it was executed
  /// The method's result, or what it threw, or why there is none. All replicas agree on what an
  /// update returns or throws, if it depends on nothing but the state and the arguments.
  CallResult<T> result;
};

template <class T>
struct Replies {
  /// The update's position in the group's order; the object's version from there on.
  std::uint64_t version = 0;
  std::vector<ReplicaReply<T>> all;  ///< of every member of the group, in its order

  /// Of the caller's own replica.
  const CallResult<T>& own() const { return all[own_at].result; }
  std::size_t own_at = 0;
};

namespace objects {

template <class T>
[[gnu::noinline]] CallResult<T> decode_any_reply(const Reply& reply) {
  if (reply.failed) return tl::unexpected(with_effect(decode_error(reply.bytes), reply.effect));
  try {
    Decoder from(reply.bytes);
    if constexpr (std::is_void_v<T>) {
      if (from.left() == 0) return {};
    } else {
      CallResult<T> value(decode<T>(from));
      if (from.left() == 0) return value;
    }
  } catch (...) {
  }
  return tl::unexpected(with_effect({Code::invalid, "a result that does not decode",
                                     "run one version of the object at all members"},
                                    reply.effect));
}

/// Most are a number, as it lies in memory.
template <class T>
CallResult<T> decode_reply(const Reply& reply) {
  if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
    if (const Bytes bytes = reply.bytes; !reply.failed && bytes.size() == sizeof(T)) [[likely]] {
      T value;
      std::memcpy(&value, bytes.data(), sizeof value);
      return value;
    }
  }
  return decode_any_reply<T>(reply);
}

/// What all kinds of future do: `Derived::take` makes the value of a call that is at its stage.
/// `Handle` is that of a member's call, or of a client's (groups/client/ask.h).
template <class Derived, class Value, class Handle = CallHandle>
class FutureBase {
 public:
  explicit FutureBase(Handle call) : call_(std::move(call)) {}

  /// It would not wait.
  bool ready() const { return call_.ready(Call::all); }
  /// Waits for it. Code::timeout at the deadline: the call goes on, and can be waited for again.
  CallResult<Value> get(Time deadline = never) const { return wait<Value>(Call::all, deadline); }
  /// Calls `next` with what `get` returns: at once if it is there, else where the node turns. At
  /// most once for a call; what `next` throws is logged and goes nowhere.
  template <std::invocable<CallResult<Value>> Next>
  void then(Next next) const {
    call_.then(Call::all,
               [self = *this, next = std::move(next)]() mutable { next(self.get(Time::min())); });
  }

  /// `co_await` gives what `get` returns; the coroutine goes on where the node turns.
  auto operator co_await() const {
    struct Awaiter {
      FutureBase future;
      bool await_ready() const { return future.ready(); }
      void await_suspend(std::coroutine_handle<> waiting) const {
        future.call_.then(Call::all, [waiting] { waiting.resume(); });
      }
      CallResult<Value> await_resume() const { return future.get(Time::min()); }
    };
    return Awaiter{*this};
  }

 protected:
  template <class What>
  CallResult<What> wait(Call::Stage stage, Time deadline) const {
    auto call = call_.wait(stage, deadline);
    if (!call) return tl::unexpected(std::move(call.error()));
    return Derived::take(**call, std::type_identity<What>{});
  }

  Handle call_;
};

}  // namespace objects

/// Of an update.
template <class T>
class Future : public objects::FutureBase<Future<T>, Replies<T>> {
  using Base = objects::FutureBase<Future<T>, Replies<T>>;

 public:
  using Base::Base;

  /// The update's result at this replica, which is the first to be sure of the version: does not
  /// wait for the others.
  CallResult<T> own(Time deadline = never) const {
    if (const auto* there = this->call_.there(objects::Call::own)) [[likely]]
      return objects::decode_reply<T>(there->own_reply());
    auto call = this->call_.wait(objects::Call::own, deadline);
    if (!call) return tl::unexpected(std::move(call.error()));
    return objects::decode_reply<T>((*call)->own_reply());
  }
  /// Of whoever was first.
  CallResult<T> first(Time deadline = never) const {
    auto call = this->call_.wait(objects::Call::first, deadline);
    if (!call) return tl::unexpected(std::move(call.error()));
    return objects::decode_reply<T>((*call)->first_reply());
  }

 private:
  friend Base;
  static Replies<T> take(const objects::Call& call, std::type_identity<Replies<T>>) {
    Replies<T> replies;
    replies.version = call.version();
    const objects::Roster& roster = call.roster();
    for (const Rank rank : roster.members) {
      const Member& member = roster.view->members[rank];
      const objects::Reply* const reply = call.reply_of(member.id);
      if (reply == nullptr) continue;
      if (member.id == roster.self) replies.own_at = replies.all.size();
      replies.all.push_back({member.name, rank, objects::decode_reply<T>(*reply)});
    }
    return replies;
  }
};

/// Of a read that is not local.
template <class T>
class ReadFuture : public objects::FutureBase<ReadFuture<T>, T> {
  using Base = objects::FutureBase<ReadFuture<T>, T>;

 public:
  using Base::Base;

 private:
  friend Base;
  static CallResult<T> take(const objects::Call& call, std::type_identity<T>) {
    return objects::decode_reply<T>(call.first_reply());
  }
};

}  // namespace squall
