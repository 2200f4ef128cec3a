#include "core/engine/handover.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "core/base/log.h"

namespace squall::engine {
namespace {

constexpr std::size_t largest_piece = std::size_t{32} << 10;
constexpr std::size_t drained_at_once = 8192;

std::size_t piece_bytes(std::size_t most_message_bytes) {
  constexpr std::size_t header = state_piece_header_bytes + 1;  // and the kind of message
  return std::min(largest_piece, most_message_bytes - header);
}

StateSource when_asked(std::function<StateSource()> save) {
  return [save = std::move(save), source = StateSource{}](MutableBytes to) mutable {
    if (!source) source = save();
    return source(to);
  };
}

}  // namespace

Handover::Handover(Control& control, std::size_t channels, std::size_t most_message_bytes,
                   Duration patience)
    : control_(control),
      hooks_(channels),
      open_(channels),
      donor_(piece_bytes(most_message_bytes),
             [this](const Member& joiner, const StatePiece& piece) { return send(joiner, piece); }),
      loader_(channels, patience) {}

void Handover::opened(std::size_t channel) {
  if (open_[channel]) return;
  open_[channel] = true;
  loader_.open(static_cast<std::uint32_t>(channel), hooks_[channel].load);
  // Nothing was kept while nobody listened.
  if (!loader_.wants(static_cast<std::uint32_t>(channel))) entering_.erase(channel);
}

void Handover::joined(ViewId view, const std::vector<std::size_t>& channels) {
  joining_ = true;
  for (const std::size_t channel : channels)
    loader_.want(static_cast<std::uint32_t>(channel), view);
}

void Handover::entered(ViewId view, std::size_t channel) {
  joining_ = joining_ && arriving();
  loader_.want(static_cast<std::uint32_t>(channel), view);
  if (!joining_ && loader_.wants(static_cast<std::uint32_t>(channel))) entering_[channel];
}

void Handover::left(std::size_t channel) {
  loader_.forgo(static_cast<std::uint32_t>(channel));
  entering_.erase(channel);
}

const Upcalls& Handover::kept_upcalls(const Upcalls& application, bool view_ends) {
  keeping_.resize(application.size());
  if (keeps()) {
    for (std::size_t channel = 0; channel < application.size(); ++channel)
      keeping_[channel] = !application[channel]
                              ? multicast::DeliverFunction()
                              : [this, channel](const multicast::Delivery& message) {
                                  backlog_.add(channel, message);
                                };
    return keeping_;
  }
  keeping_ = application;
  for (auto& [channel, backlog] : entering_) {
    if (!application[channel]) continue;
    if (backlog.full() && !view_ends)
      keeping_[channel] = nullptr;
    else
      keeping_[channel] = [&into = backlog, at = channel](const multicast::Delivery& message) {
        into.add(at, message);
      };
  }
  return keeping_;
}

void Handover::save_for(const Member& member, ViewId view, const std::vector<std::size_t>& channels,
                        bool late) {
  std::vector<StateSource> sources(hooks_.size());
  for (const std::size_t channel : channels) {
    const auto& save = hooks_[channel].save;
    if (!save)
      sources[channel] = [](MutableBytes) -> Result<std::size_t> { return 0; };
    else
      sources[channel] = late ? when_asked(save) : save();
  }
  donor_.hold(member, view, std::move(sources));
}

void Handover::view_changed(const View& from, const View& to) {
  donor_.release_all_but(to);
  std::optional<Rank> donor = loader_.donor();
  if (donor) donor = to.rank_of(from.members[*donor].id);
  loader_.view_changed(donor);
}

void Handover::on_request(const Member& from, Bytes message) {
  const auto request = decode_state_request(message);
  if (!request) return log(Level::warning, "{}: {}", from.name, request.error().text());
  donor_.requested(from, *request);
}

void Handover::on_piece(Rank from, Bytes message, Time now) {
  const auto piece = decode_state_piece(message);
  if (!piece) return log(Level::warning, "rank {}: {}", from, piece.error().text());
  loader_.received(from, *piece, now);
}

bool Handover::send(const Member& joiner, const StatePiece& piece) {
  return control_.send_bulk(joiner, Control::Kind::state_piece, encode(piece));
}

bool Handover::turn(Time now, const View& view, const RankSet& heard, const RankSet& others,
                    const Application& application) {
  bool worked = donor_.holds_anything() && donor_.turn();
  if (auto ask = loader_.turn(now, heard, others)) {
    control_.send_bulk(view.members[ask->to], Control::Kind::state_request, encode(ask->request));
    worked = true;
  }
  if (!backlog_.empty() && !loader_.loading()) {
    backlog_.drain(
        drained_at_once,
        [&](std::size_t channel, const multicast::Delivery& message) {
          application.deliver[channel](message);
        },
        application.install, application.post);
    worked = true;
  }
  if (joining_ && !arriving()) joining_ = false;
  return drain_entered(application) || worked;
}

/// What was kept of channels whose state is here.
bool Handover::drain_entered(const Application& application) {
  bool worked = false;
  for (auto at = entering_.begin(); at != entering_.end();) {
    auto& [entered, backlog] = *at;
    const std::size_t channel = entered;
    if (loader_.wants(static_cast<std::uint32_t>(channel))) {
      ++at;
      continue;
    }
    worked = true;
    backlog.drain(
        drained_at_once,
        [&](std::size_t, const multicast::Delivery& message) {
          application.deliver[channel](message);
        },
        [&](const Installed& installed) { application.install_in(channel, installed); },
        application.post);
    at = backlog.empty() ? entering_.erase(at) : std::next(at);
  }
  return worked;
}

bool Handover::keep(std::size_t channel, const Installed& installed) {
  const auto entering = entering_.find(channel);
  if (entering == entering_.end()) return false;
  entering->second.add(installed);
  return true;
}

}  // namespace squall::engine
