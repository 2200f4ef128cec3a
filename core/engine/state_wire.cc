#include "core/engine/state_wire.h"

namespace squall::engine {
namespace {

tl::unexpected<Error> garbled() {
  return fail(Code::invalid,
              "a word about a joiner's state is garbled, cut short, or over a limit");
}

}  // namespace

std::vector<std::byte> encode(const StateRequest& request) {
  Writer to;
  to.put(request.view).put(request.channel).put(request.offset).put(request.limit);
  for (const std::byte byte : request.digest) to.put(byte);
  to.put(static_cast<std::uint8_t>(request.again));
  return to.take();
}

std::vector<std::byte> encode(const StatePiece& piece) {
  Writer to;
  to.put(piece.kind).put(piece.view).put(piece.channel).put(piece.offset).put(piece.bytes);
  return to.take();
}

Result<StateRequest> decode_state_request(Bytes bytes) {
  Reader from(bytes);
  StateRequest request;
  request.view = from.get<ViewId>();
  request.channel = from.get<std::uint32_t>();
  request.offset = from.get<std::uint64_t>();
  request.limit = from.get<std::uint64_t>();
  for (std::byte& byte : request.digest) byte = from.get<std::byte>();
  const auto again = from.get<std::uint8_t>();
  if (!from.done() || again > 1 || request.limit < request.offset) return garbled();
  request.again = again == 1;
  return request;
}

Result<StatePiece> decode_state_piece(Bytes bytes) {
  Reader from(bytes);
  StatePiece piece;
  piece.kind = from.get<StatePiece::Kind>();
  piece.view = from.get<ViewId>();
  piece.channel = from.get<std::uint32_t>();
  piece.offset = from.get<std::uint64_t>();
  piece.bytes = from.get_bytes(most_state_piece_bytes);
  if (!from.done() || piece.kind < StatePiece::Kind::bytes ||
      piece.kind > StatePiece::Kind::different)
    return garbled();
  return piece;
}

}  // namespace squall::engine
