#include "test/conformance/world.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "core/base/random.h"

namespace squall::conformance {
namespace {

constexpr Duration kept_for = std::chrono::milliseconds(10);

/// How long this thread was ready to run and others ran instead (proc(5), `schedstat`); nothing
/// where the kernel does not say.
Duration kept_from_here() {
  std::uint64_t ran = 0, waited = 0;
  std::ifstream("/proc/thread-self/schedstat") >> ran >> waited;
  return Duration(static_cast<Duration::rep>(waited));
}

}  // namespace

Node::Node(std::string name, std::unique_ptr<fabric::Fabric> fabric)
    : name_(std::move(name)), fabric_(std::move(fabric)) {}

bool Node::turn() {
  if (!fabric_) return false;
  // Call by call: a turn makes dozens of them.
  const auto watched = [this](auto&& call) {
    const Time start = Monotonic::now();
    if (start - kept_read_ > kept_for) {
      kept_ = kept_from_here();
      kept_read_ = start;
    }
    call();
    Duration took = Monotonic::now() - start;
    if (took > std::max(slowest_call, kept_for))
      took -= std::clamp(kept_from_here() - kept_, Duration::zero(), took);
    slowest_call = std::max(slowest_call, took);
  };
  std::array<Event, 16> events;
  bool moved = false;
  watched([&] { fabric_->flush(); });
  // Bounded: a peer that sends without end must not keep the others from turning.
  for (int batch = 0; batch < 64; ++batch) {
    std::size_t count = 0;
    watched([&] { count = fabric_->poll(events); });
    moved = moved || count > 0 || fabric_->progressed();
    for (const Event& event : std::span(events).first(count)) {
      if (on_event)
        on_event(event);
      else
        seen.push_back({event.kind, event.ok, event.lane, event.peer, event.region, event.token,
                        std::string(as_text(event.bytes)), std::string(event.text)});
    }
    if (count < events.size()) break;
  }
  return moved;
}

std::size_t Node::count(Kind kind) const {
  return std::ranges::count(seen, kind, &Seen::kind);
}

std::size_t Node::count(Kind kind, PeerId peer) const {
  return std::ranges::count_if(
      seen, [&](const Seen& event) { return event.kind == kind && event.peer == peer; });
}

const Seen* Node::find(Kind kind, PeerId peer) const {
  for (const Seen& event : seen)
    if (event.kind == kind && event.peer == peer) return &event;
  return nullptr;
}

Node& World::add(std::string_view name) {
  return nodes_.emplace_back(std::string(name), must(open(name), "open"));
}

bool World::turn() {
  bool moved = false;
  for (Node& node : nodes_) moved = node.turn() || moved;
  return moved;
}

bool World::until(const std::function<bool()>& done, Duration limit) {
  Time moved_at = now();
  const Time deadline = moved_at + limit;
  for (;;) {
    const bool moved = turn();
    if (done()) return true;
    const Time at = now();
    if (at >= deadline) return false;
    if (moved) moved_at = at;
    pass(at - moved_at);
  }
}

void World::pass_time(Duration span) {
  until([] { return false; }, span);
}

Result<std::unique_ptr<fabric::Fabric>> RealWorld::open(std::string_view name) {
  fabric::Options options;
  options.name = provider_name_;
  options.node_name = name;
  return provider_.open(options);
}

std::uint64_t repeats(std::uint64_t count) {
  return emulated() ? count / 10 : count;
}

bool emulated() {
  return std::getenv("SQUALL_TEST_EMULATED") != nullptr;
}

void rest(Duration quiet) {
  if (quiet < 10ms)
    sched_yield();
  else
    std::this_thread::sleep_for(500us);  // sleep-ok: a rest between two looks
}

Ticket fresh_ticket() {
  static std::uint64_t count = 0;
  const std::uint64_t parts[2] = {static_cast<std::uint64_t>(getpid()), ++count};
  Ticket ticket;
  std::memcpy(ticket.data(), parts, sizeof ticket);
  return ticket;
}

Pair connect(World& world, Node& first, Node& second) {
  const Ticket ticket = fresh_ticket();
  Pair pair;
  pair.first_to_second = must(first->connect(second->address(), ticket), "connect");
  pair.second_to_first = must(second->connect(first->address(), ticket), "connect");
  const bool connected = world.until([&] {
    return first.find(Kind::connected, pair.first_to_second) != nullptr &&
           second.find(Kind::connected, pair.second_to_first) != nullptr;
  });
  expect(connected, "both ends say connected");
  return pair;
}

std::string content(std::uint64_t number, std::size_t bytes) {
  Random random(number + 1);
  std::string made((bytes + 7) / 8 * 8, '\0');
  for (std::size_t at = 0; at < made.size(); at += 8) {
    const std::uint64_t word = random.next();
    std::memcpy(made.data() + at, &word, 8);
  }
  made.resize(bytes);
  return made;
}

void broken(const std::string& what) {
  throw std::runtime_error(what);
}

void require_prompt(Duration took) {
  if (took > longest_call)
    broken("a call took " + std::to_string(took.count() / 1'000'000) +
           " ms: nothing but wait may block");
}

}  // namespace squall::conformance
