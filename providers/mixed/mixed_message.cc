#include "providers/mixed/mixed_message.h"

#include <cstring>

namespace squall::mixed {

Frame encode(const Header& header, Bytes body) {
  auto frame = std::make_shared<std::vector<std::byte>>(Header::wire_bytes + body.size());
  const std::uint64_t words[]{static_cast<std::uint64_t>(header.kind), header.number,
                              header.acknowledged};
  static_assert(sizeof words == Header::wire_bytes);
  std::memcpy(frame->data(), words, sizeof words);
  if (!body.empty()) std::memcpy(frame->data() + sizeof words, body.data(), body.size());
  return frame;
}

std::optional<Header> decode_header(Bytes frame) {
  Reader reader(frame);
  Header header;
  header.kind = reader.get<Header::Kind>();
  header.number = reader.get<std::uint64_t>();
  header.acknowledged = reader.get<std::uint64_t>();
  if (!reader.ok()) return std::nullopt;
  switch (header.kind) {
    case Header::Kind::message:
      return header;
    case Header::Kind::acknowledgement:
      if (header.number != 0 || !reader.done()) return std::nullopt;
      return header;
    case Header::Kind::moved:
      if (header.number != 0) return std::nullopt;
      return header;
    case Header::Kind::ask:
    case Header::Kind::told:
      if (!reader.done()) return std::nullopt;
      return header;
  }
  return std::nullopt;
}

void Outgoing::add(Bytes message, std::uint64_t acknowledged, std::optional<std::size_t> behind,
                   bool quiet) {
  const Header header{Header::Kind::message, number_, acknowledged};
  kept_.push_back({number_, encode(header, message), behind, quiet});
  bytes_ += message.size();
  ++number_;
}

bool Outgoing::acknowledge(std::uint64_t count) {
  // Also after a move: what was given to a link that is lost may have come.
  if (count > number_) return false;
  while (!kept_.empty() && kept_.front().number < count) {
    bytes_ -= kept_.front().frame->size() - Header::wire_bytes;
    kept_.pop_front();
    if (next_ > 0) --next_;
  }
  return true;
}

Incoming::Order Incoming::order(std::uint64_t number) const {
  if (number < count_ || held_.contains(number)) return Order::repeated;
  if (number == count_) return Order::next;
  return number - count_ < Outgoing::most_messages ? Order::early : Order::impossible;
}

void Incoming::advance(std::size_t bytes) {
  ++count_;
  owed_bytes_ += bytes;
}

bool Incoming::hold(std::uint64_t number, Bytes message) {
  if (held_bytes_ + message.size() > Outgoing::most_bytes && !held_.empty()) return false;
  held_bytes_ += message.size();
  held_.emplace(number, std::vector<std::byte>(message.begin(), message.end()));
  return true;
}

std::optional<std::vector<std::byte>> Incoming::take_held() {
  const auto first = held_.begin();
  if (first == held_.end() || first->first != count_) return std::nullopt;
  std::vector<std::byte> message = std::move(first->second);
  held_.erase(first);
  held_bytes_ -= message.size();
  advance(message.size());
  return message;
}

}  // namespace squall::mixed
