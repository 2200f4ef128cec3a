#include "core/membership/admission_wire.h"

#include <algorithm>

#include "core/base/rank_set.h"
#include "core/fabric/rendezvous_wire.h"

namespace squall::membership {
namespace {

void put(Writer& to, const Secret& secret) {
  for (const std::byte byte : secret) to.put(byte);
}
Secret get_secret(Reader& from) {
  Secret secret;
  for (std::byte& byte : secret) byte = from.get<std::byte>();
  return secret;
}

tl::unexpected<Error> garbled() {
  return fail(Code::invalid, "a word of admission is garbled, cut short, or over a limit");
}

}  // namespace

std::vector<std::byte> encode(const Word& word) {
  Writer to;
  to.put(word.kind);
  switch (word.kind) {
    case Word::Kind::request:
      put(to, word.secret);
      to.put(Bytes(word.credentials));
      break;
    case Word::Kind::pending:
      to.put(std::string_view(word.text).substr(0, AdmissionLimits::text_bytes));
      break;
    case Word::Kind::admitted:
      to.put(std::string_view(word.provider)).put(word.view.id).put(word.view.size());
      for (Rank rank = 0; rank < word.view.size(); ++rank) {
        encode(to, word.view.members[rank]);
        to.put(std::string_view(word.members[rank].fabric_address));
        to.put(std::string_view(word.members[rank].host));
        put(to, word.members[rank].ticket);
      }
      encode(to, word.view.seating);
      break;
  }
  return to.take();
}

Result<Word> decode_word(Bytes bytes) {
  Reader from(bytes);
  Word word;
  word.kind = from.get<Word::Kind>();
  if (word.kind == Word::Kind::request) {
    word.secret = get_secret(from);
    const Bytes credentials = from.get_bytes(AdmissionLimits::credentials_bytes);
    word.credentials.assign(credentials.begin(), credentials.end());
  } else if (word.kind == Word::Kind::pending) {
    word.text = fabric::printable(from.get_string(AdmissionLimits::text_bytes),
                                  AdmissionLimits::text_bytes);
  } else if (word.kind == Word::Kind::admitted) {
    word.provider = from.get_string(AdmissionLimits::provider_bytes);
    word.view.id = from.get<ViewId>();
    const auto members = from.get<Rank>();
    if (members > max_members) return garbled();
    for (Rank rank = 0; rank < members && from.ok(); ++rank) {
      word.view.members.push_back(decode_member(from));
      Access access;
      access.fabric_address = from.get_string(ChangeLimits::address_bytes);
      access.host = from.get_string(ChangeLimits::host_bytes);
      access.ticket = get_secret(from);
      word.members.push_back(std::move(access));
    }
    word.view.seating = decode_seating(from);
    if (!check_seating(word.view)) return garbled();
  } else {
    return garbled();
  }
  if (!from.done()) return garbled();
  return word;
}

}  // namespace squall::membership
