#include "test/simulation/recorder.h"

#include <algorithm>
#include <utility>

#include "test/checker/trace.h"

namespace squall::scenarios {
namespace {

checker::Process process_of(Rank rank) {
  return {NodeId{rank + 1}, Incarnation{1}};
}

std::vector<checker::Process> processes_of(const View& view) {
  std::vector<checker::Process> all;
  for (const Member& each : view.members) all.push_back({each.id, each.incarnation});
  return all;
}

}  // namespace

void Recorder::install(Rank member, const View& view) {
  trace_.add(checker::install(process_of(member), view.id, processes_of(view)));
  last_view_ = std::max(last_view_, raw(view.id));
}

void Recorder::send(Rank member, Bytes message) {
  trace_.add(checker::send(process_of(member), members_[member].sent++, checker::digest(message)));
}

Rank Recorder::deliver(Rank member, const View& view, const multicast::Delivery& message) {
  const auto sender = static_cast<Rank>(raw(view.members[message.sender].id) - 1);
  ++members_[member].from[sender];
  trace_.add(checker::deliver(process_of(member), view.id, message.position, process_of(sender),
                              message.number, checker::digest(message.bytes)));
  return sender;
}

void Recorder::look(Rank member, const engine::Turn& turn) {
  const View* view = turn.accepted();
  if (view == nullptr || members_[member].ended) return;
  auto vote = checker::accept(process_of(member), view->id, processes_of(*view));
  if (vote == members_[member].vote) return;
  trace_.add(vote);
  members_[member].vote = std::move(vote);
}

void Recorder::end(Rank member) {
  if (std::exchange(members_[member].ended, true)) return;
  trace_.add(checker::crash(process_of(member)));
}

}  // namespace squall::scenarios
