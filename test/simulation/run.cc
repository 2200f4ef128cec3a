#include "test/simulation/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>
#include <utility>

#include "core/base/random.h"
#include "core/mirror/frame.h"
#include "test/checker/trace.h"

namespace squall::scenarios {
namespace {

checker::Process process_of(Rank rank) {
  return {NodeId{rank + 1}, Incarnation{1}};
}

/// A message's round, from the header before its bytes in the ring.
Round round_of(Bytes message) {
  mirror::FrameHeader header;
  std::memcpy(&header, message.data() - sizeof(header), sizeof(header));
  return header.round;
}

class Run {
 public:
  explicit Run(const Scenario& scenario)
      : scenario_(scenario),
        senders_(scenario.senders()),
        random_(scenario.seed),
        sent_(scenario.options.members),
        delivered_(scenario.options.members),
        cluster_(scenario.options, [this](Rank member, const multicast::Delivery& message) {
          deliver(member, message);
        }) {}

  Outcome go() {
    std::vector<checker::Process> everyone;
    for (Rank rank = 0; rank < members(); ++rank) everyone.push_back(process_of(rank));
    for (Rank rank = 0; rank < members(); ++rank)
      checker_.add(checker::install(process_of(rank), ViewId{1}, everyone));
    const Time limit = Time{} + liveness_bound;
    bool done = !scenario_.waits_for_start || cluster_.start(limit);
    if (scenario_.fault.deliveries == 0) begin_fault();
    cluster_.set_application([this](Rank member) { return application(member); });
    done = done && cluster_.run_until([this] { return complete(); }, limit);
    if (!done) late();
    outcome_.took = cluster_.now() - Time{};
    if (done && crashed_ && scenario_.stable) settle();
    check(done);
    outcome_.trace_hash = cluster_.network().trace_hash();
    outcome_.events = checker_.events();
    return std::move(outcome_);
  }

 private:
  Rank members() const { return scenario_.options.members; }
  bool survives(Rank rank) const { return cluster_.alive(rank); }

  bool application(Rank member) {
    if (sent_[member] == scenario_.messages[member]) return false;
    if (!random_.one_in(scenario_.reluctance[member])) return true;  // wants to, later
    // The ends of the range more often than chance would have them.
    const std::uint64_t most = scenario_.most_bytes;
    const std::uint64_t bytes = random_.one_in(8)   ? 0
                                : random_.one_in(8) ? most
                                                    : random_.below(most + 1);
    message_.resize(bytes);
    for (std::byte& byte : message_) byte = static_cast<std::byte>(random_.next());
    if (!cluster_.try_send(member, message_)) return false;
    checker_.add(checker::send(process_of(member), sent_[member]++, checker::digest(message_)));
    return true;
  }

  void deliver(Rank member, const multicast::Delivery& message) {
    const std::uint64_t digest = checker::digest(message.bytes);
    const auto sender = static_cast<multicast::SenderIndex>(
        std::ranges::find(senders_, message.sender) - senders_.begin());
    record(member, message.position, sender, message.number, digest);
    rounds_[{round_of(message.bytes), sender}] = {message.number, digest};
    if (++outcome_.deliveries == scenario_.fault.deliveries) begin_fault();
  }
  void record(Rank member, std::uint64_t position, multicast::SenderIndex sender,
              MessageNumber number, std::uint64_t digest) {
    delivered_[member].push_back({sender, number});
    checker_.add(checker::deliver(process_of(member), ViewId{1}, position,
                                  process_of(senders_[sender]), number, digest));
  }

  void begin_fault() {
    // As events of the network, since this is called inside a turn.
    auto& network = cluster_.network();
    const Fault& fault = scenario_.fault;
    const std::string from = simulation::Cluster::name(fault.victim);
    const std::string to = simulation::Cluster::name(fault.other);
    const Time now = cluster_.now(), end = now + fault.lasts;
    const Duration lag = fault.lasts / 4;
    switch (fault.kind) {
      case Fault::Kind::none:
        break;
      case Fault::Kind::crash:
        network.at(now, [this] { crash(); });
        break;
      case Fault::Kind::cut_crash:
        network.at(now, [&network, from, to] { network.cut(from, to); });
        // Healed afterwards, so that the news of the crash passes: nobody else tells it yet.
        network.at(end, [this, &network, from, to] {
          crash();
          network.heal(from, to);
        });
        break;
      case Fault::Kind::cut:
        network.at(now, [&network, from, to] { network.cut(from, to); });
        network.at(end, [&network, from, to] { network.heal(from, to); });
        break;
      case Fault::Kind::delay:
        network.at(now, [&network, from, to, lag] { network.delay(from, to, lag); });
        network.at(end, [&network, from, to] { network.delay(from, to, Duration{0}); });
        break;
      case Fault::Kind::slow:
        network.at(now, [&network, from, lag] { network.slow(from, lag); });
        network.at(end, [&network, from] { network.slow(from, Duration{0}); });
        break;
    }
  }
  void crash() {
    crashed_ = true;
    checker_.add(checker::crash(process_of(scenario_.fault.victim)));
    cluster_.crash(scenario_.fault.victim);
  }

