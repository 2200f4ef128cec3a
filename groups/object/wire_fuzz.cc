// Hostile bytes from a peer where calls, replies and interfaces are expected: each parser takes
// them or refuses them, and what it takes lies within what came. Then the same as arguments and as
// state of every kind of type, by the code that replicas run.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "groups/object/codec.h"
#include "groups/object/sessions.h"
#include "groups/object/wire.h"

namespace {

using namespace squall;
using namespace squall::objects;

struct Tree {
  std::uint8_t value = 0;
  std::vector<Tree> children;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value, children);
  }
};

bool within(Bytes part, Bytes all) {
  return part.empty() ||
         (part.data() >= all.data() && part.data() + part.size() <= all.data() + all.size());
}

/// Whatever decodes comes back the same when it is encoded.
template <class Type>
void decode_one(Bytes from) {
  try {
    Decoder decoder(from);
    const auto value = decode<Type>(decoder);
    std::vector<std::byte> again;
    Encoder encoder(again);
    encode(encoder, value);
    Decoder second(again);
    static_cast<void>(decode<Type>(second));
    SQUALL_ASSERT(second.left() == 0, "what was encoded decodes whole");
  } catch (const Undecodable&) {
  } catch (const std::exception&) {
    // cereal's own.
  }
}

void parse_records(Bytes message) {
  RecordReader reader(message);
  std::size_t taken = 0;
  while (const auto* record = reader.next()) {
    SQUALL_ASSERT(within(record->body, message), "a record lies within its message");
    if (record->header.kind == RecordHeader::Kind::replies)
      SQUALL_ASSERT(record->body.size() % reply_item_bytes(record->header.what) == 0,
                    "replies are whole");
    taken += sizeof(RecordHeader) + record->body.size();
    static_cast<void>(decode_error(record->body));
    if (const auto interface = decode_interface(record->body))
      SQUALL_ASSERT(decode_interface(encode_interface(*interface)) == interface,
                    "an interface comes back");
  }
  SQUALL_ASSERT(taken <= message.size() && (!reader.ok() || taken == message.size()),
                "all of it is records, or it is refused");
}

/// As a part of the state that a joiner loads.
void load_sessions(Bytes from, const SessionHeader& update) {
  Sessions sessions;
  if (!sessions.load(from)) {
    SQUALL_ASSERT(sessions.size() == 0, "what is no table leaves none");
    return;
  }
  const auto saved = sessions.save();
  SQUALL_ASSERT(std::ranges::equal(saved, from), "a table has one form");
  static_cast<void>(sessions.judge(update));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes all{reinterpret_cast<const std::byte*>(data), size};
  if (auto call = parse_call(all)) {
    SQUALL_ASSERT(within(call->arguments, all), "arguments lie within their message");
    const auto session = take_session(call->arguments);
    SQUALL_ASSERT(within(call->arguments, all), "behind a session, too");
    if (session) load_sessions(call->arguments, *session);
  }
  parse_records(all);
  load_sessions(all, {});
  static_cast<void>(decode_error(all));
  if (const auto interface = decode_interface(all))
    SQUALL_ASSERT(decode_interface(encode_interface(*interface)) == interface,
                  "an interface comes back");
  decode_one<bool>(all);
  decode_one<std::string>(all);
  decode_one<std::vector<std::byte>>(all);
  decode_one<std::vector<std::string>>(all);
  decode_one<std::map<std::string, std::vector<std::uint16_t>>>(all);
  decode_one<std::optional<std::tuple<std::uint32_t, std::string>>>(all);
  decode_one<Tree>(all);
  return 0;
}
