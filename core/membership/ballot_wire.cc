#include "core/membership/ballot_wire.h"

#include <fmt/format.h>

#include <utility>

#include "core/base/assert.h"

namespace squall::membership {
namespace {

using Kind = Message::Kind;

/// Which fields a kind carries.
struct Carries {
  bool ballot = false;
  bool other = false;
  bool frozen = false;
  bool change = false;
};

/// nullopt: no such kind.
std::optional<Carries> carries(Kind kind, Ballot other) {
  switch (kind) {
    case Kind::prepare:
    case Kind::accepted:
      return Carries{.ballot = true};
    case Kind::promise:
      return Carries{.ballot = true, .other = true, .frozen = true, .change = other != 0};
    case Kind::accept:
      return Carries{.ballot = true, .change = true};
    case Kind::refused:
      return Carries{.ballot = true, .other = true};
    case Kind::ask:
      return Carries{};
    case Kind::decided:
      return Carries{.change = true};
  }
  return std::nullopt;
}

tl::unexpected<Error> wrong(std::string_view what) {
  return fail(Code::invalid, fmt::format("a ballot message {}", what));
}

}  // namespace

std::vector<std::byte> encode(const Message& message) {
  const auto fields = carries(message.kind, message.other);
  SQUALL_ASSERT(fields && fields->change == message.change.has_value(),
                "a ballot message carries what its kind says");
  Writer to;
  to.put(message.kind).put(message.view);
  if (fields->ballot) to.put(message.ballot);
  if (fields->other) to.put(message.other);
  if (fields->frozen) encode(to, message.frozen);
  if (fields->change) encode(to, *message.change);
  return to.take();
}

Result<Message> decode_message(Bytes bytes) {
  Reader from(bytes);
  Message message;
  message.kind = from.get<Kind>();
  message.view = from.get<ViewId>();
  if (!carries(message.kind, 0)) return wrong("of an unknown kind");
  if (carries(message.kind, 0)->ballot) {
    message.ballot = from.get<Ballot>();
    if (message.ballot == 0 || message.ballot > max_ballot) return wrong("of an impossible ballot");
  }
  if (carries(message.kind, 0)->other) {
    message.other = from.get<Ballot>();
    if (message.other > max_ballot) return wrong("that names an impossible ballot");
  }
  const Carries fields = *carries(message.kind, message.other);
  if (fields.frozen) {
    auto frozen = decode_frozen(from);
    if (!frozen) return tl::unexpected(frozen.error());
    message.frozen = std::move(*frozen);
  }
  if (fields.change) {
    auto change = decode_change(from);
    if (!change) return tl::unexpected(change.error());
    if (raw(change->next.id) != raw(message.view) + 1) return wrong("that skips a view");
    message.change = std::move(*change);
  }
  if (!from.done()) return wrong("is cut short, or has bytes left over");
  return message;
}

}  // namespace squall::membership
