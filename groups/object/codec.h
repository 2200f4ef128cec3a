#pragma once
// Values to bytes and back: arguments, results, state. Numbers, enums, texts, runs of bytes and
// trivially copyable structures take one copy, from where they are to where they go, and no
// archive; a method that takes std::string_view or Bytes reads them in the received message itself.
// Everything else goes through cereal.
//
// A structure that cereal does not know and that is trivially copyable travels as its bytes lie in
// memory: it must hold no pointers and no views.

#include <cereal/types/array.hpp>
#include <cereal/types/chrono.hpp>
#include <cereal/types/deque.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/set.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/tuple.hpp>
#include <cereal/types/unordered_map.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/vector.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/base/bytes.h"
#include "groups/object/archive.h"
#include "groups/object/signature.h"

namespace squall::objects {

template <class Type>
concept KnownToCereal = cereal::traits::is_output_serializable<Type, WriteArchive>::value &&
    cereal::traits::is_input_serializable<Type, ReadArchive>::value;

template <class Type>
concept Raw = std::is_arithmetic_v<Type> || std::is_enum_v<Type> ||
    (std::is_class_v<Type>&& std::is_trivially_copyable_v<Type> && !KnownToCereal<Type> &&
     !Text<Type> && !ByteRun<Type>);

template <class Type>
concept Encodable = Raw<Type> || Text<Type> || ByteRun<Type> || KnownToCereal<Type>;

/// What a result is kept as: no view into what is gone.
template <class Type>
using Owned = std::conditional_t<Text<Type>, std::string,
                                 std::conditional_t<ByteRun<Type>, std::vector<std::byte>, Type>>;

template <class Type>
void encode(Encoder& to, const Type& value) {
  if constexpr (Raw<Type>) {
    to.put(&value, sizeof value);
  } else if constexpr (Text<Type> || ByteRun<Type>) {
    const auto size = static_cast<std::uint32_t>(value.size());
    to.put(&size, sizeof size);
    to.put(value.data(), value.size());
  } else {
    WriteArchive archive(to);
    archive(value);
  }
}

/// The same, and nothing else.
template <class Type>
void encode_into(std::vector<std::byte>& to, const Type& value) {
  if constexpr (Raw<Type>) {
    // One size after the other, as a rule.
    if (to.size() != sizeof value) [[unlikely]]
      to.resize(sizeof value);
    std::memcpy(to.data(), &value, sizeof value);
  } else {
    to.clear();
    Encoder encoder(to);
    encode(encoder, value);
  }
}

/// Throws, Undecodable or what the value's own code throws.
template <class Type>
Type decode(Decoder& from) {
  if constexpr (std::is_same_v<Type, bool>) {
    unsigned char byte = 0;
    from.get(&byte, 1);
    if (byte > 1) throw Undecodable();
    return byte == 1;
  } else if constexpr (std::is_arithmetic_v<Type> || std::is_enum_v<Type>) {
    Type value;
    from.get(&value, sizeof value);
    return value;
  } else if constexpr (Raw<Type>) {
    std::remove_const_t<Type> value;
    from.get(&value, sizeof value);
    return value;
  } else if constexpr (Text<Type>) {
    std::uint32_t size = 0;
    from.get(&size, sizeof size);
    return Type(as_text(from.take(size)));
  } else if constexpr (ByteRun<Type>) {
    std::uint32_t size = 0;
    from.get(&size, sizeof size);
    const Bytes run = from.take(size);
    return Type(run.begin(), run.end());
  } else {
    Type value{};
    ReadArchive archive(from);
    archive(value);
    return value;
  }
}

/// An argument as the method's parameter wants it, kept until it is encoded: in place where it has
/// that type already, or is a text or a run of bytes.
template <class Parameter, class Given>
decltype(auto) as_parameter(const Given& given) {
  if constexpr (Text<Parameter> && std::is_convertible_v<const Given&, std::string_view>)
    return std::string_view(given);
  else if constexpr (ByteRun<Parameter> && std::is_convertible_v<const Given&, Bytes>)
    return Bytes(given);
  else if constexpr (std::is_same_v<Parameter, Given>)
    return (given);
  else
    return Parameter(given);
}

}  // namespace squall::objects
