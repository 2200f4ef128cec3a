#include "core/membership/pulse.h"

#include <fmt/format.h>

namespace squall::membership {
namespace {

constexpr std::uint8_t isolated_bit = 1;
constexpr std::uint8_t answer_bit = 2;
constexpr std::uint8_t leaving_bit = 4;
constexpr std::uint8_t arriving_bit = 8;
constexpr std::uint8_t closing_bit = 16;
constexpr std::uint8_t known_bits =
    isolated_bit | answer_bit | leaving_bit | arriving_bit | closing_bit;

void put(Writer& writer, const RankSet& set) {
  for (const std::uint64_t word : set.words()) writer.put(word);
}
RankSet get_ranks(Reader& reader) {
  RankSet set;
  for (std::uint64_t& word : set.words()) word = reader.get<std::uint64_t>();
  return set;
}

}  // namespace

void encode(Writer& writer, const Pulse& pulse) {
  writer.put(pulse.view).put(pulse.beat).put(pulse.echo);
  put(writer, pulse.suspects);
  put(writer, pulse.spreading);
  writer.put(static_cast<std::uint8_t>(
      (pulse.isolated ? isolated_bit : 0) | (pulse.answer ? answer_bit : 0) |
      (pulse.leaving ? leaving_bit : 0) | (pulse.arriving ? arriving_bit : 0) |
      (pulse.closing ? closing_bit : 0)));
}

Result<Pulse> decode_pulse(Bytes bytes) {
  Reader reader(bytes);
  Pulse pulse;
  pulse.view = reader.get<ViewId>();
  pulse.beat = reader.get<Beat>();
  pulse.echo = reader.get<Beat>();
  pulse.suspects = get_ranks(reader);
  pulse.spreading = get_ranks(reader);
  const auto flags = reader.get<std::uint8_t>();
  if (!reader.done())
    return fail(Code::lost,
                fmt::format("a heartbeat has {} bytes, not {}", pulse_bytes, bytes.size()),
                "run the same version everywhere");
  if (pulse.beat == 0) return fail(Code::lost, "a heartbeat without a number");
  if ((flags & ~known_bits) != 0)
    return fail(Code::lost, fmt::format("a heartbeat with unknown flags {:#x}", flags),
                "run the same version everywhere");
  if (!pulse.suspects.includes(pulse.spreading))
    return fail(Code::lost, "a heartbeat that spreads an accusation which it does not make");
  pulse.isolated = (flags & isolated_bit) != 0;
  pulse.answer = (flags & answer_bit) != 0;
  pulse.leaving = (flags & leaving_bit) != 0;
  pulse.arriving = (flags & arriving_bit) != 0;
  pulse.closing = (flags & closing_bit) != 0;
  return pulse;
}

}  // namespace squall::membership
