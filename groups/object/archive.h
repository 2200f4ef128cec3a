#pragma once
// cereal's archives for Squall's wire (uscilab.github.io/cereal): little-endian, straight from and
// into memory, nothing of a stream between. What is read may be hostile: every length is checked
// against what is left before anything is made of it, and nesting has a limit.
//
// Both throw `Undecodable`, as cereal's interface wants it; whoever calls them turns it into an
// error.

#include <cereal/cereal.hpp>
#include <cstddef>
#include <cstring>
#include <exception>
#include <type_traits>
#include <vector>

#include "core/base/bytes.h"

namespace squall::objects {

struct Undecodable final : std::exception {
  const char* what() const noexcept override { return "bytes that do not decode"; }
};

/// Where encoded bytes go.
class Encoder {
 public:
  /// Counts only.
  Encoder() = default;
  /// Into a span; throws what does not fit.
  explicit Encoder(MutableBytes to) : to_(to.data()), limit_(to.size()) {}
  /// Behind what is in `grows` already.
  explicit Encoder(std::vector<std::byte>& grows) : grows_(&grows) {}

  void put(const void* from, std::size_t bytes) {
    if (to_ != nullptr) {
      if (bytes > limit_ - bytes_) throw Undecodable();
      if (bytes != 0) std::memcpy(to_ + bytes_, from, bytes);
    } else if (grows_ != nullptr) {
      const auto* first = static_cast<const std::byte*>(from);
      grows_->insert(grows_->end(), first, first + bytes);
    }
    bytes_ += bytes;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::byte* to_ = nullptr;
  std::size_t limit_ = 0;
  std::vector<std::byte>* grows_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Where they come from.
class Decoder {
 public:
  explicit Decoder(Bytes from) : rest_(from) {}

  Bytes take(std::size_t bytes) {
    if (bytes > rest_.size()) throw Undecodable();
    const Bytes taken = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return taken;
  }
  void get(void* to, std::size_t bytes) {
    const Bytes taken = take(bytes);
    if (bytes != 0) std::memcpy(to, taken.data(), bytes);
  }
  std::size_t left() const { return rest_.size(); }

 private:
  Bytes rest_;
};

class WriteArchive : public cereal::OutputArchive<WriteArchive, cereal::AllowEmptyClassElision> {
 public:
  explicit WriteArchive(Encoder& to)
      : cereal::OutputArchive<WriteArchive, cereal::AllowEmptyClassElision>(this), to_(to) {}
  void put(const void* from, std::size_t bytes) { to_.put(from, bytes); }

 private:
  Encoder& to_;
};

class ReadArchive : public cereal::InputArchive<ReadArchive, cereal::AllowEmptyClassElision> {
 public:
  explicit ReadArchive(Decoder& from)
      : cereal::InputArchive<ReadArchive, cereal::AllowEmptyClassElision>(this), from_(from) {}
  void get(void* to, std::size_t bytes) { from_.get(to, bytes); }
  std::size_t left() const { return from_.left(); }

  void enter() {
    if (++depth_ > deepest) throw Undecodable();
  }
  void leave() { --depth_; }

 private:
  // Objects within objects: so many fit on any stack.
  static constexpr int deepest = 256;

  Decoder& from_;
  int depth_ = 0;
};

// What cereal asks of an archive, found by the archive's namespace; its names.

template <class Type>
requires std::is_arithmetic_v<Type>
void save(WriteArchive& archive, const Type& value) {
  archive.put(&value, sizeof value);
}

template <class Type>
requires std::is_arithmetic_v<Type>
void load(ReadArchive& archive, Type& value) {
  if constexpr (std::is_same_v<Type, bool>) {
    unsigned char byte = 0;
    archive.get(&byte, 1);
    if (byte > 1) throw Undecodable();
    value = byte == 1;
  } else {
    archive.get(&value, sizeof value);
  }
}

template <class Type>
void save(WriteArchive& archive, const cereal::BinaryData<Type>& data) {
  archive.put(data.data, static_cast<std::size_t>(data.size));
}

template <class Type>
void load(ReadArchive& archive, cereal::BinaryData<Type>& data) {
  archive.get(data.data, static_cast<std::size_t>(data.size));
}

template <class Type>
void save(WriteArchive& archive, const cereal::NameValuePair<Type>& pair) {
  archive(pair.value);
}

template <class Type>
void load(ReadArchive& archive, cereal::NameValuePair<Type>& pair) {
  archive(pair.value);
}

template <class Type>
void save(WriteArchive& archive, const cereal::SizeTag<Type>& tag) {
  const std::uint64_t size = tag.size;
  archive.put(&size, sizeof size);
}

/// Elements that take no byte at all may be no more than the bytes behind them.
template <class Type>
void load(ReadArchive& archive, cereal::SizeTag<Type>& tag) {
  std::uint64_t size = 0;
  archive.get(&size, sizeof size);
  if (size > archive.left()) throw Undecodable();
  tag.size = static_cast<std::remove_reference_t<Type>>(size);
}

template <class Type>
requires(!std::is_arithmetic_v<Type>) void prologue(ReadArchive& archive, const Type&) {
  archive.enter();
}

template <class Type>
requires(!std::is_arithmetic_v<Type>) void epilogue(ReadArchive& archive, const Type&) {
  archive.leave();
}

}  // namespace squall::objects

CEREAL_SETUP_ARCHIVE_TRAITS(squall::objects::ReadArchive, squall::objects::WriteArchive)
