#include "providers/shm/shm_wire.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include "core/base/assert.h"

namespace squall::shm {
namespace {

constexpr std::size_t max_reason_bytes = 300;
constexpr std::size_t address_digits = 32;

char printable(char c) {
  return c >= ' ' && c <= '~' ? c : '?';
}

}  // namespace

std::vector<std::byte> encode(const Hello& hello) {
  Writer writer;
  writer.put(hello_magic).put(hello.version);
  for (std::byte b : hello.ticket) writer.put(b);
  writer.put(PacketKind::hello);
  return writer.take();
}

std::vector<std::byte> encode(const Control& control) {
  Writer writer;
  writer.put(control.kind);
  switch (control.kind) {
    case PacketKind::want:
      writer.put(control.region).put(control.bytes);
      break;
    case PacketKind::grant:
    case PacketKind::attached:
    case PacketKind::release:
      writer.put(control.region);
      break;
    case PacketKind::bye:
      writer.put(std::string_view(control.reason).substr(0, max_reason_bytes));
      break;
    case PacketKind::hello:
      SQUALL_ASSERT(false, "a hello is no control packet");
  }
  return writer.take();
}

std::optional<Hello> parse_hello(Bytes bytes) {
  Reader reader(bytes);
  Hello hello;
  if (reader.get<std::uint32_t>() != hello_magic) return std::nullopt;
  hello.version = reader.get<std::uint32_t>();
  for (std::byte& b : hello.ticket) b = reader.get<std::byte>();
  if (!reader.ok()) return std::nullopt;
  if (hello.version != wire_version) return hello;
  const auto kind = reader.get<PacketKind>();
  if (kind != PacketKind::hello || !reader.done()) return std::nullopt;
  return hello;
}

std::optional<Control> parse_control(Bytes bytes) {
  Reader reader(bytes);
  Control control;
  control.kind = reader.get<PacketKind>();
  switch (control.kind) {
    case PacketKind::want:
      control.region = reader.get<fabric::RegionId>();
      control.bytes = reader.get<std::uint64_t>();
      break;
    case PacketKind::grant:
    case PacketKind::attached:
    case PacketKind::release:
      control.region = reader.get<fabric::RegionId>();
      break;
    case PacketKind::bye:
      control.reason = reader.get_string(max_reason_bytes);
      std::transform(control.reason.begin(), control.reason.end(), control.reason.begin(),
                     printable);
      break;
    default:
      return std::nullopt;
  }
  if (!reader.done()) return std::nullopt;
  return control;
}

std::string random_address() {
  std::array<unsigned char, address_digits / 2> noise{};
  const ssize_t got = getrandom(noise.data(), noise.size(), 0);
  SQUALL_ASSERT(got == static_cast<ssize_t>(noise.size()), "getrandom gives 16 bytes at once");
  std::string text(address_prefix);
  for (unsigned char byte : noise) text += fmt::format("{:02x}", byte);
  return text;
}

bool is_address(std::string_view text) {
  if (!text.starts_with(address_prefix)) return false;
  text.remove_prefix(address_prefix.size());
  return text.size() == address_digits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool same(const fabric::Ticket& a, const fabric::Ticket& b) {
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference |= std::to_integer<unsigned>(a[i]) ^ std::to_integer<unsigned>(b[i]);
  return difference == 0;
}

}  // namespace squall::shm
