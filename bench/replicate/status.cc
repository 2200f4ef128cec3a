#include "bench/replicate/status.h"

namespace squall::replicate {
namespace {
enum class Kind : std::uint8_t { complete = 1, failed };
}  // namespace

std::vector<std::byte> encode_status(const Status& status) {
  Writer to;
  if (const auto* complete = std::get_if<Complete>(&status)) {
    to.put(Kind::complete);
    for (const std::byte byte : complete->digest) to.put(byte);
  } else {
    to.put(Kind::failed).put(std::get<Failed>(status).what.substr(0, max_status_text_bytes));
  }
  return to.take();
}

Result<Status> decode_status(Bytes message) {
  Reader from(message);
  Status status;
  const auto kind = from.get<Kind>();
  if (kind == Kind::complete) {
    Complete complete;
    for (std::byte& byte : complete.digest) byte = from.get<std::byte>();
    status = complete;
  } else if (kind == Kind::failed) {
    status = Failed{as_text(from.get_bytes(max_status_text_bytes))};
  } else {
    return fail(Code::refused, "malformed status: unknown kind");
  }
  if (!from.done()) return fail(Code::refused, "malformed status: its length is wrong");
  return status;
}

}  // namespace squall::replicate
