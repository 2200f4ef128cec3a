#pragma once
// Replicated objects: any class whose methods are named in calls. Methods that are not const are
// updates, ordered multicasts that every replica executes; const ones are reads, at one replica.
// The compiler decides which is which. See README.md; a page-long example is
// groups/examples/object.cc.
//
//   squall::Object<Inventory> store = node->object<Inventory>("store");
//   auto reply = store.update<&Inventory::add>("bolts", 5);   // a future: replies and the version
//   int now = store.read<&Inventory::count>("bolts");         // here
//
// The class: default-constructible, with a cereal `serialize` for its state (or trivially
// copyable), and updates whose effect and result depend on nothing but the state and the arguments.
// Optional: `static constexpr int version` of its interface (else 0), and `using methods =
// squall::Methods<&Inventory::add, ...>`, which programs need that do not call the same methods.
//
// Threads. An Object is a handle that any thread may use. With an engine thread, updates are
// executed there, and local reads wait while one is; otherwise local reads and waiting are for
// where the node turns. Methods run with no lock of the engine, and may begin updates, not wait for
// them.

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "groups/node.h"
#include "groups/object/future.h"
#include "groups/object/invoke.h"
#include "groups/object/replica.h"
#include "groups/shard_of.h"

namespace squall {

/// A local read: the result, or why there is none. Converts to the result where an error is not
/// looked at, and then throws tl::bad_expected_access<CallError>.
template <class T>
class LocalRead : public CallResult<T> {
 public:
  using CallResult<T>::CallResult;
  // NOLINTNEXTLINE(google-explicit-constructor): `int now = store.read<...>(...)`
  operator T() const requires(!std::is_void_v<T>) { return this->value(); }
};

template <class T>
class Object {
 public:
  /// See Node::object.
  explicit Object(std::shared_ptr<objects::ReplicaOf<T>> replica) : replica_(std::move(replica)) {}
  explicit Object(Error why_not) : why_not_(std::move(why_not)) {}

  /// False: there is no such object, and every call says why.
  explicit operator bool() const { return replica_ != nullptr; }
  const Error& error() const { return why_not_; }
  /// This replica has its state, and is equal to the others.
  bool ready() const { return replica_ && replica_->ready(); }
  /// Position of the last update that this replica has executed; nullopt: none yet.
  std::optional<std::uint64_t> version() const {
    return replica_ ? replica_->version() : std::nullopt;
  }

  /// To every client (groups/client/client.h) that this member serves, has opened the object and
  /// listens: in order with its replies, and at most once. Who does not take its notices is sent
  /// away, and comes again with a gap. Any thread, also inside methods; where the node does not
  /// turn it copies. Code::too_large over 512 KiB.
  Result<> notify(Bytes notice) const {
    return replica_ ? replica_->notify(notice) : tl::unexpected(why_not_);
  }

  /// Executed at every replica, in the group's order. Waits for room in the ring as Group::send
  /// does (inside an upcall it does not: Code::would_block). Arguments convert to the method's
  /// parameters. A call in flight when the view changes completes; replies of members that
  /// are gone by then are errors with Effect::yes.
  template <auto Method, class... Arguments>
  auto update(const Arguments&... arguments) const {
    using Signature = objects::CheckedSignature<T, Method>;
    static_assert(!Signature::is_const,
                  "squall: this method is const, so it changes nothing: call it with "
                  "read<&Class::method>(...), not update");
    return Future<typename Signature::Value>(
        begin<Method>(objects::CallHeader::Kind::update, arguments...));
  }

  /// At this replica, from what has been delivered here: its method, called. What it throws is an
  /// error.
  template <auto Method, class... Arguments>
  auto read(Arguments&&... arguments) const {
    using Value = typename ReadSignature<Method>::Value;
    if (!replica_) return LocalRead<Value>(tl::unexpect, with_effect(why_not_, Effect::no));
    std::optional<LocalRead<Value>> result;
    const auto why_not = replica_->read_here([&] {
      try {
        const T& object = replica_->object_here();
        if constexpr (std::is_void_v<Value>) {
          (object.*Method)(std::forward<Arguments>(arguments)...);
          result.emplace();
        } else if constexpr (!objects::Unwrapped<
                                 typename ReadSignature<Method>::Returned>::may_fail) {
          result.emplace(tl::in_place, (object.*Method)(std::forward<Arguments>(arguments)...));
        } else {
          auto returned = (object.*Method)(std::forward<Arguments>(arguments)...);
          if (!returned)
            result.emplace(tl::unexpect, with_effect(std::move(returned.error()), Effect::no));
          else if constexpr (std::is_void_v<Value>)
            result.emplace();
          else
            result.emplace(tl::in_place, *std::move(returned));
        }
      } catch (...) {
        result.emplace(
            tl::unexpect,
            with_effect(objects::error_of_exception(objects::method_name<Method>()), Effect::no));
      }
    });
    if (why_not) [[unlikely]]
      return LocalRead<Value>(tl::unexpect, *why_not);
    return *std::move(result);
  }

  /// Reads that are not local: `store.at("b").read<&Inventory::count>("bolts")`. Use it at once.
  class Reads {
   public:
    template <auto Method, class... Arguments>
    auto read(const Arguments&... arguments) const {
      using Value = typename ReadSignature<Method>::Value;
      return ReadFuture<Value>(object_.template ask<Method>(where_, arguments...));
    }

