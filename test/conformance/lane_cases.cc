// The two lanes: what is urgent does not wait behind what is large.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/fabric/memory.h"
#include "test/conformance/child.h"
#include "test/conformance/world.h"

namespace squall::conformance {
namespace {

using fabric::Memory;

constexpr RegionId stamps{1}, large{2};
const std::size_t large_bytes = repeats(48) << 20;
constexpr int urgents = 60;

std::uint64_t clock_now() {
  return static_cast<std::uint64_t>(Monotonic::now().time_since_epoch().count());
}

struct Delays {
  std::vector<std::uint64_t> us;
  void add(std::uint64_t stamp) { us.push_back((clock_now() - stamp) / 1'000); }
  std::uint64_t median() {
    if (us.empty()) return 0;
    std::ranges::nth_element(us, us.begin() + static_cast<std::ptrdiff_t>(us.size() / 2));
    return us[us.size() / 2];
  }
  std::uint64_t worst() const { return us.empty() ? 0 : *std::ranges::max_element(us); }
};

// Notes how old each urgent stamp is when it is first seen: in a counter, and in a message.
void play_sink(Link& link, const std::string& what) {
  Memory landing = must(Memory::create(large_bytes), "memory");
  Joined joined = join(link);
  Node& node = *joined.node;
  const std::byte* stamp = must(node->import(joined.parent, stamps, 4096), "import");
  must(what == "object" ? node->import_object(joined.parent, large, large_bytes, &landing)
                        : node->import(joined.parent, large, large_bytes),
       "import");
  Delays by_push, by_message;
  std::uint64_t last = 0;
  bool asked = false;
  for (;;) {
    std::array<Event, 8> events;
    node->flush();
    const std::size_t count = node->poll(events);
    for (const Event& event : std::span(events).first(count)) {
      if (event.kind == Kind::lost) return;
      if (event.kind != Kind::message || event.lane != Lane::urgent) continue;
      std::uint64_t sent = 0;
      std::memcpy(&sent, event.bytes.data(), 8);
      by_message.add(sent);
    }
    if (const std::uint64_t now = load_counter(stamp); now != last) by_push.add(last = now);
    asked = asked || link.try_hear().has_value();
    if (asked && by_message.us.size() >= urgents) {  // the question may overtake the last of them
      link.say(fmt::format("{} {} {} {} {} {}", by_push.us.size(), by_push.median(),
                           by_push.worst(), by_message.us.size(), by_message.median(),
                           by_message.worst()));
      asked = false;
      by_push.us.clear();
      by_message.us.clear();
    }
  }
}
const Role sink{"sink", play_sink};

struct Source {
  Memory stamp = must(Memory::create(4096), "memory");
  Memory bulk = must(Memory::create(large_bytes), "memory");
  std::unique_ptr<World> world = subject().make_world();
  Node& node = world->add("source");
  Child child;
  PeerId peer{};

  explicit Source(std::string_view flood = "region") : child("sink", flood) {
    must(node->expose(stamps, stamp), "expose");
    must(node->expose(large, bulk), "expose");
    peer = admit(*world, node, child);
    expect(world->until([&] { return node.count(Kind::attached) == 2; }), "attached");
  }
  // One stamp as a counter and one as a message.
  void urgent() {
    store_counter(stamp.data(), clock_now());
    must(node->push(stamps, 0, 8, Lane::urgent), "push");
    const std::uint64_t now = clock_now();
    must(node->send(peer, Lane::urgent, {reinterpret_cast<const std::byte*>(&now), 8}), "send");
  }
  struct Report {
    std::uint64_t pushes, push_median, push_worst, messages, message_median, message_worst;
  };
  Report report() {
    child.link().say("report");
    Report r{};
    const std::string line = child.link().hear(*world, 3 * patience);
    expect(std::sscanf(line.c_str(), "%lu %lu %lu %lu %lu %lu", &r.pushes, &r.push_median,
                       &r.push_worst, &r.messages, &r.message_median, &r.message_worst) == 6,
           "a report");
    return r;
  }
};

void urgent_beside_large_pushes(std::string_view into) {
  Source scene(into);
  // A push moves nothing there.
  if (scene.node->capabilities().maps || (subject().maps_regions && into == "region")) return;
  // Two large pushes are always queued; an urgent stamp goes out at moments spread over them.
  std::uint64_t issued = 0, returned = 0, seen = 0;
  scene.node.on_event = [&](const Event& event) {
    if (event.kind == Kind::completed) ++returned;
  };
  // Newer stamps may replace older ones: where the sink is slow, it takes more than one round to
  // see enough of them. And where others want the cores the sink is late for everything, in some
  // rounds; behind the large pushes it would be late in all.
  bool prompt = false;
  for (int round = 0; round < 5 && (seen <= urgents / 4 || !prompt); ++round) {
    const std::uint64_t before = returned;
    const Time start = Monotonic::now();
    Time next = start;
    for (int sent = 0; sent < urgents;) {
      // (Pushes of the same range may be merged; two halves are two ranges.)
      while (issued < returned + 2) {
        const std::size_t half = large_bytes / 2;
        must(scene.node->push(large, issued % 2 * half, half, Lane::bulk, issued + 1), "push");
        ++issued;
      }
      scene.node.turn();
      if (Monotonic::now() < next) continue;
      next = Monotonic::now() + 7ms;
      scene.urgent();
      ++sent;
    }
    const Duration took = Monotonic::now() - start;
    expect(scene.world->until([&] { return returned == issued; }, 6 * patience), "the flood ends");
    const Source::Report report = scene.report();
    // In one queue, a stamp would wait for up to two large pushes, and one on average.
    const auto one_push_us = static_cast<std::uint64_t>(took.count() / 1'000) /
                             std::max<std::uint64_t>(1, returned - before);
    MESSAGE("one large push takes ", one_push_us, " us; urgent push median ", report.push_median,
            " worst ", report.push_worst, ", message median ", report.message_median, " worst ",
            report.message_worst);
    CHECK(report.messages == urgents);
    seen += report.pushes;
    const std::uint64_t bound_us = std::max<std::uint64_t>(one_push_us / 2, 5'000);
    prompt = prompt || (report.push_median < bound_us && report.message_median < bound_us &&
                        report.push_worst < 1'000'000 && report.message_worst < 1'000'000);
  }
  CHECK(prompt);
  CHECK(seen > urgents / 4);
}

TEST_CASE("an urgent push or message does not wait behind large pushes" *
          doctest::skip(!subject().processes)) {
  urgent_beside_large_pushes("region");
}

TEST_CASE("an urgent push or message does not wait behind a large object" *
          doctest::skip(!subject().processes)) {
  urgent_beside_large_pushes("object");
}

TEST_CASE("an urgent push or message does not wait behind a full lane of bulk messages" *
          doctest::skip(!subject().processes)) {
  Source scene;
  const std::string message =
      content(1, std::min<std::size_t>(scene.node->capabilities().max_message_bytes, 256 << 10));
  std::uint64_t bulk = 0, full = 0;
  const Time start = Monotonic::now();
  Time next = start;
  // A full lane holds many more than these, and in one queue with it an urgent message would wait
  // for all of them.
  const auto four_bulk_messages = [&] {
    return 4 * (Monotonic::now() - start) / std::max<std::uint64_t>(1, bulk);
  };
  for (int sent = 0; sent < urgents;) {
    for (;;) {
      const auto queued = scene.node->send(scene.peer, Lane::bulk, as_bytes(message));
      if (!queued) {
        expect(queued.error().code == Code::would_block, "the lane is only full");
        ++full;
        break;
      }
      if (++bulk % 64 == 0) break;
    }
    scene.node.turn();
    if (Monotonic::now() < next) continue;
    // Not more of them than a busy machine carries beside the others.
    next = Monotonic::now() + std::max<Duration>(5ms, four_bulk_messages() / 2);
    scene.urgent();
    ++sent;
  }
  const std::uint64_t most_us =
      std::max<std::uint64_t>(50'000, static_cast<std::uint64_t>(four_bulk_messages() / 1us));
  const Source::Report report = scene.report();
  MESSAGE(bulk, " bulk messages, lane full ", full, " times; urgent push median ",
          report.push_median, " us worst ", report.push_worst, ", message median ",
          report.message_median, " worst ", report.message_worst);
  CHECK(full > 0);
  CHECK(report.pushes > urgents / 4);
  CHECK(report.messages == urgents);
  CHECK(report.push_median < most_us);
  CHECK(report.message_median < most_us);
  CHECK(report.push_worst < 1'000'000);
  CHECK(report.message_worst < 1'000'000);
}

}  // namespace
}  // namespace squall::conformance
