#include "core/engine/donor.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/log.h"

namespace squall::engine {
namespace {

// Pieces of one stream in one turn: the engine has other things to do.
constexpr int pieces_at_once = 8;

}  // namespace

Donor::Donor(std::size_t piece_bytes, Send send)
    : piece_bytes_(piece_bytes), send_(std::move(send)) {}

void Donor::hold(const Member& joiner, ViewId view, std::vector<StateSource> sources) {
  Held& held = held_.emplace_back();
  held.joiner = joiner;
  held.view = view;
  for (StateSource& source : sources) held.streams.emplace_back().source = std::move(source);
}

void Donor::release(const Member& joiner) {
  std::erase_if(held_, [&](const Held& held) { return is_same(held.joiner, joiner); });
}

void Donor::release_all_but(const View& view) {
  std::erase_if(held_, [&](const Held& held) {
    return std::ranges::none_of(view.members,
                                [&](const Member& member) { return is_same(member, held.joiner); });
  });
}

Donor::Held* Donor::find(const Member& joiner, ViewId view) {
  for (Held& held : held_)
    if (is_same(held.joiner, joiner) && held.view == view) return &held;
  return nullptr;
}

void Donor::requested(const Member& joiner, const StateRequest& request) {
  Held* held = find(joiner, request.view);
  if (held == nullptr) {
    // Said at once: there is no stream that it could wait in.
    StatePiece none{StatePiece::Kind::none, request.view, request.channel, request.offset, {}};
    static_cast<void>(send_(joiner, none));
    return;
  }
  if (request.channel >= held->streams.size() || !held->streams[request.channel].source)
    return refuse(*held, request.channel, StatePiece::Kind::none, request.offset);
  Stream& stream = held->streams[request.channel];
  if (request.offset > stream.produced) {
    // Another member has sent so far.
    stream.skip = request;
    stream.window.clear();
    return;
  }
  while (!stream.window.empty() && !stream.window.front().last &&
         stream.window.front().offset + stream.window.front().bytes.size() <= request.offset)
    stream.window.pop_front();
  const std::uint64_t oldest =
      stream.window.empty() ? stream.produced : stream.window.front().offset;
  if (request.offset < oldest)
    return refuse(*held, request.channel, StatePiece::Kind::none, request.offset);
  if (request.again) {
    stream.sent = request.offset;
    stream.last_sent = false;
  }
  stream.limit = std::max(stream.limit, request.limit);
}

bool Donor::turn() {
  bool worked = false;
  for (Held& held : held_) {
    while (!held.answers.empty() && send_(held.joiner, held.answers.front())) {
      held.answers.pop_front();
      worked = true;
    }
    for (std::uint32_t channel = 0; channel < held.streams.size(); ++channel)
      worked |= turn(held, channel);
  }
  return worked;
}

bool Donor::turn(Held& held, std::uint32_t channel) {
  Stream& stream = held.streams[channel];
  if (stream.skip) return skip(held, channel);
  bool worked = false;
  for (int count = 0; count < pieces_at_once && stream.sent < stream.limit && !stream.last_sent;
       ++count) {
    auto next = std::ranges::find_if(stream.window, [&](const Piece& piece) {
      return piece.offset == stream.sent && !(piece.bytes.empty() && !piece.last);
    });
    if (next == stream.window.end()) {
      auto piece = produce(stream, piece_bytes_);
      if (!piece) {
        refuse(held, channel, StatePiece::Kind::none, stream.sent);
        break;
      }
      if (piece->bytes.empty() && !piece->last) break;  // not yet
      stream.window.push_back(std::move(*piece));
      next = stream.window.end() - 1;
    }
    const StatePiece piece{next->last ? StatePiece::Kind::last : StatePiece::Kind::bytes, held.view,
                           channel, next->offset, next->bytes};
    if (!send_(held.joiner, piece)) break;
    stream.sent += next->bytes.size();
    stream.last_sent = next->last;
    worked = true;
  }
  return worked;
}

bool Donor::skip(Held& held, std::uint32_t channel) {
  Stream& stream = held.streams[channel];
  for (int count = 0; count < pieces_at_once && stream.produced < stream.skip->offset; ++count) {
    const std::uint64_t missing = stream.skip->offset - stream.produced;
    const auto piece = produce(stream, std::min<std::uint64_t>(piece_bytes_, missing));
    if (piece && piece->bytes.empty() && !piece->last) return false;
    if (piece && !stream.ended) continue;
    // It failed, or the state here is shorter.
    refuse(held, channel, piece ? StatePiece::Kind::different : StatePiece::Kind::none,
           stream.skip->offset);
    stream.skip.reset();
    return true;
  }
  if (stream.produced < stream.skip->offset) return true;
  if (stream.digest.value() != stream.skip->digest)
    refuse(held, channel, StatePiece::Kind::different, stream.skip->offset);
  stream.sent = stream.produced;
  stream.limit = stream.skip->limit;
  stream.skip.reset();
  return true;
}

std::optional<Donor::Piece> Donor::produce(Stream& stream, std::size_t most) {
  Piece piece;
  piece.offset = stream.produced;
  piece.bytes.resize(stream.ended ? 0 : most);
  std::size_t filled = 0;
  while (!stream.ended && filled < most) {
    const auto more = stream.source(MutableBytes(piece.bytes).subspan(filled));
    if (!more && more.error().code == Code::would_block) {
      piece.bytes.resize(filled);
      stream.produced += filled;
      stream.digest.update(piece.bytes);
      return piece;
    }
    if (!more) {
      log(Level::warning, "the state for a joiner cannot be read: {}", more.error().text());
      return std::nullopt;
    }
    if (*more == 0) break;
    filled += std::min(*more, most - filled);
  }
  if (filled < most) stream.ended = true;
  piece.bytes.resize(filled);
  piece.last = stream.ended;
  stream.produced += filled;
  stream.digest.update(piece.bytes);
  return piece;
}

void Donor::refuse(Held& held, std::uint32_t channel, StatePiece::Kind kind, std::uint64_t offset) {
  held.answers.push_back({kind, held.view, channel, offset, {}});
}

}  // namespace squall::engine
