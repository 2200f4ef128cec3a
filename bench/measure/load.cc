#include "bench/measure/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "bench/launch/link.h"
#include "bench/launch/play.h"
#include "bench/launch/window.h"
#include "bench/samples/samples.h"
#include "bench/samples/usage.h"
#include "groups/node.h"

namespace squall::bench {
namespace {

using nlohmann::json;

constexpr Duration listen_every = 1ms;
/// Exact percentiles for as many round trips as the shortest make in four seconds.
constexpr std::size_t latency_samples = std::size_t{1} << 22;

class Load {
 public:
  Load(Link& link, Node& node)
      : link_(link),
        node_(node),
        group_(*node.group(bench_group)),
        size_(link.task().at("size_bytes").get<std::size_t>()),
        messages_(std::bit_floor(std::clamp<std::size_t>(
                      prepared_bytes / std::max<std::size_t>(size_, 1), 1, most_prepared)),
                  std::vector<std::byte>(size_, std::byte{0x5a})),
        burst_(link.task().at("burst")),
        sends_(link.task().at("sends")),
        expected_(node.view()->size(), 0) {
    for (std::size_t i = 0; i < messages_.size(); ++i) number(messages_[i], i);
    group_.on_deliver([this](const Delivery& delivery) { on_deliver(delivery); });
  }
  ~Load() { group_.on_deliver(nullptr); }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  Result<> run();

 private:
  void on_deliver(const Delivery& delivery);
  static void number(std::vector<std::byte>& message, std::uint64_t number) {
    if (message.size() >= sizeof(number)) std::memcpy(message.data(), &number, sizeof(number));
  }
  /// try_send of the next message. Messages are numbered some sends ahead: a copy of what was
  /// stored a moment ago waits for the store (narrower than the copy's loads), and that time would
  /// be the benchmark's own.
  Result<> send_next() {
    std::vector<std::byte>& message = messages_[sent_ & (messages_.size() - 1)];
    auto sent = group_.try_send(message);
    if (sent) number(message, sent_++ + messages_.size());
    return sent;
  }
  /// Who has waited looks at once, before anything else is done.
  void turn(Time now) {
    if (node_.poll()) return;
    node_.idle(now + listen_every);
    node_.poll();
  }
  Result<json> throughput(const Window& window);
  Result<json> latency(const Window& window);
  Result<> check() const;

  Link& link_;
  Node& node_;
  Group& group_;
  // Few enough to stay in the cache; a power of two.
  static constexpr std::size_t most_prepared = 16;
  static constexpr std::size_t prepared_bytes = std::size_t{4} << 10;
  std::size_t size_;
  std::vector<std::vector<std::byte>> messages_;
  unsigned burst_;
  bool sends_;
  std::uint64_t sent_ = 0;
  std::uint64_t delivered_ = 0;
  std::vector<std::uint64_t> expected_;  // by sender
  bool wrong_ = false;
};

void Load::on_deliver(const Delivery& delivery) {
  ++delivered_;
  std::uint64_t& expected = expected_[delivery.sender];
  if (delivery.bytes.size() >= sizeof(expected)) {
    std::uint64_t number = 0;
    std::memcpy(&number, delivery.bytes.data(), sizeof(number));
    wrong_ = wrong_ || number != expected;
  }
  ++expected;
}

Result<> Load::check() const {
  if (const auto stopped = node_.stopped()) return tl::unexpected(*stopped);
  if (wrong_) return fail(Code::lost, "a message was delivered out of order, or with other bytes");
  return {};
}

/// What the window holds at this member, counted from its own first look after the start to its
/// first after the end.
struct Count {
  bool begun = false;
  std::uint64_t delivered = 0;
  double cpu_s = 0;
  Time at{};
};

Result<json> Load::throughput(const Window& window) {
  Count begin;
  for (Time now = Monotonic::now();; now = Monotonic::now()) {
    if (!begin.begun && now >= window.start) begin = {true, delivered_, cpu_seconds(), now};
    if (now >= window.end) {
      return json{{"delivered", delivered_ - begin.delivered},
                  {"seconds", std::chrono::duration<double>(now - begin.at).count()},
                  {"cpu_s", cpu_seconds() - begin.cpu_s}};
    }
    if (sends_) {
      for (unsigned i = 0; i < burst_; ++i) {
        const auto sent = send_next();
        if (!sent && sent.error().code != Code::would_block) return tl::unexpected(sent.error());
        if (!sent) break;
      }
    }
    if (!node_.poll()) {
      if (auto checked = check(); !checked) return tl::unexpected(checked.error());
      node_.idle(now + listen_every);
    }
  }
}

Result<json> Load::latency(const Window& window) {
  Samples samples(sends_ ? latency_samples : 1);
  Count begin;
  for (Time now = Monotonic::now();;) {
    if (!begin.begun && now >= window.start) {
      begin = {true, delivered_, cpu_seconds(), now};
      samples.clear();
    }
    if (now >= window.end) break;
    if (!sends_) {
      turn(now);
      if (auto checked = check(); !checked) return tl::unexpected(checked.error());
      now = Monotonic::now();
      continue;
    }
    const std::uint64_t before = delivered_;
    const Time start = Monotonic::now();
    if (auto sent = send_next(); !sent) return tl::unexpected(sent.error());
    while (delivered_ == before) {
      if (node_.poll()) continue;
      if (auto checked = check(); !checked) return tl::unexpected(checked.error());
      node_.idle(Monotonic::now() + listen_every);
    }
    now = Monotonic::now();
    samples.add(now - start);
  }
  return json{{"delivered", delivered_ - begin.delivered},
              {"seconds", std::chrono::duration<double>(Monotonic::now() - begin.at).count()},
              {"cpu_s", cpu_seconds() - begin.cpu_s},
              {"p50_ns", samples.percentile(0.5).count()},
              {"p99_ns", samples.percentile(0.99).count()},
              {"max_ns", samples.max().count()}};
}

Result<> Load::run() {
  if (sends_ && size_ > group_.max_message_bytes())
    return fail(Code::too_large,
                fmt::format("a message of {} bytes; this ring takes at most {}", size_,
                            group_.max_message_bytes()),
                "a larger --ring, at least four times the size");
  const auto turn_checked = [&] {
    turn(Monotonic::now());
    return check();
  };
  auto window = await_window(link_, {{"fabric", node_.fabric()}}, turn_checked);
  if (!window) return tl::unexpected(window.error());
  auto result = link_.task().at("figure") == "latency" ? latency(*window) : throughput(*window);
  if (result) {
    // Also of what came within the window but is only looked at now.
    if (auto checked = check(); !checked) result = tl::unexpected(checked.error());
  }
  if (!result) return tl::unexpected(result.error());
  (*result)["rss_bytes"] = resident_bytes();
  return finish_window(link_, node_, *result, turn_checked);
}

}  // namespace

int measure_as_member() {
  return play_member([](Link& link) -> Result<> {
    Config config = link.config();
    // A figure of fewer members is none. A stall of a busy machine is no death.
    config.survive_losses = false;
    config.failure_timeout = 5s;
    auto node = Node::start(config);
    if (!node) return tl::unexpected(node.error());
    return Load(link, **node).run();
  });
}

}  // namespace squall::bench
