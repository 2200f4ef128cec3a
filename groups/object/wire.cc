#include "groups/object/wire.h"

#include <algorithm>
#include <cstring>

#include "core/base/copy.h"

namespace squall::objects {

std::string_view name(Effect effect) {
  switch (effect) {
    case Effect::no:
      return "no";
    case Effect::yes:
      return "yes";
    case Effect::unknown:
      return "unknown";
  }
  return "unknown";
}

std::optional<CallView> parse_call(Bytes message) {
  using Kind = CallHeader::Kind;
  const auto take = [&](std::uint64_t& word) {
    if (message.size() < sizeof word) return false;
    std::memcpy(&word, message.data(), sizeof word);
    message = message.subspan(sizeof word);
    return true;
  };
  CallView call;
  std::uint64_t first = 0;
  if (!take(first)) return std::nullopt;
  const auto rest = static_cast<std::uint32_t>(first >> 32);
  call.header.kind = static_cast<Kind>(first & 7);
  call.header.call = number_in(first);
  if (call.header.kind == Kind::small_update) {
    call.header.method = rest;
  } else {
    if (call.header.kind < Kind::update || call.header.kind > Kind::client_session)
      return std::nullopt;
    call.header.version = rest;
    if (!take(call.header.method)) return std::nullopt;
    if (call.header.kind >= Kind::client_update && !take(call.tag)) return std::nullopt;
  }
  call.arguments = message;
  return call;
}

namespace {

constexpr std::size_t word_bytes = sizeof(std::uint64_t);

RecordHeader load_header(const std::byte* from) {
  const std::uint64_t rest = load_word(from + 2 * word_bytes);
  RecordHeader header;
  header.call = load_word(from);
  header.what = load_word(from + word_bytes);
  header.bytes = static_cast<std::uint32_t>(rest);
  header.kind = static_cast<RecordHeader::Kind>(rest >> 32);
  header.failed = static_cast<std::uint8_t>(rest >> 40);
  header.effect = static_cast<Effect>(rest >> 48);
  header.zero = static_cast<std::uint8_t>(rest >> 56);
  return header;
}

}  // namespace

const RecordView* RecordReader::next() {
  if (!ok_ || rest_.empty()) return nullptr;
  ok_ = false;
  RecordHeader& header = record_.header;
  if (rest_.size() < sizeof header) return nullptr;
  header = load_header(rest_.data());
  const bool known =
      header.kind >= RecordHeader::Kind::reply && header.kind <= RecordHeader::Kind::replies;
  if (!known || header.failed > 1 || header.effect > Effect::unknown || header.zero != 0 ||
      header.bytes > rest_.size() - sizeof header)
    return nullptr;
  if (header.kind == RecordHeader::Kind::replies &&
      (header.what > header.bytes || header.bytes % reply_item_bytes(header.what) != 0 ||
       header.failed != 0))
    return nullptr;
  record_.body = rest_.subspan(sizeof header, header.bytes);
  rest_ = rest_.subspan(sizeof header + header.bytes);
  ok_ = true;
  return &record_;
}

void store(std::byte* to, const RecordHeader& header) {
  const std::uint64_t rest = header.bytes |
                             std::uint64_t{static_cast<std::uint8_t>(header.kind)} << 32 |
                             std::uint64_t{header.failed} << 40 |
                             std::uint64_t{static_cast<std::uint8_t>(header.effect)} << 48;
  store_word(to, header.call);
  store_word(to + word_bytes, header.what);
  store_word(to + 2 * word_bytes, rest);
}

void append_record(std::vector<std::byte>& to, RecordHeader header, Bytes body) {
  header.bytes = static_cast<std::uint32_t>(body.size());
  const std::size_t at = to.size();
  to.resize(at + sizeof header + body.size());
  std::memcpy(to.data() + at, &header, sizeof header);
  if (!body.empty()) std::memcpy(to.data() + at + sizeof header, body.data(), body.size());
}

std::byte* RecordBox::room(std::size_t bytes) {
  if (used_ + bytes > bytes_.size()) bytes_.resize(std::max(2 * bytes_.size(), used_ + bytes));
  return bytes_.data() + used_;
}

void RecordBox::append(RecordHeader header, Bytes body) {
  end_run();
  header.bytes = static_cast<std::uint32_t>(body.size());
  std::byte* const at = room(sizeof header + body.size());
  store(at, header);
  copy_words(at + sizeof header, body.data(), body.size());
  used_ += sizeof header + body.size();
}

void RecordBox::append(Bytes records) {
  end_run();
  copy_words(room(records.size()), records.data(), records.size());
  used_ += records.size();
}

void RecordBox::begin_run(std::uint64_t result_bytes, std::size_t item, std::size_t most) {
  if (run_.what == result_bytes && used_ - run_at_ + item <= most) {
    room(item);  // it was only full
    return;
  }
  end_run();
  run_at_ = used_;
  room(sizeof run_ + item);
  used_ += sizeof run_;
  run_.kind = RecordHeader::Kind::replies;
  run_.what = result_bytes;
  run_.effect = Effect::yes;
}

void RecordBox::end_run() {
  if (run_.what == no_run) return;
  run_.bytes = static_cast<std::uint32_t>(used_ - run_at_ - sizeof run_);
  std::memcpy(bytes_.data() + run_at_, &run_, sizeof run_);
  run_.what = no_run;
}

void RecordBox::drop_front(std::size_t bytes) {
  end_run();
  used_ -= bytes;
  if (used_ != 0) std::memmove(bytes_.data(), bytes_.data() + bytes, used_);
}

void encode_error(std::vector<std::byte>& to, const Error& error) {
  const auto text = [](const std::string& all) {
    return std::string_view(all).substr(0, most_error_text);
  };
  Writer writer;
  writer.put(error.code).put(text(error.what)).put(text(error.remedy));
  to.insert(to.end(), writer.bytes().begin(), writer.bytes().end());
}

Error decode_error(Bytes body) {
  Reader reader(body);
  Error error;
  error.code = reader.get<Code>();
  error.what = reader.get_string(most_error_text);
  error.remedy = reader.get_string(most_error_text);
  if (!reader.done() || error.code > Code::closed)
    return {Code::lost, "an error that does not decode", "run one version of Squall everywhere"};
  return error;
}

bool Interface::has(std::uint64_t method) const {
  return std::ranges::binary_search(methods, method, {}, &Method::id);
}

std::vector<std::byte> encode_interface(const Interface& interface) {
  Writer writer;
  writer.put(std::string_view(interface.object).substr(0, most_name_bytes));
  writer.put(interface.version);
  writer.put(static_cast<std::uint32_t>(std::min(interface.methods.size(), most_methods)));
  for (std::size_t at = 0; at < std::min(interface.methods.size(), most_methods); ++at)
    writer.put(interface.methods[at].id)
        .put(std::string_view(interface.methods[at].name).substr(0, most_name_bytes));
  return writer.take();
}

std::optional<Interface> decode_interface(Bytes body) {
  Reader reader(body);
  Interface interface;
  interface.object = reader.get_string(most_name_bytes);
  interface.version = reader.get<std::uint32_t>();
  const auto count = reader.get<std::uint32_t>();
  if (count > most_methods) return std::nullopt;
  for (std::uint32_t at = 0; at < count && reader.ok(); ++at) {
    const auto id = reader.get<std::uint64_t>();
    interface.methods.push_back({id, reader.get_string(most_name_bytes)});
  }
  if (!reader.done() || !std::ranges::is_sorted(interface.methods, {}, &Interface::Method::id))
    return std::nullopt;
  return interface;
}

}  // namespace squall::objects
