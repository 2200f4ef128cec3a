#include "test/scenarios/story.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace squall::scenarios {

using simulation::Cluster;
using Phase = engine::Turn::Phase;

std::string Story::name_of(const checker::Process& process) {
  const std::string name = Cluster::name(static_cast<Rank>(raw(process.node) - 1));
  const std::uint64_t run = raw(process.incarnation);
  return run == 1 ? name : fmt::format("{}#{}", name, run);
}

std::string Story::name_of(Rank member) const {
  return name_of({NodeId{member + 1}, cluster_->run_of(member)});
}

std::string Story::text_of(const View& view) const {
  std::string text;
  for (const Member& each : view.members) text += ' ' + name_of({each.id, each.incarnation});
  return text.substr(1);
}

void Story::build(simulation::Options options) {
  members_.assign(options.members, {});
  recorder_ = std::make_unique<Recorder>();
  stack_ = options.stack;
  options.state = [this](Rank member) { return state_of(member); };
  cluster_ = std::make_unique<Cluster>(
      options,
      [this](Rank member, const multicast::Delivery& message) { deliver(member, message); });
  for (Rank rank = 0; rank < options.members; ++rank) come(rank);
  cluster_->set_application([this](Rank rank) { return application(rank); });
  cluster_->set_after_turn([this](Rank rank) { look(rank); });
  cluster_->set_came([this](Rank rank) {
    journal_.add(now(), name_of(rank),
                 fmt::format("joins in view {}:", raw(cluster_->state(rank).view().id)),
                 text_of(cluster_->state(rank).view()));
    members_[rank].arriving = true;
    come(rank);
  });
}

/// It is a member from here on.
void Story::come(Rank member) {
  recorder_->begin(member, cluster_->run_of(member), cluster_->state(member).view());
  cluster_->turn(member).on_view([this, member](const engine::Installed& installed) {
    recorder_->install(member, installed.view);
    told_view(installed, member);
  });
}

void Story::told_view(const engine::Installed& installed, Rank member) {
  std::string text = text_of(installed.view);
  if (!installed.gone.empty()) text += fmt::format("; {}", fmt::join(installed.gone, "; "));
  if (!installed.came.empty()) text += fmt::format("; new: {}", fmt::join(installed.came, " "));
  journal_.add(now(), name_of(member), fmt::format("view {}:", raw(installed.view.id)), text);
}

/// What was delivered, as numbers for the recorder and as text, a line each.
engine::StateHooks Story::state_of(Rank member) {
  return state_hooks(
      padding_,
      [this, member] {
        std::vector<std::byte> bytes = recorder_->past(member).encode();
        for (const std::string& each : members_[member].delivered) {
          const Bytes line = as_bytes(each);
          bytes.insert(bytes.end(), line.begin(), line.end());
          bytes.push_back(std::byte{'\n'});
        }
        return bytes;
      },
      [this, member](Bytes bytes) -> Result<> {
        auto past = Past::decode(bytes);
        if (!past) return tl::unexpected(past.error());
        recorder_->load(member, std::move(*past));
        auto& lines = members_[member].delivered;
        for (std::string_view text = as_text(bytes); !text.empty();) {
          lines.emplace_back(text.substr(0, text.find('\n')));
          text.remove_prefix(lines.back().size() + 1);
        }
        journal_.add(now(), name_of(member), "has the state:",
                     fmt::format("{} message{}", lines.size(), lines.size() == 1 ? "" : "s"));
        return {};
      });
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
  const checker::Process process = recorder_->deliver(member, message);
  const auto sender = static_cast<Rank>(raw(process.node) - 1);
  const std::string text(as_text(message.bytes));
  journal_.add(now(), name_of(member), "delivered", fmt::format("{}:{}", name_of(process), text));
  Of& of = members_[member];
  of.delivered.push_back(fmt::format("{}:{}", name_of(process), text));
  if (of.replies && sender != member && !text.starts_with("re-")) {
    // Inside the upcall, if the ring has space; else after it, as an application has to.
    const std::string answer = "re-" + text;
    if (!of.outbox.empty() || !try_send(member, answer)) of.outbox.push_back(answer);
  }
}

void Story::look(Rank member) {
  Of& of = members_[member];
  if (!cluster_->is_member(member)) {
    if (cluster_->alive(member) || of.gone) return;
    of.gone = true;
    journal_.add(now(), name_of(member), "crashed", "");
    return;
  }
  const auto& turn = cluster_->state(member);
  recorder_->look(member, turn);
  if (of.gone) return;
  if (!cluster_->alive(member)) {
    journal_.add(now(), name_of(member), "crashed", "");
  } else if (turn.left()) {
    journal_.add(now(), name_of(member), "left", "");
  } else if (turn.phase() == Phase::stopped) {
    journal_.add(now(), name_of(member), "stopped:", turn.failure() ? turn.failure()->what : "");
  } else {
    if (turn.isolated() != of.isolated)
      journal_.add(now(), name_of(member),
                   turn.isolated() ? "lost the majority" : "found the majority again", "");
    of.isolated = turn.isolated();
    return;
  }
  of.gone = true;
  recorder_->end(member);
}

bool Story::quiet() const {
  for (Rank rank = 0; rank < members_.size(); ++rank) {
    if (members_[rank].gone || cluster_->refused(rank)) continue;
    if (!cluster_->is_member(rank) || cluster_->state(rank).arriving()) return false;
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
  guarantees.causal = guarantees.total || stack_.find("causal") != stack_.npos;
  guarantees.quiesced = quiet_;
  guarantees.acceptances = true;
  for (const auto& violation : recorder_->trace().check(guarantees)) all.push_back(violation.text);
  return all;
}

}  // namespace squall::scenarios
