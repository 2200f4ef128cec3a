#include "bench/cost/one_way.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <new>

#include "bench/limits/sides.h"
#include "groups/link_end.h"

namespace squall::bench {
namespace {

constexpr std::array<std::size_t, 6> lengths{0,
                                             std::size_t{64} << 10,
                                             std::size_t{256} << 10,
                                             std::size_t{512} << 10,
                                             std::size_t{1} << 20,
                                             std::size_t{4} << 20};
constexpr std::size_t most_bytes = lengths.back();
// All lengths again and again, so that a minute in which somebody else has the processor is no
// length's alone. In the first pass caches are cold, and the device has not seen the pages.
constexpr int passes = 9;
constexpr unsigned turns_a_look = 1024;
constexpr Duration patience = 10s;

/// What the two tell each other outside of the fabric, and the result.
struct Meeting {
  struct Address {
    std::array<char, 512> text{};
    std::size_t bytes = 0;
  };
  std::array<Address, 2> addresses;
  std::atomic<std::size_t> length{0};  ///< of the trips to come
  std::array<double, lengths.size()> seconds{};
  bool maps = false;
  multicast::bulk::Cost usual;
};

Result<LinkEnd> connect(Side& side, Meeting& meeting, unsigned self, const std::string& fabric) {
  auto end = LinkEnd::open(fabric, most_bytes);
  if (!end) return end;
  const std::string address = end->address();
  Meeting::Address& mine = meeting.addresses[self];
  if (address.size() > mine.text.size()) return fail(Code::invalid, "the address is too long");
  std::memcpy(mine.text.data(), address.data(), address.size());
  mine.bytes = address.size();
  side.meet();
  const Meeting::Address& other = meeting.addresses[1 - self];
  auto connected = end->connect({other.text.data(), other.bytes}, Monotonic::now() + patience);
  if (!connected) return tl::unexpected(connected.error());
  return end;
}

/// Until the other's value is `value`; false when the side that measures has finished.
Result<bool> await(Side& side, LinkEnd& end, std::uint64_t value) {
  const Time deadline = Monotonic::now() + patience;
  for (unsigned turns = 1;; ++turns) {
    const auto seen = end.turn();
    if (!seen) return tl::unexpected(seen.error());
    if (*seen >= value) return true;
    if (side.finished()) return false;
    if (turns % turns_a_look == 0 && Monotonic::now() > deadline)
      return fail(Code::timeout, "nothing comes any more");
    side.relax();
  }
}

/// Seconds there and back of the quickest, for one length: whoever else has the processor meanwhile
/// only adds to it.
Result<double> round_trips(Side& side, LinkEnd& end, std::size_t bytes, std::uint64_t& number,
                           Duration duration) {
  Duration quickest = Duration::max();
  const Time until = Monotonic::now() + duration;
  for (Time start = Monotonic::now(); start < until || quickest == Duration::max();) {
    if (auto pushed = end.push(bytes, ++number); !pushed) return tl::unexpected(pushed.error());
    const auto back = await(side, end, number);
    if (!back) return tl::unexpected(back.error());
    if (!*back) return fail(Code::lost, "the other side has ended");
    const Time now = Monotonic::now();
    quickest = std::min(quickest, now - start);
    start = now;
  }
  return std::chrono::duration<double>(quickest).count();
}

Result<double> send(Side& side, Meeting& meeting, const std::string& fabric, Duration duration) {
  auto end = connect(side, meeting, 0, fabric);
  if (!end) return tl::unexpected(end.error());
  meeting.maps = end->maps();
  meeting.usual = end->usual_cost();
  std::uint64_t number = 0;
  const Duration each = duration / (passes * lengths.size());
  for (int pass = 0; pass < passes; ++pass)
    for (std::size_t at = 0; at < lengths.size(); ++at) {
      meeting.length.store(lengths[at], std::memory_order_release);
      const auto trip = round_trips(side, *end, lengths[at], number, each);
      if (!trip) return trip;
      double& seconds = meeting.seconds[at];
      seconds = pass <= 1 ? *trip : std::min(seconds, *trip);
    }
  side.finish();
  return 0;
}

Result<> receive(Side& side, Meeting& meeting, const std::string& fabric) {
  auto end = connect(side, meeting, 1, fabric);
  if (!end) return tl::unexpected(end.error());
  // At the beginning of a page, where objects land: copies of some lengths take many times as long
  // to places that lie otherwise.
  auto own = SharedBlock::create(most_bytes);
  if (!own) return tl::unexpected(own.error());
  std::memset(own->data(), 0, own->size());
  for (std::uint64_t number = 1;; ++number) {
    const auto come = await(side, *end, number);
    if (!come) return side.finished() ? Result<>{} : Result<>(tl::unexpected(come.error()));
    if (!*come) return {};
    if (end->maps())
      std::memcpy(own->data(), end->object(), meeting.length.load(std::memory_order_acquire));
    if (auto pushed = end->push(number); !pushed) return side.finished() ? Result<>{} : pushed;
  }
}

}  // namespace

Result<OneWay> measure_one_way(const std::string& fabric, Duration duration) {
  auto block = SharedBlock::create(sizeof(Meeting));
  if (!block) return tl::unexpected(block.error());
  auto& meeting = *new (block->data()) Meeting;
  const auto done =
      run_pair([&](Side& side) { return send(side, meeting, fabric, duration); },
               [&](Side& side) { return receive(side, meeting, fabric); }, limit_of(duration));
  if (!done) return tl::unexpected(done.error());
  OneWay result{{}, meeting.maps, meeting.usual};
  const double back = meeting.seconds[0] / 2;
  for (std::size_t at = 0; at < lengths.size(); ++at)
    result.trips.push_back({lengths[at], meeting.seconds[at] - back});
  return result;
}

}  // namespace squall::bench
