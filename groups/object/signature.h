#pragma once
// What a method is called on the wire: a number made from its name and signature, at compile time.
// It is the same wherever the method is declared alike, whatever else the class has.
//
// Names of types are written as the wire sees them: integers by sign and size, all texts and all
// runs of bytes alike, templates by their arguments. Other classes go by the name that the compiler
// prints, less what g++ and clang print differently.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/base/bytes.h"

namespace squall::objects {

template <auto Method>
constexpr std::string_view pretty() {
  return __PRETTY_FUNCTION__;
}

template <class Type>
constexpr std::string_view pretty_type() {
  return __PRETTY_FUNCTION__;
}

/// "add" of "... [with auto Method = &app::Inventory::add; ...]".
template <auto Method>
constexpr std::string_view method_name() {
  std::string_view text = pretty<Method>();
  text.remove_prefix(text.find("Method = ") + 9);
  text = text.substr(0, text.find_first_of(";]"));
  return text.substr(text.rfind("::") == text.npos ? 0 : text.rfind("::") + 2);
}

/// "app::Inventory" of "... [with Type = app::Inventory; ...]".
template <class Type>
constexpr std::string_view type_name() {
  std::string_view text = pretty_type<Type>();
  text.remove_prefix(text.find("Type = ") + 7);
  // g++ adds what its own names stand for, behind a semicolon.
  if (const auto more = text.find("; std::string_view ="); more != text.npos)
    return text.substr(0, more);
  return text.substr(0, text.size() - 1);
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo; isthe.com/chongo/tech/comp/fnv).
class NameHash {
 public:
  constexpr NameHash& add(std::string_view text) {
    for (const char letter : text) {
      value_ ^= static_cast<unsigned char>(letter);
      value_ *= 0x100000001b3;
    }
    return *this;
  }
  constexpr std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

template <class Type>
struct TypeCode {
  static constexpr void add(NameHash& hash) {
    std::string_view name = type_name<Type>();
    constexpr std::string_view inner = "__cxx11::";
    for (auto at = name.find(inner); at != name.npos; at = name.find(inner)) {
      hash.add(name.substr(0, at));
      name.remove_prefix(at + inner.size());
    }
    hash.add(name);
  }
};

template <class Type>
concept Text = std::same_as<Type, std::string> || std::same_as<Type, std::string_view>;

template <class Type>
concept ByteRun = std::same_as<Type, Bytes> || std::same_as<Type, std::vector<std::byte>>;

template <class Type>
constexpr void add_type(NameHash& hash) {
  if constexpr (std::is_void_v<Type>)
    hash.add("void");
  else if constexpr (std::same_as<Type, bool>)
    hash.add("bool");
  else if constexpr (std::is_floating_point_v<Type>)
    hash.add(sizeof(Type) == 4 ? "f4" : sizeof(Type) == 8 ? "f8" : "f16");
  else if constexpr (std::is_integral_v<Type>)
    hash.add(std::is_signed_v<Type> ? "i" : "u").add({&"0123456789"[sizeof(Type)], 1});
  else if constexpr (Text<Type>)
    hash.add("text");
  else if constexpr (ByteRun<Type>)
    hash.add("bytes");
  else
    TypeCode<Type>::add(hash);
}

/// Of a template its own name, and its arguments as above.
template <template <class...> class Template, class... Arguments>
struct TypeCode<Template<Arguments...>> {
  static constexpr void add(NameHash& hash) {
    constexpr std::string_view name = type_name<Template<Arguments...>>();
    hash.add(name.substr(0, name.find('<'))).add("<");
    (((add_type<Arguments>(hash)), hash.add(",")), ...);
    hash.add(">");
  }
};

/// What a pointer to a member function says.
template <class Method>
struct Signature {
  static constexpr bool is_method = false;
};

template <class Class, class Returned, bool Const, class... Arguments>
struct SignatureOf {
  static constexpr bool is_method = true;
  static constexpr bool is_const = Const;
  using Object = Class;
  using Result = std::remove_cvref_t<Returned>;
  template <template <class...> class Template>
  using Apply = Template<Arguments...>;

  static constexpr bool takes_references_to_change =
      ((std::is_lvalue_reference_v<Arguments> &&
        !std::is_const_v<std::remove_reference_t<Arguments>>) ||
       ...);

  static constexpr std::uint64_t id(std::string_view name) {
    NameHash hash;
    hash.add(name).add("(");
    (((add_type<std::remove_cvref_t<Arguments>>(hash)), hash.add(",")), ...);
    hash.add(")");
    add_type<Result>(hash);
    return hash.value();
  }
};

template <class Class, class Returned, class... Arguments>
struct Signature<Returned (Class::*)(Arguments...)>
    : SignatureOf<Class, Returned, false, Arguments...> {};
template <class Class, class Returned, class... Arguments>
struct Signature<Returned (Class::*)(Arguments...) noexcept>
    : SignatureOf<Class, Returned, false, Arguments...> {};
template <class Class, class Returned, class... Arguments>
struct Signature<Returned (Class::*)(Arguments...) const>
    : SignatureOf<Class, Returned, true, Arguments...> {};
template <class Class, class Returned, class... Arguments>
struct Signature<Returned (Class::*)(Arguments...) const noexcept>
    : SignatureOf<Class, Returned, true, Arguments...> {};

template <auto Method>
inline constexpr std::uint64_t method_id = Signature<decltype(Method)>::id(method_name<Method>());

}  // namespace squall::objects
