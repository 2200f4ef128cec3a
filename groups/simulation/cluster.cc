#include "groups/simulation/cluster.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "core/base/assert.h"

namespace squall::simulation {
namespace {

constexpr Duration visit_latency = std::chrono::microseconds(200);
// Passes with every round, so that a busy group does not stop the clock.
constexpr Duration round_time = std::chrono::microseconds(1);

fabric::Ticket ticket_of(Rank left, Rank right) {
  fabric::Ticket ticket{};
  ticket[0] = static_cast<std::byte>(std::min(left, right));
  ticket[1] = static_cast<std::byte>(std::max(left, right));
  return ticket;
}

View make_view(Rank members) {
  View view;
  view.id = ViewId{1};
  for (Rank rank = 0; rank < members; ++rank)
    view.members.push_back({NodeId{rank + 1}, Incarnation{1}, Cluster::name(rank)});
  return view;
}

}  // namespace

Cluster::Cluster(const Options& options, Deliver deliver)
    : options_(options),
      random_(options.seed),
      network_(options.network),
      nodes_(options.members),
      porch_(network_, house(), visit_latency),
      deliver_(std::move(deliver)) {
  stages_ = options.stages;
  if (!stages_) {
    const auto stack = Stack::parse(options.stack);
    SQUALL_ASSERT(stack, "the simulated stack must fit");
    auto parts = stack->prepare();
    SQUALL_ASSERT(parts, "the simulated stack can be had here");
    stages_ = std::move(parts->stages);
    codecs_ = std::move(parts->codecs);
  }
  for (Rank rank = 0; rank < options.members; ++rank) {
    nodes_[rank].host = network_.host(name(rank));
    nodes_[rank].fabric = std::make_unique<Tap>(network_.open(name(rank)));
    if (rank < options.clocks.size()) nodes_[rank].clock = options.clocks[rank];
  }
  for (Rank rank = 0; rank < options.members; ++rank) {
    std::vector<engine::Contact> contacts;
    for (Rank other = 0; other < options.members; ++other)
      contacts.push_back({nodes_[other].fabric->address(), ticket_of(rank, other)});
    View view = make_view(options.members);
    if (options.member.seat) options.member.seat(nullptr, view);
    begin(rank, std::move(view), rank, std::move(contacts), false);
  }
}

std::vector<engine::ChannelPlan> Cluster::plans() const {
  if (options_.channels) return options_.channels->plans;
  std::vector<NodeId> senders;
  for (const Rank rank : options_.senders) senders.push_back(NodeId{rank + 1});
  return {{options_.group, senders, senders.empty(), options_.ring_bytes, stages_, codecs_,
           options_.bulk, options_.large_memory}};
}

/// The node is a member, of this view, from here on.
void Cluster::begin(Rank member, View view, Rank rank, std::vector<engine::Contact> contacts,
                    bool joins) {
  Node& node = nodes_[member];
  engine::Turn::Options options = options_.member;
  options.seed = random_.next();
  options.joins = joins;
  if (upcall_of(member) != Duration::zero())
    options.clock = [this, member] { return now_at(member) + nodes_[member].in_upcalls; };
  node.turn =
      std::make_unique<engine::Turn>(*node.fabric, std::move(view), rank, std::move(contacts),
                                     plans(), options, node.clock.read(now()));
  if (options_.state) node.turn->on_state(0, options_.state(member));
  if (deliver_)
    listen(member, 0,
           [this, member](const multicast::Delivery& message) { deliver_(member, message); });
  for (std::size_t channel = 0; options_.channels && channel < node.turn->channel_count();
       ++channel) {
    if (options_.channels->state)
      node.turn->on_state(channel, options_.channels->state(member, channel));
    listen(member, channel, [this, member, channel](const multicast::Delivery& message) {
      options_.channels->deliver(member, channel, message);
    });
  }
  node.admission = std::make_unique<membership::Admission>(std::string(node.fabric->name()),
                                                           options.timing.interval);
}

Duration Cluster::upcall_of(Rank member) const {
  return member < options_.upcalls.size() ? options_.upcalls[member] : Duration::zero();
}

void Cluster::listen(Rank member, std::size_t channel, multicast::DeliverFunction deliver) {
  nodes_[member].turn->on_deliver(
      channel, [this, member, upcall = upcall_of(member),
                deliver = std::move(deliver)](const multicast::Delivery& message) {
        nodes_[member].in_upcalls += upcall;
        deliver(message);
      });
}

Cluster::~Cluster() {
  for (Node& node : nodes_) node.turn.reset();
}

bool Cluster::try_send(Rank member, Bytes message, std::size_t channel) {
  if (!alive(member) || !is_member(member)) return false;
  wake(member);
  mirror::RingWriter* const writer = nodes_[member].turn->writer(channel);
  mirror::RingWriter::Claim claim;
  if (writer != nullptr && !writer->fits(message.size() + codecs_.overhead())) {
    mirror::Outbox& outbox = *nodes_[member].turn->outbox(channel);
    auto object = outbox.pool().take(message.size());
    if (!object) return false;
    std::ranges::copy(message, object->bytes().begin());
    return outbox.send(*object, true).has_value();
  }
  if (!codecs_.empty()) message = codecs_.encode(message, encoded_);
  if (writer == nullptr || !writer->claim(message.size(), claim)) return false;
  if (!message.empty()) std::memcpy(claim.message, message.data(), message.size());
  writer->commit(claim);
  return true;
}

bool Cluster::turn_node(Rank member) {
  Node& node = nodes_[member];
  if (node.asleep) wake(member);
  if (!node.turn) return turn_joiner(member);
  receive_guests(member);
  bool worked = application_ && application_(member);
  node.in_upcalls = Duration::zero();
  std::array<fabric::Event, 16> events;
  const std::size_t count = node.fabric->poll(events);
  worked |= node.fabric->progressed();
  const bool crowded = member < options_.crowded.size() && options_.crowded[member];
  const auto outcome =
      node.turn->run(node.clock.read(now()), std::span(events).first(count), {.crowded = crowded});
  worked |= outcome.worked;
  node.deadline = std::min(outcome.deadline, node.admission->deadline());
  if (worked)
    node.armed = false;
  else if (node.alive)
    rest(node);
  if (member < options_.laziness.size() && options_.laziness[member] > 1) {
    const auto most = static_cast<std::int64_t>(random_.below(2 * options_.laziness[member]));
    node.away_until = std::max(node.away_until, now() + std::chrono::microseconds(most));
  }
  if (node.in_upcalls != Duration::zero())
    node.away_until = std::max(node.away_until, now() + node.in_upcalls);
  if (after_turn_) after_turn_(member);
  return worked;
}

void Cluster::rest(Node& node) {
  if (node.armed) {
    node.fabric->wait(never);
    node.asleep = true;
  } else {
    node.fabric->disarm();
    node.fabric->arm();
    node.armed = true;
  }
}

bool Cluster::has_work(Rank member) const {
  const Node& node = nodes_[member];
  return !node.asleep || node.deadline <= node.clock.read(now()) || network_.awake(node.host);
}

bool Cluster::turn_everyone() {
  order_.resize(nodes_.size());
  std::iota(order_.begin(), order_.end(), Rank{0});
  for (std::size_t left = order_.size(); left > 1; --left)
    std::swap(order_[left - 1], order_[random_.below(left)]);
  bool worked = false;
  for (const Rank rank : order_)
    if (nodes_[rank].alive && nodes_[rank].away_until <= now() && has_work(rank))
      worked |= turn_node(rank);
  return worked;
}

bool Cluster::run_until(const std::function<bool()>& done, Time limit) {
  while (!done()) {
    if (now() >= limit) return false;
    if (!turn_all(limit) && !pass_time(limit)) return done();
  }
  return true;
}

bool Cluster::turn_all(Time limit) {
  SQUALL_ASSERT(!turning_, "time does not pass inside of it");
  turning_ = true;
  const bool worked = turn_everyone();
  if (worked) network_.run_until(std::min(limit, now() + round_time));
  turning_ = false;
  return worked;
}

bool Cluster::pass_time(Time limit) {
  Time next = network_.next_event();
  for (Rank rank = 0; rank < nodes_.size(); ++rank) {
    const Node& node = nodes_[rank];
    if (!node.alive) continue;
    if (node.away_until > now() && has_work(rank)) next = std::min(next, node.away_until);
    next = std::min(next, std::max(node.clock.when(node.deadline), node.away_until));
  }
  if (next == never) return false;
  turning_ = true;
  network_.run_until(std::min(limit, std::max(next, now() + round_time)));
  turning_ = false;
  return true;
}

bool Cluster::start(Time limit) {
  return run_until(
      [this] {
        return std::ranges::all_of(nodes_, [](const Node& node) {
          return node.turn && node.turn->phase() == engine::Turn::Phase::running;
        });
      },
      limit);
}

void Cluster::crash(Rank member) {
  if (!alive(member)) return;
  nodes_[member].alive = false;
  network_.crash(name(member));
  porch_.gone({member, nodes_[member].run});
}

void Cluster::crash_before_ballot(Rank member, std::size_t count,
                                  std::optional<membership::Message::Kind> kind) {
  nodes_[member].fabric->before_ballot(count, kind, [this, member] { crash(member); });
}

void Cluster::stall(Rank member, Time until) {
  nodes_[member].away_until = std::max(nodes_[member].away_until, until);
}

}  // namespace squall::simulation
