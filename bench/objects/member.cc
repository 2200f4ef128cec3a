#include "bench/objects/member.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
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
/// Every object says who it is this often, so that bytes of another one would be noticed.
constexpr std::size_t stamp_every = std::size_t{64} << 10;
/// Stamps between two turns: who fills memory for longer would hold up the others.
constexpr std::size_t stamps_at_once = 64;
constexpr std::size_t small_bytes = 64;

class Taker {
 public:
  Taker(Link& link, Node& node)
      : link_(link),
        node_(node),
        group_(*node.group(objects_group)),
        small_(*node.group(beside_group)),
        size_(link.task().at("size_bytes")),
        first_(link.task().at("first")),
        sends_(link.task().at("sends")),
        fills_(link.task().at("fills")),
        asks_(link.task().at("asks")) {
    // Over a network what is delivered is a copy of one's own already.
    const bool shares = node.fabric() == "shm";
    if (link.task().at("copies") && shares && !sends_) copy_.resize(size_);
    group_.on_deliver([this](const Delivery& delivery) { take(delivery); });
    small_.on_deliver([this](const Delivery& delivery) {
      if (delivery.sender == node_.rank()) answered_ = true;
    });
  }

  Result<> run();

 private:
  void take(const Delivery& delivery);
  Result<> take_first();
  Result<> send_some();
  Result<> ask(Time now, Samples& samples);
  Result<> turn(Time now) {
    if (node_.poll()) return {};
    if (const auto stopped = node_.stopped()) return tl::unexpected(*stopped);
    if (wrong_) return fail(Code::lost, "an object was delivered with the bytes of another");
    node_.idle(now + listen_every);
    return {};
  }

  Link& link_;
  Node& node_;
  Group& group_;
  Group& small_;
  std::size_t size_;
  std::uint64_t first_;  // objects, before the window
  bool sends_, fills_, asks_;
  std::vector<std::byte> copy_;
  Buffer filling_;
  std::size_t stamped_ = 0;  // of it
  std::uint64_t sent_ = 0, taken_ = 0;
  std::optional<Time> asked_at_;
  bool answered_ = false;
  bool wrong_ = false;
};

void Taker::take(const Delivery& delivery) {
  const std::byte* data = delivery.bytes.data();
  if (!copy_.empty()) {
    std::memcpy(copy_.data(), data, delivery.bytes.size());
    data = copy_.data();
  }
  for (std::size_t at = 0; at + sizeof taken_ <= delivery.bytes.size(); at += stamp_every)
    wrong_ |= std::memcmp(data + at, &taken_, sizeof taken_) != 0;
  wrong_ |= delivery.bytes.size() != size_;
  ++taken_;
}

/// Goes on with the next object, if there is a buffer that nobody reads any more.
Result<> Taker::send_some() {
  if (!filling_) {
    auto object = group_.try_buffer(size_);
    if (!object && object.error().code == Code::would_block) return {};
    if (!object) return tl::unexpected(object.error());
    filling_ = std::move(*object);
    stamped_ = 0;
  }
  for (std::size_t stamp = 0; stamp < stamps_at_once; ++stamp, stamped_ += stamp_every) {
    if (stamped_ + sizeof sent_ <= size_) {
      if (fills_)
        std::memset(filling_.bytes().data() + stamped_, static_cast<int>(sent_ % 251),
                    std::min(stamp_every, size_ - stamped_));
      std::memcpy(filling_.bytes().data() + stamped_, &sent_, sizeof sent_);
      continue;
    }
    auto sent = group_.try_send(filling_);
    if (!sent && sent.error().code != Code::would_block) return sent;
    sent_ += sent.has_value();
    break;
  }
  return {};
}

/// Until it has the objects that come before everything else.
Result<> Taker::take_first() {
  while (taken_ < first_) {
    if (sends_ && sent_ < first_)
      if (auto sent = send_some(); !sent) return sent;
    if (auto turned = turn(Monotonic::now()); !turned) return turned;
    if (link_.told_to_stop()) return fail(Code::closed, "the command is gone");
  }
  return {};
}

/// A small message, as soon as the one before is there.
Result<> Taker::ask(Time now, Samples& samples) {
  if (asked_at_ && !answered_) return {};
  if (asked_at_) samples.add(now - *asked_at_);
  static constexpr std::byte nothing[small_bytes] = {};
  asked_at_ = Monotonic::now();
  answered_ = false;
  return small_.try_send(nothing);
}

Result<> Taker::run() {
  if (auto taken = take_first(); !taken) return taken;
  const auto turn_now = [&] { return turn(Monotonic::now()); };
  const auto window = await_window(link_, {{"fabric", node_.fabric()}}, turn_now);
  if (!window) return tl::unexpected(window.error());
  Samples idle, beside;
  std::uint64_t before = 0;
  std::optional<Time> began;
  double processor = 0;
  Time now = Monotonic::now();
  for (; now < window->end; now = Monotonic::now()) {
    if (!began && now >= window->start) {
      began = now;
      before = taken_;
      processor = cpu_seconds();
      beside.clear();
    }
    if (asks_)
      if (auto asked = ask(now, now < window->alone ? idle : beside); !asked) return asked;
    if (sends_ && now >= window->alone)
      if (auto sent = send_some(); !sent) return sent;
    if (auto turned = turn(now); !turned) return turned;
  }
  const double seconds = std::chrono::duration<double>(now - *began).count();
  return finish_window(link_, node_,
                       {{"taken", taken_ - before},
                        {"seconds", seconds},
                        {"idle_ns", asks_ ? idle.percentile(0.5).count() : 0},
                        {"beside_ns", asks_ ? beside.percentile(0.5).count() : 0},
                        {"rss_bytes", resident_bytes()},
                        {"cpu_s", cpu_seconds() - processor}},
                       turn_now);
}

}  // namespace

int take_objects_as_member() {
  return play_member([](Link& link) -> Result<> {
    Config config = link.config();
    // A figure of fewer members is none. A stall of a busy machine is no death.
    config.survive_losses = false;
    config.failure_timeout = 5s;
    auto node = Node::start(config);
    if (!node) return tl::unexpected(node.error());
    return Taker(link, **node).run();
  });
}

}  // namespace squall::bench
