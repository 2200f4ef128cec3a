#include "test/scenarios/story.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace squall::scenarios {

using simulation::Cluster;
using Phase = engine::Turn::Phase;

void Story::build(const simulation::Options& options) {
  members_.assign(options.members, {});
  recorder_ = std::make_unique<Recorder>(options.members);
  stack_ = options.stack;
  cluster_ = std::make_unique<Cluster>(
      options,
      [this](Rank member, const multicast::Delivery& message) { deliver(member, message); });
  for (Rank rank = 0; rank < options.members; ++rank) {
    recorder_->install(rank, cluster_->state(rank).view());
    cluster_->turn(rank).on_view([this, rank](const engine::Installed& installed) {
      recorder_->install(rank, installed.view);
      std::string members;
      for (const Member& each : installed.view.members) members += ' ' + each.name;
      journal_.add(now(), rank, fmt::format("view {}:", raw(installed.view.id)),
                   fmt::format("{}{}{}", members.substr(1), installed.gone.empty() ? "" : "; ",
                               fmt::join(installed.gone, "; ")));
    });
  }
  cluster_->set_application([this](Rank rank) { return application(rank); });
  cluster_->set_after_turn([this](Rank rank) { look(rank); });
}

bool Story::try_send(Rank member, const std::string& text) {
  if (!cluster_->try_send(member, as_bytes(text))) return false;
  recorder_->send(member, as_bytes(text));
  return true;
}

bool Story::application(Rank member) {
  Of& of = members_[member];
  if (of.outbox.empty() || of.gone || now() < of.next_send) return false;
  if (!try_send(member, of.outbox.front())) return false;
  of.outbox.pop_front();
  of.next_send = now() + of.gap;
  if (of.gap > Duration{0})
    cluster_->network().at(of.next_send, [this, member] { cluster_->wake(member); });
  return true;
}

void Story::deliver(Rank member, const multicast::Delivery& message) {
  const Rank sender = recorder_->deliver(member, cluster_->state(member).view(), message);
  const std::string text(as_text(message.bytes));
  journal_.add(now(), member, "delivered", fmt::format("{}:{}", Cluster::name(sender), text));
  Of& of = members_[member];
  of.delivered.push_back(fmt::format("{}:{}", Cluster::name(sender), text));
  if (of.replies && sender != member && !text.starts_with("re-")) {
    // Inside the upcall, if the ring has space; else after it, as an application has to.
    const std::string answer = "re-" + text;
    if (!of.outbox.empty() || !try_send(member, answer)) of.outbox.push_back(answer);
  }
}

void Story::look(Rank member) {
  const auto& turn = cluster_->state(member);
  Of& of = members_[member];
  recorder_->look(member, turn);
  if (of.gone) return;
  if (!cluster_->alive(member)) {
    journal_.add(now(), member, "crashed", "");
  } else if (turn.left()) {
    journal_.add(now(), member, "left", "");
  } else if (turn.phase() == Phase::stopped) {
    journal_.add(now(), member, "stopped:", turn.failure() ? turn.failure()->what : "");
  } else {
    if (turn.isolated() != of.isolated)
      journal_.add(now(), member,
                   turn.isolated() ? "lost the majority" : "found the majority again", "");
    of.isolated = turn.isolated();
    return;
  }
  of.gone = true;
  recorder_->end(member);
}

bool Story::quiet() const {
  for (Rank rank = 0; rank < members_.size(); ++rank) {
    if (members_[rank].gone) continue;
    const auto& turn = cluster_->state(rank);
    if (turn.phase() != Phase::running || raw(turn.view().id) != recorder_->last_view() ||
        !members_[rank].outbox.empty())
      return false;
    for (const Member& each : turn.view().members) {
      const auto sender = static_cast<Rank>(raw(each.id) - 1);
      if (members_[sender].gone || recorder_->delivered(rank, sender) < recorder_->sent(sender))
        return false;
    }
  }
  return true;
}

void Story::tell_waiting() {
  journal_.say("not quiet:");
  for (Rank rank = 0; rank < members_.size(); ++rank)
    if (!members_[rank].gone && !members_[rank].outbox.empty())
      journal_.say(
          fmt::format("  {} has {} to send", Cluster::name(rank), members_[rank].outbox.size()));
  static_cast<void>(status({}));
}

std::vector<std::string> Story::violations() const {
  std::vector<std::string> all;
  if (!cluster_) return all;
  checker::Guarantees guarantees;
  guarantees.total = stack_.find("total") != stack_.npos;
  guarantees.stable = stack_.find("stable") != stack_.npos;
  guarantees.quiesced = quiet_;
  guarantees.acceptances = true;
  for (const auto& violation : recorder_->trace().check(guarantees)) all.push_back(violation.text);
  return all;
}

}  // namespace squall::scenarios
