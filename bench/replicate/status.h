#pragma once
// What a member tells the others at its end, in the `status` group: that it holds everything, with
// the digest, or that it failed and why.

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/digest.h"
#include "core/base/error.h"

namespace squall::replicate {

struct Complete {
  Digest::Value digest{};
};
struct Failed {
  std::string_view what;
};
using Status = std::variant<Complete, Failed>;

/// A longer text is cut.
inline constexpr std::size_t max_status_text_bytes = 1024;

/// Who holds everything, by name.
using Completes = std::map<std::string, Digest::Value>;

/// For who joins: what was said before.
std::vector<std::byte> encode_completes(const Completes& completes);
Result<Completes> decode_completes(Bytes state);

std::vector<std::byte> encode_status(const Status& status);
/// Code::refused for anything else; views into `message`.
Result<Status> decode_status(Bytes message);

}  // namespace squall::replicate
