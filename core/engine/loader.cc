#include "core/engine/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/assert.h"

namespace squall::engine {

Loader::Loader(std::size_t channels, Duration patience)
    : patience_(patience), channels_(channels) {}

void Loader::want(std::uint32_t channel, ViewId view) {
  Channel& wanted = channels_[channel];
  if (wanted.open && !wanted.load) return;
  if (!wanted.view) ++wanted_;
  wanted.view = view;
  if (!current_) next_channel();
}

void Loader::forgo(std::uint32_t channel) {
  settle(channels_[channel]);
  if (current_ == channel) next_channel();
}

/// Its state is here, or not wanted any more.
void Loader::settle(Channel& channel) {
  if (!channel.view) return;
  channel.view.reset();
  --wanted_;
}

void Loader::open(std::uint32_t channel, std::function<Result<>(Bytes, bool)> load) {
  Channel& opened = channels_[channel];
  if (std::exchange(opened.open, true)) return;
  opened.load = std::move(load);
  if (!opened.load) settle(opened);
  if (!current_) next_channel();
}

void Loader::next_channel() {
  current_.reset();
  for (std::uint32_t channel = 0; channel < channels_.size() && !current_; ++channel)
    if (channels_[channel].open && channels_[channel].view) current_ = channel;
  offset_ = limit_ = 0;
  digest_.emplace();
  // Who had the one may not have the other.
  donor_.reset();
  refused_ = {};
  differs_ = false;
  ask_at_ = {};
  again_ = false;
}

std::optional<Loader::Outgoing> Loader::turn(Time now, const RankSet& heard,
                                             const RankSet& others) {
  if (!current_ || failure_ || now < ask_at_) return std::nullopt;
  if (donor_ && (!heard.contains(*donor_) || (again_ && now >= heard_at_ + 4 * patience_)))
    drop_donor(false);
  if (!donor_) {
    const RankSet able = heard - refused_;
    if (able.empty()) {
      if (!(others - refused_).empty()) {  // somebody may come into sight again
        ask_at_ = now + patience_;
        return std::nullopt;
      }
      failure_ = Error{
          Code::lost,
          differs_ ? "no member that is left has the same state as the one that sent its beginning"
                   : "no member is left that could send the group's state",
          differs_ ? "let equal states be saved as equal bytes; start this member again"
                   : "start this member again"};
      return std::nullopt;
    }
    while (!able.contains(next_donor_)) next_donor_ = (next_donor_ + 1) % max_members;
    donor_ = next_donor_;
    heard_at_ = now;
    again_ = offset_ != 0 || limit_ != 0;
  }
  limit_ = offset_ + window_bytes;
  StateRequest request{*channels_[*current_].view, *current_, offset_, limit_, digest_->value(),
                       std::exchange(again_, true)};
  ask_at_ = now + patience_;
  return Outgoing{*donor_, request};
}

void Loader::received(Rank from, const StatePiece& piece, Time now) {
  if (failure_ || !current_ || piece.channel != *current_ || from != donor_ ||
      piece.view != channels_[*current_].view)
    return;
  using Kind = StatePiece::Kind;
  if (piece.kind == Kind::none || piece.kind == Kind::different) {
    differs_ |= piece.kind == Kind::different;
    return drop_donor(true);
  }
  if (piece.offset != offset_) return;  // repeated, or something before it was lost
  heard_at_ = now;
  ask_at_ = now + patience_;
  if (auto loaded = channels_[*current_].load(piece.bytes, piece.kind == Kind::last); !loaded) {
    failure_ = loaded.error();
    return;
  }
  digest_->update(piece.bytes);
  offset_ += piece.bytes.size();
  if (piece.kind == Kind::last) {
    settle(channels_[*current_]);
    return next_channel();
  }
  if (limit_ - offset_ <= window_bytes / 2) {
    // Ask for more in good time, and not for what is on its way.
    ask_at_ = now;
    again_ = false;
  }
}

void Loader::drop_donor(bool refused) {
  if (refused) refused_.insert(*donor_);
  next_donor_ = (*donor_ + 1) % max_members;
  donor_.reset();
  ask_at_ = {};
}

void Loader::view_changed(std::optional<Rank> donor) {
  if (donor_ != donor) again_ = true;
  donor_ = donor;
  next_donor_ = donor.value_or(0);
  // Who had refused has another rank now, and refuses again.
  refused_ = {};
  ask_at_ = {};
}

}  // namespace squall::engine
