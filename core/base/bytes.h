#pragma once
// Bytes, and reading and writing them on the wire. Everything on the wire is little-endian
// and is read with its bounds checked: a Reader that ran short stays failed and returns zeros.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace squall {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire is little-endian");

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Appends values to a growing buffer; strings and byte runs go behind a 32-bit length.
class Writer {
 public:
  template <class T>
  requires(std::is_integral_v<T> || std::is_enum_v<T>) Writer& put(T value) {
    append(&value, sizeof(T));
    return *this;
  }
  Writer& put(Bytes bytes);
  Writer& put(std::string_view text) { return put(as_bytes(text)); }

  Bytes bytes() const { return bytes_; }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  void append(const void* from, std::size_t size);

  std::vector<std::byte> bytes_;
};

/// Reads what a Writer wrote. Look at `ok()` once, after the last read.
class Reader {
 public:
  explicit Reader(Bytes bytes) : rest_(bytes) {}

  /// No bool: a hostile byte is none. Take a byte and compare.
  template <class T>
  requires((std::is_integral_v<T> && !std::is_same_v<T, bool>) || std::is_enum_v<T>) T get() {
    T value{};
    take(&value, sizeof(T));
    return value;
  }
  /// A byte run in place, at most `limit` long; it points into what is being read.
  Bytes get_bytes(std::size_t limit);
  std::string get_string(std::size_t limit);

  bool ok() const { return !failed_; }
  /// Nothing is left over: what a well-formed message ends with.
  bool done() const { return !failed_ && rest_.empty(); }
  Bytes rest() const { return rest_; }

 private:
  void take(void* to, std::size_t size);

  Bytes rest_;
  bool failed_ = false;
};

}  // namespace squall
