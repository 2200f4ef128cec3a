#include "providers/mixed/mixed_address.h"

#include <algorithm>

#include "core/base/bytes.h"

namespace squall::mixed {
namespace {

// Grows with every change of this form, or of what mixed peers say to each other.
constexpr std::uint32_t version = 0x31786d53;  // "Smx1"

}  // namespace

Digest::Value host_digest(std::string_view identity) {
  return Digest().update(as_bytes(identity)).value();
}

std::string encode(const Address& address) {
  Writer writer;
  writer.put(version);
  for (const std::byte byte : address.host) writer.put(static_cast<std::uint8_t>(byte));
  writer.put(static_cast<std::uint8_t>(address.parts.size()));
  for (const Address::Part& part : address.parts)
    writer.put(std::string_view(part.fabric)).put(std::string_view(part.address));
  const std::string_view text = as_text(writer.bytes());
  return text.size() <= Address::most_bytes ? std::string(text) : std::string();
}

std::optional<Address> decode_address(std::string_view text) {
  if (text.size() > Address::most_bytes) return std::nullopt;
  Reader reader(as_bytes(text));
  Address address;
  if (reader.get<std::uint32_t>() != version) return std::nullopt;
  for (std::byte& byte : address.host) byte = static_cast<std::byte>(reader.get<std::uint8_t>());
  const auto count = reader.get<std::uint8_t>();
  if (count == 0 || count > Address::most_parts) return std::nullopt;
  for (std::uint8_t i = 0; i < count; ++i) {
    Address::Part part;
    part.fabric = reader.get_string(Address::most_name_bytes);
    part.address = reader.get_string(Address::most_bytes);
    if (part.fabric.empty() || std::ranges::find(address.parts, part.fabric,
                                                 &Address::Part::fabric) != address.parts.end())
      return std::nullopt;
    address.parts.push_back(std::move(part));
  }
  if (!reader.done()) return std::nullopt;
  return address;
}

}  // namespace squall::mixed
