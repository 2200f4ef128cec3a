#include "test/simulation/trouble.h"

#include <algorithm>

namespace squall::scenarios {
namespace {

using simulation::Cluster;

// Faults of the network are between nodes that are there, or may still come.
constexpr Rank most_nodes = 10;

template <class Action>
void across(const Fault& fault, Action action) {
  for (Rank one = 0; one < most_nodes; ++one)
    for (Rank two = 0; two < most_nodes; ++two)
      if ((fault.side >> one & 1) != (fault.side >> two & 1))
        action(Cluster::name(one), Cluster::name(two));
}

}  // namespace

void Trouble::begin() {
  for (std::size_t index = 0; index < faults_.size(); ++index) {
    const Fault& fault = faults_[index];
    if (fault.when == Fault::When::time)
      begin_at(Time{} + fault.at, index);
    else if (fault.when == Fault::When::deliveries && fault.count == 0)
      begin_at(Time{}, index);
  }
}

void Trouble::count(std::size_t deliveries) {
  for (std::size_t index = 0; index < faults_.size(); ++index)
    if (const Fault& fault = faults_[index];
        fault.when == Fault::When::deliveries && fault.count == deliveries)
      begin_at(cluster_.now(), index);
}

void Trouble::begin_at(Time time, std::size_t index) {
  ++pending_;
  note(time);
  cluster_.network().at(time, [this, index] { begin(index); });
}

void Trouble::begin(std::size_t index) {
  auto& network = cluster_.network();
  const Fault& fault = faults_[index];
  const Time now = cluster_.now();
  if (index + 1 < faults_.size()) {
    const Fault& next = faults_[index + 1];
    if (next.when == Fault::When::after) begin_at(now + next.at, index + 1);
  }
  const std::string from = Cluster::name(fault.victim);
  const std::string to = Cluster::name(fault.other);
  Duration lasts = fault.lasts;
  const bool there = fault.victim < cluster_.node_count();
  switch (fault.kind) {
    case Fault::Kind::crash:
      lasts = Duration{0};
      crash(fault.victim);
      break;
    case Fault::Kind::leave:
      lasts = Duration{0};
      if (there) host_.leave(fault.victim);
      break;
    case Fault::Kind::join:
      lasts = Duration{0};
      if (cluster_.node_count() < most_nodes) cluster_.join();
      break;
    case Fault::Kind::restart:
      lasts = Duration{0};
      if (!there) break;
      crash(fault.victim);
      cluster_.restart(fault.victim);
      break;
    case Fault::Kind::crash_ballots:
      lasts = Duration{0};
      if (there && cluster_.alive(fault.victim))
        cluster_.crash_before_ballot(fault.victim, fault.count);
      break;
    case Fault::Kind::cut_crash:
    case Fault::Kind::cut:
      network.cut(from, to);
      break;
    case Fault::Kind::partition:
      across(fault, [&](const std::string& one, const std::string& two) { network.cut(one, two); });
      break;
    case Fault::Kind::delay:
      delay(fault, fault.lag);
      break;
    case Fault::Kind::slow:
      network.slow(from, fault.lag);
      break;
    case Fault::Kind::stall:
      if (there) cluster_.stall(fault.victim, now + lasts);
      break;
    case Fault::Kind::clock:
      lasts = Duration{0};
      if (there) cluster_.jump_clock(fault.victim, fault.lag);
      break;
    case Fault::Kind::clock_back:
      if (there) cluster_.jump_clock(fault.victim, -fault.lag);
      break;
  }
  // What left late arrives late.
  const bool late = fault.kind == Fault::Kind::delay || fault.kind == Fault::Kind::slow;
  note(now + lasts + (late ? fault.lag : Duration{0}));
  network.at(now + lasts, [this, index] { end(index); });
}

void Trouble::end(std::size_t index) {
  --pending_;
  auto& network = cluster_.network();
  const Fault& fault = faults_[index];
  const std::string from = Cluster::name(fault.victim);
  const std::string to = Cluster::name(fault.other);
  switch (fault.kind) {
    case Fault::Kind::cut_crash:
      crash(fault.victim);
      [[fallthrough]];
    case Fault::Kind::cut:
      network.heal(from, to);
      break;
    case Fault::Kind::partition:
      across(fault,
             [&](const std::string& one, const std::string& two) { network.heal(one, two); });
      break;
    case Fault::Kind::delay:
      delay(fault, Duration{0});
      break;
    case Fault::Kind::slow:
      network.slow(from, Duration{0});
      break;
    case Fault::Kind::crash:
    case Fault::Kind::leave:
    case Fault::Kind::join:
    case Fault::Kind::restart:
    case Fault::Kind::crash_ballots:
    case Fault::Kind::stall:
    case Fault::Kind::clock:
    case Fault::Kind::clock_back:
      break;
  }
}

void Trouble::crash(Rank victim) {
  if (victim < cluster_.node_count()) host_.crash(victim);
}

void Trouble::delay(const Fault& fault, Duration lag) {
  for (Rank rank = 0; rank < most_nodes; ++rank)
    if (rank != fault.victim && (rank == fault.other || fault.victim == fault.other))
      cluster_.network().delay(Cluster::name(fault.victim), Cluster::name(rank), lag);
}

}  // namespace squall::scenarios
