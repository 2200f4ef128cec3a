#include "core/multicast/codec.h"

#include <algorithm>

namespace squall::multicast {

std::size_t Codecs::overhead() const {
  std::size_t bytes = 0;
  for (const auto& codec : codecs_) bytes += codec->overhead();
  return bytes;
}

Bytes Codecs::encode(Bytes message, Scratch& scratch) const {
  scratch.resize(std::max(scratch.size(), codecs_.size()));
  for (std::size_t at = codecs_.size(); at-- > 0;)
    message = codecs_[at]->encode(message, scratch[at]);
  return message;
}

void Codecs::encode_in_place(MutableBytes whole) const {
  std::size_t bytes = whole.size() - overhead();
  for (std::size_t at = codecs_.size(); at-- > 0;) {
    bytes += codecs_[at]->overhead();
    codecs_[at]->encode_in_place(whole.first(bytes));
  }
}

std::optional<Bytes> Codecs::decode(Bytes encoded, std::size_t most_bytes, Scratch& scratch) const {
  scratch.resize(std::max(scratch.size(), codecs_.size()));
  // What lies between two codecs is longer than the message by what those above may add.
  std::size_t above = overhead();
  for (std::size_t at = 0; at < codecs_.size(); ++at) {
    above -= codecs_[at]->overhead();
    const auto decoded = codecs_[at]->decode(encoded, most_bytes + above, scratch[at]);
    if (!decoded) return std::nullopt;
    encoded = *decoded;
  }
  if (encoded.size() > most_bytes) return std::nullopt;
  return encoded;
}

}  // namespace squall::multicast