  bool complete() {
    for (Rank rank = 0; rank < members(); ++rank) {
      if (!survives(rank)) continue;
      if (crashed_ ? cluster_.turn(rank).phase() != engine::Turn::Phase::stopped
                   : delivered_[rank].size() < scenario_.all_messages())
        return false;
    }
    return crashed_ || !scenario_.crashes();
  }
  void late() {
    std::string text = fmt::format("liveness: after {} ms not done:", liveness_bound / 1ms);
    for (Rank rank = 0; rank < members(); ++rank)
      text += fmt::format(" member {} {} sent {} delivered {},", rank,
                          survives(rank) ? "" : "(crashed)", sent_[rank], delivered_[rank].size());
    outcome_.violations.push_back(std::move(text));
  }

  /// Until views change, the survivors of a crash stop; so do here what the next view will do (the
  /// rule of the trim): of what anyone delivered, all deliver what every survivor holds, no more.
  void settle() {
    std::vector<Round> trim(senders_.size(), UINT64_MAX);
    std::vector<checker::Process> survivors;
    for (Rank rank = 0; rank < members(); ++rank) {
      if (!survives(rank)) continue;
      survivors.push_back(process_of(rank));
      const auto held = cluster_.turn(rank).channel(0)->received();
      for (std::size_t sender = 0; sender < trim.size(); ++sender)
        trim[sender] = std::min(trim[sender], held[sender]);
    }
    for (Rank rank = 0; rank < members(); ++rank) {
      if (!survives(rank)) continue;
      std::uint64_t position = delivered_[rank].size();
      // Sorted by round and sender: the order of `total`, and each sender's own.
      for (const auto& [place, message] : rounds_) {
        const auto [round, sender] = place;
        const auto [number, digest] = message;
        if (round >= trim[sender] ||
            std::ranges::count(delivered_[rank], std::pair(sender, number)) != 0)
          continue;
        record(rank, position++, sender, number, digest);
      }
      checker_.add(checker::install(process_of(rank), ViewId{2}, survivors));
    }
  }

  void check(bool done) {
    checker::Guarantees guarantees;
    guarantees.total = scenario_.total;
    // Without a crash nothing is trimmed, so every stack gives what `stable` would.
    guarantees.stable = scenario_.stable || !crashed_;
    guarantees.quiesced = done && !crashed_;
    const auto violations = checker_.check(guarantees);
    for (const auto& violation : violations) outcome_.violations.push_back(violation.text);
  }

  const Scenario& scenario_;
  std::vector<Rank> senders_;
  Random random_;
  checker::Checker checker_;
  Outcome outcome_;
  std::vector<std::size_t> sent_;  // by rank
  // By rank, in order: sender and number.
  std::vector<std::vector<std::pair<multicast::SenderIndex, MessageNumber>>> delivered_;
  // Everything that anyone delivered: (round, sender) to (number, digest).
  std::map<std::pair<Round, multicast::SenderIndex>, std::pair<MessageNumber, std::uint64_t>>
      rounds_;
  std::vector<std::byte> message_;
  bool crashed_ = false;
  simulation::Cluster cluster_;
};

}  // namespace

std::string Outcome::report(const Scenario& scenario) const {
  std::string text = scenario.text() + "\n";
  for (const std::string& violation : violations) text += "  " + violation + "\n";
  text += fmt::format(
      "replay: bazel run //test/simulation:swarm -- {0}\n"
      "trace:  bazel run //test/simulation:swarm -- {0} --trace\n",
      scenario.replay);
  return text;
}

Outcome run(const Scenario& scenario) {
  return Run(scenario).go();
}

}  // namespace squall::scenarios
