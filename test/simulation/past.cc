#include "test/simulation/past.h"

#include <cstring>

namespace squall::scenarios {
namespace {

void put(std::vector<std::byte>& bytes, std::uint64_t value) {
  bytes.insert(bytes.end(), sizeof value, std::byte{0});
  std::memcpy(bytes.data() + bytes.size() - sizeof value, &value, sizeof value);
}

std::uint64_t take(Bytes& bytes) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes = bytes.subspan(sizeof value);
  return value;
}

}  // namespace

void Past::deliver(std::uint64_t position, const checker::Process& sender, Bytes message) {
  std::vector<std::byte> link;
  for (const std::uint64_t value :
       {chain, position, raw(sender.node), raw(sender.incarnation), checker::digest(message)})
    put(link, value);
  chain = checker::digest(link);
  version = position + 1;
  ++counts[sender];
}

std::uint64_t Past::count_of(const checker::Process& sender) const {
  const auto found = counts.find(sender);
  return found == counts.end() ? 0 : found->second;
}

std::vector<std::byte> Past::encode() const {
  std::vector<std::byte> bytes;
  put(bytes, version);
  put(bytes, chain);
  put(bytes, counts.size());
  for (const auto& [sender, count] : counts) {
    put(bytes, raw(sender.node));
    put(bytes, raw(sender.incarnation));
    put(bytes, count);
  }
  return bytes;
}

Result<Past> Past::decode(Bytes& bytes) {
  constexpr std::size_t word = sizeof(std::uint64_t);
  Past past;
  if (bytes.size() < 3 * word) return fail(Code::invalid, "a past that is cut short");
  past.version = take(bytes);
  past.chain = take(bytes);
  const std::uint64_t senders = take(bytes);
  if (bytes.size() / (3 * word) < senders) return fail(Code::invalid, "a past that is cut short");
  for (std::uint64_t left = senders; left > 0; --left) {
    checker::Process sender;
    sender.node = NodeId{take(bytes)};
    sender.incarnation = Incarnation{take(bytes)};
    past.counts[sender] = take(bytes);
  }
  return past;
}

}  // namespace squall::scenarios
