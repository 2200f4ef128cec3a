#pragma once
// A process that is no member of a group and uses its replicated objects through one: any of its
// contacts, and another when that one dies or leaves. See README.md; a page-long example is
// groups/examples/client.cc.
//
//   auto client = squall::Client::connect(*squall::Config::load("squall.toml"));
//   auto store = (*client)->object<Inventory>("store");
//   auto added = store.update<&Inventory::add>("bolts", 5).get();      // value and version
//   auto count = store.read<&Inventory::count>("bolts").get();
//
// Every update is executed at most once, also when it is sent again to another member. Reads never
// go back: what this client has seen once, it sees from then on.
//
// Threads. With `engine_thread` the client turns on a thread of its own; otherwise the application
// turns it with `poll` and `idle`, or by waiting for a future, from one thread at a time. Calls are
// begun from any thread. Upcalls run where the client turns, with no lock held; inside of one
// nothing waits.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/time.h"
#include "groups/client/ask.h"
#include "groups/client/core.h"
#include "groups/config.h"
#include "groups/object/future.h"
#include "groups/object/invoke.h"
#include "groups/shard_of.h"

namespace squall {

/// What an update of a client comes to.
template <class T>
struct ClientReply {
  std::uint64_t version = 0;  ///< the update's position in the group's order
  T value;
};
template <>
struct ClientReply<void> {
  std::uint64_t version = 0;
};

/// Of an update: `get` gives a CallResult<ClientReply<T>>, see groups/object/future.h.
template <class T>
class ClientUpdate
    : public objects::FutureBase<ClientUpdate<T>, ClientReply<T>, clients::AskHandle> {
  using Base = objects::FutureBase<ClientUpdate<T>, ClientReply<T>, clients::AskHandle>;

 public:
  using Base::Base;

 private:
  friend Base;
  static CallResult<ClientReply<T>> take(const clients::Ask& ask,
                                         std::type_identity<ClientReply<T>>) {
    auto value = objects::decode_reply<T>(ask.reply());
    if (!value) return tl::unexpected(std::move(value.error()));
    if constexpr (std::is_void_v<T>)
      return ClientReply<T>{ask.version()};
    else
      return ClientReply<T>{ask.version(), *std::move(value)};
  }
};

/// Of a read: `get` gives a CallResult<T>.
template <class T>
class ClientRead : public objects::FutureBase<ClientRead<T>, T, clients::AskHandle> {
  using Base = objects::FutureBase<ClientRead<T>, T, clients::AskHandle>;

 public:
  using Base::Base;

 private:
  friend Base;
  static CallResult<T> take(const clients::Ask& ask, std::type_identity<T>) {
    return objects::decode_reply<T>(ask.reply());
  }
};

/// A handle, which any thread may use, also after its client is gone: then its calls fail.
template <class T>
class ClientObject {
 public:
  /// False: the configuration has no such group, or shard; every call says so.
  explicit operator bool() const { return core_ != nullptr; }
  const Error& error() const { return why_not_; }

  /// The same of a group that has shards: one of them, by number or by key (shard_of.h).
  ClientObject shard(std::size_t shard) const { return ClientObject(client_, group_, shard); }
  ClientObject of(std::string_view key) const {
    const auto shards = client_->shards(group_);
    return shards ? shard(shard_of(key, *shards)) : *this;
  }

  /// A method that is not const. Of one client in the order in which they begin, each executed at
  /// most once. Errors say by their effect whether it was: `unknown` if no member answered in
  /// `start_timeout`, or the members have forgotten this client's session.
  template <auto Method, class... Arguments>
  auto update(const Arguments&... arguments) const {
    using Signature = objects::CheckedSignature<T, Method>;
    static_assert(!Signature::is_const,
                  "squall: this method is const, so it changes nothing: call it with "
                  "read<&Class::method>(...), not update");
    return ClientUpdate<typename Signature::Value>(
        begin<Method>(clients::Caller::What::update, arguments...));
  }

  /// A const one, at the member that serves this client.
  template <auto Method, class... Arguments>
  auto read(const Arguments&... arguments) const {
    return read_as<Method>(clients::Caller::What::read, arguments...);
  }

  /// `store.linearizable().read<&Inventory::count>("bolts")`: sees every update that had returned
  /// anywhere before it began, as Object::linearizable does at the member that serves this client.
  class Linearizable {
   public:
    template <auto Method, class... Arguments>
    auto read(const Arguments&... arguments) const {
      return object_.template read_as<Method>(clients::Caller::What::read_in_order, arguments...);
    }

