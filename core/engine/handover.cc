#include "core/engine/handover.h"

#include <algorithm>
#include <functional>
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

Handover::Handover(Control& control, std::size_t channels, std::size_t most_message_bytes)
    : control_(control),
      hooks_(channels),
      open_(channels),
      donor_(
          piece_bytes(most_message_bytes),
          [this](const Member& joiner, const StatePiece& piece) { return send(joiner, piece); }) {}

void Handover::opened(std::size_t channel) {
  if (open_[channel]) return;
  open_[channel] = true;
  if (loader_) loader_->open(static_cast<std::uint32_t>(channel), hooks_[channel].load);
}

void Handover::joined(ViewId view, Duration patience) {
  loader_.emplace(view, hooks_.size(), patience);
}

const Upcalls& Handover::kept_upcalls(const Upcalls& application) {
  keeping_.resize(application.size());
  for (std::size_t channel = 0; channel < application.size(); ++channel)
    if (application[channel] && !keeping_[channel])
      keeping_[channel] = [this, channel](const multicast::Delivery& message) {
        backlog_.add(channel, message);
      };
  return keeping_;
}

const std::optional<Error>& Handover::failure() const {
  static const std::optional<Error> none;
  return loader_ ? loader_->failure() : none;
}

void Handover::save_for(const membership::Change& change, bool late) {
  // Who has no state yet has none to give.
  if (arriving()) return;
  for (const membership::Joiner& joiner : change.joiners) {
    std::vector<StateSource> sources;
    for (const StateHooks& hooks : hooks_)
      sources.push_back(!hooks.save ? StateSource{} : late ? when_asked(hooks.save) : hooks.save());
    donor_.hold(joiner.member, change.next.id, std::move(sources));
  }
}

void Handover::view_changed(const View& from, const View& to) {
  donor_.release_all_but(to);
  if (!loader_) return;
  std::optional<Rank> donor = loader_->donor();
  if (donor) donor = to.rank_of(from.members[*donor].id);
  loader_->view_changed(donor);
}

void Handover::on_request(const Member& from, Bytes message) {
  const auto request = decode_state_request(message);
  if (!request) return log(Level::warning, "{}: {}", from.name, request.error().text());
  donor_.requested(from, *request);
}

void Handover::on_piece(Rank from, Bytes message, Time now) {
  const auto piece = decode_state_piece(message);
  if (!piece) return log(Level::warning, "rank {}: {}", from, piece.error().text());
  if (loader_) loader_->received(from, *piece, now);
}

bool Handover::send(const Member& joiner, const StatePiece& piece) {
  return control_.send_bulk(joiner, Control::Kind::state_piece, encode(piece));
}

bool Handover::turn(Time now, const View& view, const RankSet& heard, const RankSet& others,
                    const Upcalls& application, const Install& install) {
  bool worked = donor_.holds_anything() && donor_.turn();
  if (!loader_) return worked;
  if (auto ask = loader_->turn(now, heard, others)) {
    control_.send_bulk(view.members[ask->to], Control::Kind::state_request, encode(ask->request));
    worked = true;
  }
  if (loader_->loading() || backlog_.empty()) return worked;
  backlog_.drain(
      drained_at_once,
      [&](std::size_t channel, const multicast::Delivery& message) {
        application[channel](message);
      },
      [&](const Installed& installed) {
        if (install) install(installed);
      });
  return true;
}

}  // namespace squall::engine
