#include "core/membership/joining.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/assert.h"

namespace squall::membership {

Joining::Joining(std::vector<std::string> contacts, std::optional<Rank> self, Member me,
                 Word request, Duration patience, Rank first)
    : self_(self), me_(std::move(me)), request_(std::move(request)), patience_(patience) {
  for (std::string& name : contacts) contacts_.push_back({.name = std::move(name)});
  SQUALL_ASSERT(!contacts_.empty(), "somebody can be asked");
  current_ = first % static_cast<Rank>(contacts_.size());
}

void Joining::step(Time now) {
  if (admitted_ || refused_) return;
  if (visiting_) {
    if (now < until_) return;
    actions_.push_back({Action::Kind::dismiss, 0, line_, {}});
    return leave("does not answer", now);
  }
  if (now < ask_at_) return;
  if (alone()) return;
  if (current_ == self_) current_ = (current_ + 1) % static_cast<Rank>(contacts_.size());
  visiting_ = true;
  until_ = now + patience_;
  // What it said before is no answer to this: `nobody_has_a_group` must not rest on it.
  contacts_[current_].no_group = false;
  actions_.push_back({Action::Kind::visit, current_, 0, {}});
}

void Joining::leave(std::string why, Time now) {
  visiting_ = false;
  line_ = 0;
  until_ = never;
  contacts_[current_].heard = std::move(why);
  const auto others = static_cast<Rank>(contacts_.size()) - (self_ ? 1 : 0);
  current_ = (current_ + 1) % static_cast<Rank>(contacts_.size());
  ask_at_ = now;
  if (++asked_ < others) return;
  asked_ = 0;
  ask_at_ = now + pause_;
  pause_ = std::min(2 * pause_, last_pause);
}

void Joining::welcomed(fabric::LineId line, Time now) {
  if (!visiting_ || line != line_) return;
  until_ = now + patience_;
  actions_.push_back({Action::Kind::say, 0, line, encode(request_)});
}

void Joining::said(fabric::LineId line, Bytes bytes, Time now) {
  if (!visiting_ || line != line_) return;
  auto word = decode_word(bytes);
  const bool garbled = !word || word->kind == Word::Kind::request ||
                       (word->kind == Word::Kind::admitted && !admits_me(word->view));
  if (garbled) {
    actions_.push_back({Action::Kind::dismiss, 0, line, {}});
    return leave("says what no member would", now);
  }
  if (word->kind == Word::Kind::pending) {
    until_ = now + patience_;
    contacts_[current_].heard = word->text.empty() ? "has passed it on" : std::move(word->text);
    return;
  }
  admitted_ = std::move(*word);
  visiting_ = false;
  // Its place among the guests there is for others.
  actions_.push_back({Action::Kind::dismiss, 0, line, {}});
}

bool Joining::admits_me(const View& view) const {
  const auto rank = view.rank_of(me_.id);
  return rank && view.members[*rank].incarnation == me_.incarnation;
}

void Joining::ended(fabric::LineId line, Error error, Time now) {
  if (!visiting_ || line != line_) return;
  visiting_ = false;
  if (error.code == Code::refused || error.code == Code::invalid || error.code == Code::closed) {
    refused_ = std::move(error);
    return;
  }
  contacts_[current_].no_group = error.code == Code::unavailable;
  // Whom it asked is dead, or sends it away: the next one may know at once that it is admitted.
  leave(error.what, now);
}

Time Joining::deadline() const {
  if (admitted_ || refused_ || alone()) return never;
  return visiting_ ? until_ : ask_at_;
}

bool Joining::nobody_has_a_group() const {
  for (Rank rank = 0; rank < contacts_.size(); ++rank)
    if (rank != self_ && !contacts_[rank].no_group) return false;
  return true;
}

std::string Joining::heard() const {
  std::string text;
  for (Rank rank = 0; rank < contacts_.size(); ++rank)
    if (rank != self_)
      text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", contacts_[rank].name,
                          contacts_[rank].heard);
  return text;
}

}  // namespace squall::membership