   private:
    friend ClientObject;
    explicit Linearizable(const ClientObject& object) : object_(object) {}
    const ClientObject& object_;
  };
  Linearizable linearizable() const { return Linearizable(*this); }

  /// What members give to Object::notify: from the member that serves this client, in order, at
  /// most once. `gap`: another member serves it now, and notices may be missing between. Replaces
  /// what was set before.
  void on_notice(std::function<void(Bytes)> notice, std::function<void()> gap = {}) const {
    if (core_) core_->listen(target_, std::move(notice), std::move(gap));
  }
  /// The member that serves it, by name; empty: none does now.
  std::string member() const { return core_ ? core_->server(target_) : std::string(); }

 private:
  friend class Client;
  static constexpr std::size_t the_only_shard = SIZE_MAX;

  ClientObject(std::shared_ptr<clients::Core> client, std::string group, std::size_t shard)
      : client_(std::move(client)), group_(std::move(group)) {
    const auto shards = client_->shards(group_);
    if (!shards) {
      why_not_ = shards.error();
    } else if (shard == the_only_shard && *shards > 1) {
      why_not_ = Error{Code::invalid, "group " + group_ + " has shards",
                       "say .of(key), or .shard(number)"};
    } else if (shard != the_only_shard && shard >= *shards) {
      why_not_ = Error{Code::invalid,
                       "group " + group_ + " has " + std::to_string(*shards) + " shards, and no " +
                           std::to_string(shard),
                       "they are numbered from 0"};
    } else {
      core_ = client_;
      target_ =
          core_->open({group_, static_cast<std::uint32_t>(shard == the_only_shard ? 0 : shard),
                       objects::version_of<T>(), objects::class_name<T>()});
    }
  }

  template <auto Method, class... Arguments>
  auto read_as(clients::Caller::What what, const Arguments&... arguments) const {
    using Signature = objects::CheckedSignature<T, Method>;
    static_assert(Signature::is_const,
                  "squall: this method is not const, so it may change the state: call it with "
                  "update<&Class::method>(...), or make it const");
    return ClientRead<typename Signature::Value>(begin<Method>(what, arguments...));
  }

  template <auto Method, class... Arguments>
  clients::AskHandle begin(clients::Caller::What what, const Arguments&... arguments) const {
    if (!core_) return clients::AskHandle(with_effect(why_not_, Effect::no));
    return objects::encoded<T, Method>(
        [&](std::size_t bytes, const auto& encode) {
          std::vector<std::byte> all(bytes == SIZE_MAX ? 0 : bytes);
          if (bytes == SIZE_MAX || !encode(all)) return clients::AskHandle(objects::unencodable());
          return core_->begin(target_, what, objects::method_id<Method>, std::move(all));
        },
        arguments...);
  }

  std::shared_ptr<clients::Core> client_;
  std::shared_ptr<clients::Core> core_;  // nullptr: there is nothing to call
  std::string group_;
  clients::TargetId target_ = 0;
  Error why_not_;
};

class Client {
 public:
  /// Through any of the contacts of a configuration that is otherwise the members' (its groups,
  /// fabric and timeouts: those are compared). `name` is for people; `listen` and `start` are not
  /// looked at. Waits until a member serves it, at most `start_timeout`; the error says what each
  /// of them said.
  static Result<std::unique_ptr<Client>> connect(const Config& config) {
    auto core = clients::Core::connect(config);
    if (!core) return tl::unexpected(std::move(core.error()));
    return std::unique_ptr<Client>(new Client(std::move(*core)));
  }
  /// Calls that are under way end: updates with Effect::unknown. Not from inside an upcall.
  ~Client() { core_->close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// The object of that group; members have it by Node::object. What it is not can be seen at once
  /// from the configuration, or at the first call.
  template <class T>
  ClientObject<T> object(std::string_view group) {
    return ClientObject<T>(core_, std::string(group), ClientObject<T>::the_only_shard);
  }
  /// Who serves this client, by name; empty: nobody does now.
  std::string member() const { return core_->server(0); }

  bool threaded() const { return core_->threaded(); }
  /// One turn. True if there was anything to do.
  bool poll() { return core_->poll(); }
  /// Sleeps until something happens, `wake`, or `until`.
  void idle(Time until) { core_->idle(until); }
  /// For a loop of the embedder's: readable when a poll is due. -1: it has a thread of its own, or
  /// the process is out of descriptors. Owned by the client.
  int fd() { return core_->fd(); }
  /// From any thread: ends a sleep in `idle` or on `fd()`.
  void wake() { core_->wake(); }

 private:
  explicit Client(std::shared_ptr<clients::Core> core) : core_(std::move(core)) {}
  std::shared_ptr<clients::Core> core_;
};

}  // namespace squall