   private:
    friend Object;
    Reads(const Object& object, objects::Replica::Where where)
        : object_(object), where_(std::move(where)) {}
    const Object& object_;
    objects::Replica::Where where_;
  };
  /// At that member, by its configured name; another one than this, and possibly in another shard:
  /// a message there and one back. It answers from what has been delivered there.
  Reads at(std::string_view member) const {
    return Reads(*this, objects::Replica::AtMember{member});
  }
  /// At any member of that shard, from a member of any: here if this one is in it. If the member
  /// that was asked goes, another one is.
  Reads shard(std::size_t number) const { return Reads(*this, objects::Replica::AtShard{number}); }
  /// At the shard of that key. `place(key, shards)` says which; it must be the same wherever the
  /// key is used.
  template <class Place = std::size_t (*)(std::string_view, std::size_t)>
  Reads of(std::string_view key, Place place = squall::shard_of) const {
    return shard(place(key, shards()));
  }
  /// As many shards as the group has; 1: none. 0: there is no such object.
  std::size_t shards() const { return replica_ ? replica_->shards() : 0; }

  /// `store.linearizable().read<&Inventory::count>("bolts")`: sees every update that had returned
  /// (own, or all replies) anywhere before the read began. It asks all members of the group (of the
  /// shard) how far they are, and is run at this replica once that has come as far: no message in
  /// the order, one to each member and one back for all reads that wait together. It waits for
  /// members that are slow, until they are out of the view.
  class Linearizable {
   public:
    template <auto Method, class... Arguments>
    auto read(const Arguments&... arguments) const {
      using Value = typename ReadSignature<Method>::Value;
      // Who does not listen yet does not answer; the order goes by without.
      if (object_.replica_ && !object_.replica_->all_listen()) [[unlikely]]
        return ReadFuture<Value>(
            object_.template begin<Method>(objects::CallHeader::Kind::read, arguments...));
      return ReadFuture<Value>(
          object_.template ask<Method>(objects::Replica::Latest{}, arguments...));
    }

   private:
    friend Object;
    explicit Linearizable(const Object& object) : object_(object) {}
    const Object& object_;
  };
  Linearizable linearizable() const { return Linearizable(*this); }

 private:
  template <auto Method>
  struct ReadSignature : objects::CheckedSignature<T, Method> {
    static_assert(objects::CheckedSignature<T, Method>::is_const,
                  "squall: this method is not const, so it may change the state: call it with "
                  "update<&Class::method>(...), or make it const");
  };

  template <auto Method, class... Arguments>
  objects::CallHandle begin(objects::CallHeader::Kind kind, const Arguments&... arguments) const {
    objects::known_method<T, Method>();
    if (!replica_) return objects::CallHandle(with_effect(why_not_, Effect::no));
    return objects::encoded<T, Method>(
        [&](std::size_t bytes, const auto& encode) {
          if (bytes == SIZE_MAX) return objects::CallHandle(objects::unencodable());
          if (bytes <= small_arguments && replica_->turns_here())
            return begin_small(kind, objects::method_id<Method>, bytes, encode);
          auto begun = replica_->begin(kind, objects::method_id<Method>, bytes);
          if (!begun) return objects::CallHandle(std::move(begun.error()));
          if (!encode(begun->space.bytes.subspan(sizeof(objects::CallHead)))) {
            replica_->cancel(*begun);
            return objects::CallHandle(objects::unencodable());
          }
          replica_->commit(*begun);
          return objects::CallHandle(begun->call);
        },
        arguments...);
  }

  template <class Encode>
  objects::CallHandle begin_small(objects::CallHeader::Kind kind, std::uint64_t method,
                                  std::size_t bytes, const Encode& encode) const {
    std::array<std::byte, small_arguments> room;
    const auto all = MutableBytes(room).first(bytes);
    if (!encode(all)) return objects::CallHandle(objects::unencodable());
    return replica_->send(kind, method, all);
  }

  template <auto Method, class... Arguments>
  objects::CallHandle ask(const objects::Replica::Where& where,
                          const Arguments&... arguments) const {
    objects::known_method<T, Method>();
    if (!replica_) return objects::CallHandle(with_effect(why_not_, Effect::no));
    return objects::encoded<T, Method>(
        [&](std::size_t bytes, const auto& encode) {
          std::vector<std::byte> question(bytes == SIZE_MAX ? 0 : bytes);
          if (bytes == SIZE_MAX || !encode(question))
            return objects::CallHandle(objects::unencodable());
          auto begun = replica_->ask(where, objects::method_id<Method>, question);
          if (!begun) return objects::CallHandle(std::move(begun.error()));
          return objects::CallHandle(*begun);
        },
        arguments...);
  }

  /// Bytes of arguments that are copied once more to spare the ring's slower path.
  static constexpr std::size_t small_arguments = 232;

  std::shared_ptr<objects::ReplicaOf<T>> replica_;
  Error why_not_;
};

template <class T>
Object<T> Node::object(std::string_view name) {
  Group* const found = group(name);
  if (found == nullptr)
    return Object<T>(
        Error{Code::invalid, "no group is called " + std::string(name),
              "name it in the configuration of every member ([group." + std::string(name) + "])"});
  auto replica = std::make_shared<objects::ReplicaOf<T>>(*this, *found);
  if (auto attached = attach(name, replica); !attached) return Object<T>(attached.error());
  replica->listen();
  return Object<T>(std::move(replica));
}

}  // namespace squall
