#include "bench/rpc/member.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/launch/link.h"
#include "bench/launch/play.h"
#include "bench/launch/window.h"
#include "bench/rpc/calls.h"
#include "bench/samples/samples.h"
#include "bench/samples/usage.h"
#include "groups/node.h"
#include "groups/object/object.h"

namespace squall::bench {
namespace {

using nlohmann::json;

constexpr Duration listen_every = 1ms;
/// Updates between two turns.
constexpr unsigned burst = 1024;
/// Updates that are waited for at a time: each is two cache lines here, and these fit into a core's
/// own cache.
constexpr std::size_t most_waited_for = 4096;
/// A clock read would cost more than a local read, and is a twentieth of one elsewhere.
constexpr unsigned reads_a_sample = 1000, reads_there_a_sample = 10;

struct Counter {
  std::uint64_t total = 0;
  std::uint64_t executed = 0;

  std::uint64_t add(std::uint64_t more) {
    ++executed;
    return total += more;
  }
  std::uint64_t value() const { return total; }
  std::uint64_t count() const { return executed; }
  using methods = Methods<&Counter::add, &Counter::value, &Counter::count>;
};

class Caller {
 public:
  Caller(Link& link, Node& node, Object<Counter> counter)
      : link_(link),
        node_(node),
        counter_(std::move(counter)),
        calls_(link.task().at("calls").get<std::string>()),
        calling_(link.task().at("calling")) {}

  Result<> run();

 private:
  std::uint64_t executed() const { return *counter_.read<&Counter::count>(); }
  Result<> turn(Time now) {
    if (!node_.poll()) {
      if (const auto stopped = node_.stopped()) return tl::unexpected(*stopped);
      node_.idle(now + listen_every);
      node_.poll();  // what it was woken for comes before the clock
    }
    return {};
  }
  /// As an application that has nothing to do.
  Result<> rest(Time end) {
    while (node_.poll()) {
    }
    if (const auto stopped = node_.stopped()) return tl::unexpected(*stopped);
    node_.idle(std::min(end, Monotonic::now() + 1s));
    return {};
  }
  Result<> update();
  Result<> read_here();
  Result<> read_there();

  Link& link_;
  Node& node_;
  Object<Counter> counter_;
  std::string calls_;
  bool calling_;
  std::uint64_t sum_ = 0, updates_ = 0;
  std::deque<Future<std::uint64_t>> waited_for_;
  Samples samples_;
};

/// As many as there is room for; then takes those that every replica has replied to.
Result<> Caller::update() {
  for (unsigned sent = 0; sent < burst && waited_for_.size() < most_waited_for; ++sent)
    waited_for_.push_back(counter_.update<&Counter::add>(++updates_));
  if (auto turned = turn(Monotonic::now()); !turned) return turned;
  while (!waited_for_.empty() && waited_for_.front().ready()) {
    const auto own = waited_for_.front().own();
    sum_ += updates_ - waited_for_.size() + 1;
    if (!own) return tl::unexpected(own.error());
    if (*own != sum_) return fail(Code::lost, "an update was executed out of its order");
    waited_for_.pop_front();
  }
  return {};
}

Result<> Caller::read_here() {
  const Time start = Monotonic::now();
  std::uint64_t seen = 0;
  for (unsigned read = 0; read < reads_a_sample; ++read) {
    const auto value = counter_.read<&Counter::value>();
    if (!value.has_value()) return tl::unexpected(value.error());
    seen += *value;
    asm volatile("" : : "r"(seen) : "memory");  // each is a read of its own
  }
  samples_.add((Monotonic::now() - start) / reads_a_sample);
  return turn(start);
}

Result<> Caller::read_there() {
  const Time start = Monotonic::now();
  for (unsigned read = 0; read < reads_there_a_sample; ++read) {
    const auto value = counter_.at("b").read<&Counter::value>().get();
    if (!value) return tl::unexpected(value.error());
  }
  samples_.add((Monotonic::now() - start) / reads_there_a_sample);
  return {};
}

Result<> Caller::run() {
  const auto turn_now = [&] { return turn(Monotonic::now()); };
  const auto window = await_window(link_, true, turn_now);
  if (!window) return tl::unexpected(window.error());
  bool begun = false;
  std::uint64_t before = 0;
  Time begin{};
  double processor = 0;
  for (Time now = Monotonic::now(); now < window->end; now = Monotonic::now()) {
    if (!begun && now >= window->start) {
      begun = true;
      before = executed();
      begin = now;
      processor = cpu_seconds();
      samples_.clear();
    }
    const auto done = calls_ == "none"        ? rest(window->end)
                      : !calling_             ? turn(now)
                      : calls_ == "update"    ? update()
                      : calls_ == "read_here" ? read_here()
                                              : read_there();
    if (!done) return done;
  }
  const double seconds = std::chrono::duration<double>(Monotonic::now() - begin).count();
  return finish_window(link_, node_,
                       {{"executed", executed() - before},
                        {"seconds", seconds},
                        {"core_share", (cpu_seconds() - processor) / seconds},
                        {"rss_bytes", resident_bytes()},
                        {"median_ns", static_cast<double>(samples_.percentile(0.5).count())}},
                       turn_now);
}

}  // namespace

int call_as_member() {
  return play_member([](Link& link) -> Result<> {
    Config config = link.config();
    config.survive_losses = false;
    auto node = Node::start(config);
    if (!node) return tl::unexpected(node.error());
    auto counter = (*node)->object<Counter>("bench");
    if (!counter) return tl::unexpected(counter.error());
    for (const GroupConfig& group : config.groups)
      if (group.name != "bench") (*node)->group(group.name)->on_deliver([](const Delivery&) {});
    return Caller(link, **node, counter).run();
  });
}

}  // namespace squall::bench
