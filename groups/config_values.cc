#include "groups/config_values.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "groups/config_given.h"

namespace squall {
namespace {

constexpr std::size_t max_name_bytes = 64;

}  // namespace

bool is_plain_name(std::string_view name) {
  const auto plain = [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= max_name_bytes && name[0] != '.' && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), plain);
}

bool is_address(std::string_view address) {
  const auto colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view host = address.substr(0, colon);
  const std::string_view port = address.substr(colon + 1);
  if (host.front() == '[') {
    in6_addr parsed{};
    if (host.size() < 3 || host.back() != ']') return false;
    if (inet_pton(AF_INET6, std::string(host.substr(1, host.size() - 2)).c_str(), &parsed) != 1)
      return false;
  } else if (host.find_first_of(": []/@") != std::string_view::npos) {
    return false;
  }
  if (port.empty() || port.size() > 5) return false;
  unsigned number = 0;
  for (const char c : port) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + static_cast<unsigned>(c - '0');
  }
  return number >= 1 && number <= 65535;
}

Result<Contact> parse_contact(std::string_view text) {
  const auto at = text.find('@');
  if (at == std::string_view::npos)
    return fail(Code::invalid, fmt::format("contact {} has no name; expected \"name@host:port\"",
                                           in_quotes(text)));
  Contact contact{std::string(text.substr(0, at)), std::string(text.substr(at + 1))};
  if (!is_plain_name(contact.name))
    return fail(Code::invalid, fmt::format("{} cannot be a name", in_quotes(contact.name)),
                std::string(plain_name_rule));
  if (!is_address(contact.address))
    return fail(Code::invalid, fmt::format("contact '{}' is at {}; expected {}", contact.name,
                                           in_quotes(contact.address), address_rule));
  return contact;
}

bool is_local_address(std::string_view address) {
  in_addr v4{};
  in6_addr v6{};
  const std::string text(address);
  return inet_pton(AF_INET, text.c_str(), &v4) == 1 || inet_pton(AF_INET6, text.c_str(), &v6) == 1;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t number = 0;
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    if (number > (std::uint64_t{1} << 40)) return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(text[digits++] - '0');
  }
  if (digits == 0) return std::nullopt;
  std::string_view unit = text.substr(digits);
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  struct Unit {
    std::string_view name;
    unsigned shift;
  };
  static constexpr std::array<Unit, 5> units{
      {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}}};
  for (const Unit& known : units) {
    if (unit != known.name) continue;
    if (number > (std::uint64_t{1} << 40) >> known.shift) return std::nullopt;
    return number << known.shift;
  }
  return std::nullopt;
}

}  // namespace squall
