#pragma once
// What the compiler makes of a method named in a call: its number, its arguments to bytes, and the
// function that a replica runs for it. A method is known to a program when any of its code calls it
// by name, or the class lists it.

#include <algorithm>
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "groups/object/codec.h"
#include "groups/object/replica.h"
#include "groups/object/signature.h"

namespace squall::objects {

/// What the exception is that is being handled: a squall::Error as it is, others by their text.
Error error_of_exception(std::string_view thrower);
Error undecodable(std::string_view method);
CallError unencodable();

/// A method may also return Result<T>: its error is then as if it had been thrown.
template <class Returned>
struct Unwrapped {
  using Value = Owned<Returned>;
  static constexpr bool may_fail = false;
};
template <class T>
struct Unwrapped<tl::expected<T, Error>> {
  using Value = Owned<T>;
  static constexpr bool may_fail = true;
};
template <>
struct Unwrapped<void> {
  using Value = void;
  static constexpr bool may_fail = false;
};
template <>
struct Unwrapped<tl::expected<void, Error>> {
  using Value = void;
  static constexpr bool may_fail = true;
};

template <class... Arguments>
struct ParametersOf {
  static constexpr std::size_t count = sizeof...(Arguments);
  using Values = std::tuple<std::remove_cvref_t<Arguments>...>;
  static constexpr bool encodable = (Encodable<std::remove_cvref_t<Arguments>> && ...);

  template <class... Given>
  static constexpr bool take = requires(const Given&... given) {
    std::tuple<decltype(as_parameter<std::remove_cvref_t<Arguments>>(given))...>{
        as_parameter<std::remove_cvref_t<Arguments>>(given)...};
  };

  template <class... Given>
  static auto of(const Given&... given) {
    return std::tuple<decltype(as_parameter<std::remove_cvref_t<Arguments>>(given))...>{
        as_parameter<std::remove_cvref_t<Arguments>>(given)...};
  }

  static Values decode_all(Decoder& from) {
    return Values{decode<std::remove_cvref_t<Arguments>>(from)...};
  }

