#include "groups/client/wire.h"

#include <algorithm>
#include <cstring>

#include "core/fabric/rendezvous_wire.h"

namespace squall::clients {
namespace {

constexpr std::size_t most_name_bytes = fabric::Limits::name_bytes;
constexpr std::size_t most_names = 1024;

bool well_formed(const RecordHeader& header) {
  return header.kind >= RecordHeader::Kind::hello && header.kind <= RecordHeader::Kind::pong &&
         header.flag <= 1 && header.effect <= Effect::unknown && header.zero == 0 &&
         header.zero_too == 0;
}

}  // namespace

void Stream::feed(Bytes word) {
  if (!ok_) return;
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_));
  at_ = 0;
  buffer_.insert(buffer_.end(), word.begin(), word.end());
}

std::optional<RecordView> Stream::next() {
  const Bytes rest = Bytes(buffer_).subspan(at_);
  RecordView record;
  if (!ok_ || rest.size() < sizeof record.header) return std::nullopt;
  std::memcpy(&record.header, rest.data(), sizeof record.header);
  ok_ = well_formed(record.header) && record.header.bytes <= most_body_;
  if (!ok_ || record.header.bytes > rest.size() - sizeof record.header) return std::nullopt;
  record.body = rest.subspan(sizeof record.header, record.header.bytes);
  at_ += sizeof record.header + record.header.bytes;
  return record;
}

void append(std::vector<std::byte>& to, RecordHeader header, Bytes body) {
  header.bytes = static_cast<std::uint32_t>(body.size());
  const auto* const first = reinterpret_cast<const std::byte*>(&header);
  to.insert(to.end(), first, first + sizeof header);
  to.insert(to.end(), body.begin(), body.end());
}

bool begins_client(Bytes word) {
  RecordHeader header;
  if (word.size() < sizeof header) return false;
  std::memcpy(&header, word.data(), sizeof header);
  return header.kind == RecordHeader::Kind::hello && header.what == magic;
}

std::vector<std::byte> encode(const Opening& opening) {
  Writer to;
  to.put(std::string_view(opening.group).substr(0, most_name_bytes));
  to.put(opening.shard).put(opening.version);
  to.put(std::string_view(opening.object).substr(0, most_name_bytes));
  return to.take();
}

std::optional<Opening> decode_opening(Bytes body) {
  Reader from(body);
  Opening opening;
  opening.group = from.get_string(most_name_bytes);
  opening.shard = from.get<std::uint32_t>();
  opening.version = from.get<std::uint32_t>();
  opening.object = from.get_string(most_name_bytes);
  if (!from.done()) return std::nullopt;
  return opening;
}

std::vector<std::byte> encode(const Away& away) {
  std::vector<std::byte> error;
  objects::encode_error(error, away.why);
  Writer to;
  to.put(Bytes(error));
  const std::size_t count = std::min(away.members.size(), most_names);
  to.put(static_cast<std::uint32_t>(count));
  for (std::size_t at = 0; at < count; ++at)
    to.put(std::string_view(away.members[at]).substr(0, most_name_bytes));
  return to.take();
}

std::optional<Away> decode_away(Bytes body) {
  Reader from(body);
  Away away;
  away.why = objects::decode_error(from.get_bytes(4 * objects::most_error_text));
  const auto printable = [](const std::string& text) {
    return fabric::printable(text, objects::most_error_text);
  };
  away.why.what = printable(away.why.what);
  away.why.remedy = printable(away.why.remedy);
  const auto count = from.get<std::uint32_t>();
  if (count > most_names) return std::nullopt;
  for (std::uint32_t at = 0; at < count && from.ok(); ++at)
    away.members.push_back(printable(from.get_string(most_name_bytes)));
  if (!from.done()) return std::nullopt;
  return away;
}

}  // namespace squall::clients
