#include "core/membership/admission.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/rank_set.h"
#include "core/fabric/rendezvous_wire.h"

namespace squall::membership {

Admission::Admission(std::string provider, Duration sign_of_life, Judge judge)
    : provider_(std::move(provider)), sign_of_life_(sign_of_life), judge_(std::move(judge)) {}

// --- what arrives

void Admission::guest(fabric::LineId line, fabric::Introduction who, Time now) {
  guests_[line] = {std::move(who), {}, now, never, false};
}

void Admission::said(fabric::LineId line, Bytes bytes, Time now) {
  const auto at = guests_.find(line);
  if (at == guests_.end()) return;
  Guest& guest = at->second;
  auto word = decode_word(bytes);
  if (word && word->kind != Word::Kind::request)
    word = fail(Code::invalid, "a guest may only ask to be admitted");
  if (word && guest.asks) word = fail(Code::invalid, "a guest asks once");
  if (!word) {
    refuse(at, word.error());
    return;
  }
  // It will be in views, and views in logs.
  if (fabric::printable(guest.who.name, guest.who.name.size()) != guest.who.name) {
    refuse(at,
           {Code::refused, "a name with control characters", "give the node another node.name"});
    return;
  }
  const auto& fabrics = guest.who.fabrics;
  const auto offered = std::ranges::find(fabrics, provider_, &fabric::FabricAddress::provider);
  if (offered == fabrics.end()) {
    refuse(at,
           {Code::refused,
            fmt::format("the group runs on {}, which {} does not offer", provider_, guest.who.name),
            "start it where that fabric reaches (`squall info`), or with that fabric.provider"});
    return;
  }
  if (judge_)
    if (auto fine = judge_(guest.who, word->credentials); !fine) {
      refuse(at, fine.error());
      return;
    }
  guest.asks = Joiner{{guest.who.id, guest.who.incarnation, guest.who.name},
                      offered->address,
                      guest.who.host,
                      word->secret};
  guest.tell_at = now;
}

void Admission::ended(fabric::LineId line) {
  guests_.erase(line);
}

// --- what follows

Result<std::optional<std::string>> Admission::judge(const Guest& guest, const View& view,
                                                    const Entry& entry) const {
  const Member& who = guest.asks->member;
  if (const auto rank = view.rank_of(who.id)) {
    const Member& present = view.members[*rank];
    if (present.incarnation == who.incarnation && entry.joined)
      return std::optional<std::string>("it is admitted; an older member has to tell it");
    if (present.incarnation == who.incarnation)
      return fail(Code::closed, fmt::format("{} was admitted and did not come in time", who.name),
                  "ask anew");
    if (present.incarnation > who.incarnation)
      return fail(Code::refused, fmt::format("a later run of {} is in the view already", who.name),
                  "stop one of them");
    return std::optional(fmt::format(
        "a member named {} is in the view already; its former run has to be out first", who.name));
  }
  if (view.size() >= max_members)
    return std::optional(fmt::format("the view is full: {} members", view.size()));
  return std::optional<std::string>();
}

void Admission::step(const View& view, const Entry& entry, Time now) {
  waiting_.clear();
  for (auto at = guests_.begin(); at != guests_.end();) {
    auto& [line, guest] = *at;
    if (closed_) {
      at = refuse(at, *closed_);
      continue;
    }
    if (!guest.asks) {
      if (now >= guest.since + silence)
        at = refuse(at, {Code::timeout, "a guest that asks for nothing", ""});
      else
        ++at;
      continue;
    }
    if (guest.told) {
      if (now >= guest.since + silence) {
        dismiss(line, {Code::closed, "it is admitted", ""});
        at = guests_.erase(at);
      } else {
        ++at;
      }
      continue;
    }
    const auto came = [&](const Joiner& joiner) { return joiner == *guest.asks; };
    if (entry.change != nullptr && std::ranges::any_of(entry.change->joiners, came)) {
      admit(line, guest, view, entry, now);
      ++at;
      continue;
    }
    auto judged = judge(guest, view, entry);
    if (!judged) {
      at = refuse(at, judged.error());
      continue;
    }
    if (!*judged) waiting_.push_back(*guest.asks);
    if (now >= guest.tell_at) {
      Word pending;
      pending.kind = Word::Kind::pending;
      pending.text = judged->value_or("");
      say(line, pending);
      guest.tell_at = now + sign_of_life_;
    }
    ++at;
  }
}

void Admission::admit(fabric::LineId line, Guest& guest, const View& view, const Entry& entry,
                      Time now) {
  Word word;
  word.kind = Word::Kind::admitted;
  word.provider = provider_;
  word.view = view;
  const Rank joiner = *view.rank_of(guest.asks->member.id);
  for (Rank rank = 0; rank < view.size(); ++rank) {
    word.members.push_back(rank == joiner ? Access{} : entry.members[rank]);
    if (rank != joiner) word.members.back().ticket = secret_between(*entry.change, rank, joiner);
  }
  say(line, word);
  guest.told = true;
  guest.since = now;
}

Time Admission::deadline() const {
  Time next = never;
  for (const auto& [line, guest] : guests_) {
    const bool waits = guest.asks && !guest.told;
    next = std::min(next, waits ? guest.tell_at : guest.since + silence);
  }
  return next;
}

void Admission::say(fabric::LineId line, const Word& word) {
  actions_.push_back({Action::Kind::say, line, encode(word), {}});
}

void Admission::dismiss(fabric::LineId line, Error why) {
  actions_.push_back({Action::Kind::dismiss, line, {}, std::move(why)});
}

std::map<fabric::LineId, Admission::Guest>::iterator Admission::refuse(
    std::map<fabric::LineId, Guest>::iterator guest, Error why) {
  ++refused_;
  dismiss(guest->first, std::move(why));
  return guests_.erase(guest);
}

}  // namespace squall::membership
