#include "test/simulation/recorder.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "test/checker/trace.h"

namespace squall::scenarios {
namespace {

std::vector<checker::Process> processes_of(const View& view) {
  std::vector<checker::Process> all;
  for (const Member& each : view.members) all.push_back({each.id, each.incarnation});
  return all;
}

}  // namespace

void Recorder::begin(Rank node, Incarnation run, const View& view) {
  if (node >= nodes_.size()) nodes_.resize(node + 1);
  nodes_[node] = {};
  nodes_[node].process = {NodeId{node + 1}, run};
  nodes_[node].ended = false;
  install(node, view);
}

void Recorder::install(Rank node, const View& view) {
  trace_.add(checker::install(nodes_[node].process, view.id, processes_of(view)));
  last_view_ = std::max(last_view_, raw(view.id));
  last_accepted_ = std::max(last_accepted_, last_view_);
  nodes_[node].view = view;
}

void Recorder::send(Rank node, Bytes message) {
  Of& of = nodes_[node];
  trace_.add(checker::send(of.process, of.sent++, checker::digest(message)));
}

checker::Process Recorder::deliver(Rank node, const multicast::Delivery& message) {
  Of& of = nodes_[node];
  const Member& member = of.view.members[message.sender];
  const checker::Process sender{member.id, member.incarnation};
  of.past.deliver(message.position, sender, message.bytes);
  trace_.add(checker::deliver(of.process, of.view.id, message.position, sender, message.number,
                              checker::digest(message.bytes)));
  return sender;
}

void Recorder::look(Rank node, const engine::Turn& turn) {
  const View* view = turn.accepted();
  Of& of = nodes_[node];
  if (view == nullptr || of.ended) return;
  auto vote = checker::accept(of.process, view->id, processes_of(*view));
  if (vote == of.vote) return;
  last_accepted_ = std::max(last_accepted_, raw(view->id));
  trace_.add(vote);
  of.vote = std::move(vote);
}

void Recorder::end(Rank node) {
  if (ended(node)) return;
  nodes_[node].ended = true;
  trace_.add(checker::crash(nodes_[node].process));
}

std::size_t Recorder::delivered(Rank node, Rank sender) const {
  if (node >= nodes_.size() || sender >= nodes_.size()) return 0;
  return nodes_[node].past.count_of(nodes_[sender].process);
}

engine::StateHooks state_hooks(std::size_t padding, std::function<std::vector<std::byte>()> save,
                               std::function<Result<>(Bytes)> load) {
  engine::StateHooks hooks;
  hooks.save = [padding, save = std::move(save)]() -> engine::StateSource {
    std::vector<std::byte> all(padding);
    const auto bytes = save();
    all.insert(all.end(), bytes.begin(), bytes.end());
    return [all = std::move(all), at = std::size_t{0}](MutableBytes to) mutable {
      const std::size_t count = std::min(to.size(), all.size() - at);
      std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(at), count, to.begin());
      at += count;
      return Result<std::size_t>(count);
    };
  };
  auto got = std::make_shared<std::vector<std::byte>>();
  hooks.load = [padding, got, load = std::move(load)](Bytes piece, bool last) -> Result<> {
    got->insert(got->end(), piece.begin(), piece.end());
    if (!last) return {};
    if (got->size() < padding) return fail(Code::invalid, "a state that is cut short");
    return load(Bytes(*got).subspan(padding));
  };
  return hooks;
}

}  // namespace squall::scenarios
