#pragma once
// What a process that wants to join and the member that it asks say to each other, and its wire
// form. It travels as words of a rendezvous visit (core/fabric/rendezvous.h), whose handshake has
// checked wire version, layout and name before, and said who asks and how it is reached.

#include <cstddef>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/view.h"
#include "core/membership/change.h"

namespace squall::membership {

struct AdmissionLimits {
  static constexpr std::size_t credentials_bytes = 4096;
  static constexpr std::size_t text_bytes = 512;
  static constexpr std::size_t provider_bytes = 64;
};

/// How to reach a member of the view, and what only both of you know.
struct Access {
  std::string fabric_address;
  std::string host;  ///< equal for members of one host
  Secret ticket{};

  friend bool operator==(const Access&, const Access&) = default;
};

struct Word {
  enum class Kind : std::uint8_t {
    request = 1,  ///< joiner: admit me; `secret`, `credentials`
    pending,      ///< member: you wait; `text` says for what. Again and again, as a sign of life
    admitted,     ///< member: you are in `view`
  };
  Kind kind{};
  Secret secret{};
  std::vector<std::byte> credentials{};  ///< for whatever checks them; opaque here
  std::string text{};
  std::string provider{};         ///< the fabric of the group
  View view{};                    ///< the first one of the joiner
  std::vector<Access> members{};  ///< by rank; the joiner's own is empty
};

/// `word` carries what its kind says, and nothing else.
std::vector<std::byte> encode(const Word& word);
/// Code::invalid: unknown kind, cut short, over a limit, or bytes left over. Texts are printable.
Result<Word> decode_word(Bytes bytes);

}  // namespace squall::membership