  template <auto Method, class Object>
  static decltype(auto) call(Object& object, Values& values) {
    return std::apply(
        [&](auto&... each) -> decltype(auto) {
          return (object.*Method)(static_cast<Arguments&&>(each)...);
        },
        values);
  }
};

template <class T, auto Method>
struct CheckedSignature : Signature<decltype(Method)> {
  using Of = Signature<decltype(Method)>;
  static_assert(Of::is_method,
                "squall: name a method of the object's class: update<&Class::method>(...)");
  static_assert(std::is_base_of_v<typename Of::Object, T>,
                "squall: this method is of another class than the object");
  static_assert(!Of::takes_references_to_change,
                "squall: a method that others execute cannot change its arguments: take them by "
                "value or by const reference, and return what is new");
  using Parameters = typename Of::template Apply<ParametersOf>;
  static_assert(Parameters::encodable,
                "squall: an argument of this method cannot be sent: give its type a cereal "
                "`serialize`, include cereal's header for it, or make it trivially copyable");
  using Returned = typename Of::Result;
  using Value = typename Unwrapped<Returned>::Value;
};

template <class T, auto Method>
void invoke(void* object, Bytes arguments, Outcome& outcome) {
  using Checked = CheckedSignature<T, Method>;
  std::optional<typename Checked::Parameters::Values> values;
  try {
    Decoder from(arguments);
    values = Checked::Parameters::decode_all(from);
    if (from.left() != 0) throw Undecodable();
  } catch (...) {
    outcome.bytes.clear();
    outcome.error = undecodable(method_name<Method>());
    return;
  }
  outcome.effect = Effect::yes;
  try {
    T& self = *static_cast<T*>(object);
    if constexpr (std::is_void_v<typename Checked::Returned>) {
      Checked::Parameters::template call<Method>(self, *values);
      outcome.bytes.clear();
    } else {
      decltype(auto) result = Checked::Parameters::template call<Method>(self, *values);
      if constexpr (!Unwrapped<typename Checked::Returned>::may_fail) {
        encode_into(outcome.bytes, static_cast<const typename Checked::Returned&>(result));
      } else if (!result) {
        outcome.bytes.clear();
        outcome.error = result.error();
      } else if constexpr (!std::is_void_v<typename Checked::Value>) {
        encode_into(outcome.bytes, *result);
      } else {
        outcome.bytes.clear();
      }
    }
  } catch (...) {
    outcome.bytes.clear();
    outcome.error = error_of_exception(method_name<Method>());
  }
}

/// All that this program knows of a class.
template <class T>
std::vector<MethodEntry>& known_methods() {
  static std::vector<MethodEntry> all;
  return all;
}

template <class T, auto Method>
struct Known {
  static bool add() {
    known_methods<T>().push_back({method_id<Method>, std::string(method_name<Method>()),
                                  !CheckedSignature<T, Method>::is_const, &invoke<T, Method>});
    return true;
  }
  // Before `main`, wherever in the program the method is named.
  inline static const bool done = add();
};

template <class T, auto Method>
void known_method() {
  static_cast<void>(&Known<T, Method>::done);
}

/// Calls `begin` with the size of the encoded arguments and a function that encodes them into a
/// span of that size, straight from where they are; false: they have become others meanwhile.
template <class T, auto Method, class Begin, class... Arguments>
auto encoded(Begin begin, const Arguments&... arguments) {
  using Parameters = typename CheckedSignature<T, Method>::Parameters;
  static_assert(Parameters::count == sizeof...(Arguments),
                "squall: this method takes another number of arguments");
  static_assert(Parameters::template take<Arguments...>,
                "squall: an argument does not convert to what the method takes");
  const auto values = Parameters::of(arguments...);
  const auto encode_all = [&](Encoder to) {
    std::apply([&](const auto&... each) { (encode(to, each), ...); }, values);
    return to.bytes();
  };
  std::size_t bytes = 0;
  try {
    bytes = encode_all(Encoder());
  } catch (...) {
    bytes = SIZE_MAX;
  }
  return begin(bytes, [&](MutableBytes to) {
    try {
      return encode_all(Encoder(to)) == to.size();
    } catch (...) {
      return false;
    }
  });
}

template <class T>
constexpr std::uint32_t version_of() {
  if constexpr (requires { std::integral_constant<int, T::version>{}; })
    return static_cast<std::uint32_t>(T::version);
  else
    return 0;
}

/// "Inventory", for people.
template <class T>
std::string class_name() {
  constexpr std::string_view all = type_name<T>();
  const std::size_t scope = all.substr(0, all.find('<')).rfind("::");
  return std::string(scope == all.npos ? all : all.substr(scope + 2));
}

template <class T>
ClassEntry class_entry() {
  if constexpr (requires { T::methods::template know<T>(); }) T::methods::template know<T>();
  ClassEntry all{class_name<T>(), version_of<T>(), known_methods<T>()};
  std::ranges::sort(all.methods, {}, &MethodEntry::id);
  const auto again = std::ranges::unique(all.methods, {}, &MethodEntry::id);
  all.methods.erase(again.begin(), again.end());
  return all;
}

template <class T>
class ReplicaOf final : public Replica {
  static_assert(std::is_default_constructible_v<T>,
                "squall: a replicated class begins as its default constructor leaves it");
  static_assert(Raw<T> || KnownToCereal<T>,
                "squall: the state of a replicated class passes to joiners: give it a cereal "
                "`serialize`, include cereal's headers for its members, or make it trivially "
                "copyable");

 public:
  ReplicaOf(Node& node, Group& group)
      : Replica(node, group, class_entry<T>()), object_(std::make_unique<T>()) {}

  /// For whoever reads it with `read_here`.
  const T& object_here() const { return *object_; }

 private:
  void* object() override { return object_.get(); }
  void save_object(std::vector<std::byte>& to) override {
    Encoder encoder(to);
    encode(encoder, *object_);
  }
  void reset_object() override { object_ = std::make_unique<T>(); }
  Result<> load_object(Bytes from) override {
    auto fresh = std::make_unique<T>();
    try {
      Decoder decoder(from);
      if constexpr (Raw<T>) {
        decoder.get(fresh.get(), sizeof(T));
      } else {
        ReadArchive archive(decoder);
        archive(*fresh);
      }
      if (decoder.left() != 0) throw Undecodable();
    } catch (...) {
      return tl::unexpected(error_of_exception("the object's state"));
    }
    object_ = std::move(fresh);
    return {};
  }

  std::unique_ptr<T> object_;
};

}  // namespace squall::objects

namespace squall {

/// The methods of a class that any member may call, for programs that do not all call the same
/// ones: inside of the class, after their declarations,
/// `using methods = squall::Methods<&Inventory::add, &Inventory::count>;`.
template <auto... Listed>
struct Methods {
  template <class T>
  static void know() {
    (objects::known_method<T, Listed>(), ...);
  }
};

}  // namespace squall
