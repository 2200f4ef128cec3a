#include "bench/replicate/status.h"

namespace squall::replicate {
namespace {
enum class Outcome : std::uint8_t { complete = 1, failed };

void put(Writer& to, const Digest::Value& digest) {
  for (const std::byte byte : digest) to.put(byte);
}
Digest::Value get_digest(Reader& from) {
  Digest::Value digest{};
  for (std::byte& byte : digest) byte = from.get<std::byte>();
  return digest;
}
}  // namespace

std::vector<std::byte> encode_status(const Status& status) {
  Writer to;
  if (const auto* complete = std::get_if<Complete>(&status)) {
    to.put(Outcome::complete);
    put(to, complete->digest);
  } else {
    to.put(Outcome::failed).put(std::get<Failed>(status).what.substr(0, max_status_text_bytes));
  }
  return to.take();
}

Result<Status> decode_status(Bytes message) {
  Reader from(message);
  Status status;
  const auto kind = from.get<Outcome>();
  if (kind == Outcome::complete) {
    status = Complete{get_digest(from)};
  } else if (kind == Outcome::failed) {
    status = Failed{as_text(from.get_bytes(max_status_text_bytes))};
  } else {
    return fail(Code::refused, "malformed status: unknown kind");
  }
  if (!from.done()) return fail(Code::refused, "malformed status: its length is wrong");
  return status;
}

std::vector<std::byte> encode_completes(const Completes& completes) {
  Writer to;
  for (const auto& [name, digest] : completes) {
    to.put(std::string_view(name));
    put(to, digest);
  }
  return to.take();
}

Result<Completes> decode_completes(Bytes state) {
  Reader from(state);
  Completes completes;
  while (from.ok() && !from.rest().empty()) {
    std::string name = from.get_string(max_status_text_bytes);
    completes[std::move(name)] = get_digest(from);
  }
  if (!from.ok()) return fail(Code::refused, "malformed state: its length is wrong");
  return completes;
}

}  // namespace squall::replicate
