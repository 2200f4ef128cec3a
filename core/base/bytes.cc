#include "core/base/bytes.h"

#include <cstring>

namespace squall {

Writer& Writer::put(Bytes bytes) {
  put(static_cast<std::uint32_t>(bytes.size()));
  append(bytes.data(), bytes.size());
  return *this;
}

void Writer::append(const void* from, std::size_t size) {
  const auto* first = static_cast<const std::byte*>(from);
  bytes_.insert(bytes_.end(), first, first + size);
}

void Reader::take(void* to, std::size_t size) {
  if (rest_.size() < size) {
    failed_ = true;
    rest_ = {};
    return;
  }
  std::memcpy(to, rest_.data(), size);
  rest_ = rest_.subspan(size);
}

Bytes Reader::get_bytes(std::size_t limit) {
  const auto size = get<std::uint32_t>();
  if (failed_ || size > limit || size > rest_.size()) {
    failed_ = true;
    rest_ = {};
    return {};
  }
  const Bytes run = rest_.first(size);
  rest_ = rest_.subspan(size);
  return run;
}

std::string Reader::get_string(std::size_t limit) {
  return std::string(as_text(get_bytes(limit)));
}

}  // namespace squall
