#include "groups/config_types.h"

#include <algorithm>
#include <array>

#include "core/base/ring_math.h"
#include "core/membership/timing.h"
#include "groups/config_values.h"
#include "providers/catalog/names.h"

namespace squall {
namespace {

constexpr std::int64_t max_timeout_ms = membership::longest_timeout / 1ms;
constexpr std::array<std::string_view, 2> presets{"fast", "safe"};
constexpr NumberType failure_timeout_ms{10, max_timeout_ms};

std::string in_milliseconds(const NumberType& number) {
  return number.expected() + " (milliseconds)";
}

std::string array_of(const std::vector<std::string>& texts) {
  std::vector<std::string> elements;
  for (const std::string& text : texts) elements.push_back(in_quotes(text));
  return elements.empty() ? "" : fmt::format("[{}]", fmt::join(elements, ", "));
}

std::string size_text(std::size_t bytes) {
  struct Unit {
    unsigned shift;
    std::string_view name;
  };
  for (const Unit unit : {Unit{30, "GiB"}, Unit{20, "MiB"}, Unit{10, "KiB"}})
    if (bytes != 0 && bytes % (std::size_t{1} << unit.shift) == 0)
      return fmt::format("{} {}", bytes >> unit.shift, unit.name);
  return std::to_string(bytes);
}

}  // namespace

Fit<std::string> TextType::read(const Given& given) const {
  const auto text = given.as_text();
  if (!text) return misfit(given);
  if (!fits(*text)) return misfit(given, {}, std::string(remedy));
  return std::string(*text);
}

Fit<std::string> ProviderType::read(const Given& given) const {
  const auto text = given.as_text();
  if (!text || text->empty()) return misfit(given);
  if (const auto checked = catalog::check_name(*text); !checked)
    return misfit(given, checked.error().what, checked.error().remedy);
  return std::string(*text);
}

Fit<std::int64_t> NumberType::read(const Given& given) const {
  const auto number = given.as_integer();
  if (!number || *number < least || *number > most) return misfit(given);
  return *number;
}

std::string MillisecondsType::expected() const {
  return in_milliseconds({least, max_timeout_ms});
}

Fit<Duration> MillisecondsType::read(const Given& given) const {
  return NumberType{least, max_timeout_ms}.read(given).map(
      [](std::int64_t ms) { return Duration(std::chrono::milliseconds(ms)); });
}

std::string MillisecondsType::print(Duration time) const {
  return std::to_string(time / 1ms);
}

std::string FailureTimeoutType::expected() const {
  return fmt::format("\"fast\", \"safe\" or {}", in_milliseconds(failure_timeout_ms));
}

Fit<Duration> FailureTimeoutType::read(const Given& given) const {
  if (const auto text = given.as_text())
    if (const auto timing = membership::preset(*text)) return timing->timeout;
  return MillisecondsType{failure_timeout_ms.least}.read(given);
}

std::string FailureTimeoutType::print(Duration time) const {
  for (const std::string_view name : presets)
    if (membership::preset(name)->timeout == time) return in_quotes(name);
  return MillisecondsType{failure_timeout_ms.least}.print(time);
}

std::string SizeType::expected() const {
  return fmt::format("a power of two of {} to {}, as an integer or like \"1 MiB\"", least,
                     size_text(most));
}

Fit<std::size_t> SizeType::read(const Given& given) const {
  std::optional<std::uint64_t> bytes;
  if (const auto number = given.as_integer()) {
    if (*number >= 0) bytes = static_cast<std::uint64_t>(*number);
  } else if (const auto text = given.as_text()) {
    bytes = parse_size(*text);
  }
  if (!bytes || *bytes < least || *bytes > most || !is_power_of_two(*bytes)) return misfit(given);
  return *bytes;
}

std::string SizeType::print(std::size_t bytes) const {
  return in_quotes(size_text(bytes));
}

Fit<std::vector<std::string>> NamesType::read(const Given& given) const {
  const auto list = given.as_list();
  if (!list) return misfit(given);
  if (list->empty()) return misfit(given, {}, std::string(if_empty));
  std::vector<std::string> names;
  for (const Given& element : *list) {
    const auto name = element.as_text();
    if (!name)
      return misfit(element,
                    fmt::format("one of them is {}; expected {}", element.shown(), expected()));
    if (!is_plain_name(*name))
      return misfit(element, fmt::format("{} cannot be a name", in_quotes(*name)),
                    std::string(plain_name_rule));
    if (std::ranges::find(names, *name) != names.end())
      return misfit(element, fmt::format("'{}' is named twice", *name));
    names.emplace_back(*name);
  }
  return names;
}

std::string NamesType::print(const std::vector<std::string>& names) const {
  return array_of(names);
}

Fit<std::vector<Contact>> ContactsType::read(const Given& given) const {
  const auto list = given.as_list();
  if (!list || list->empty()) return misfit(given);
  std::vector<Contact> contacts;
  for (const Given& element : *list) {
    const auto text = element.as_text();
    if (!text)
      return misfit(element,
                    fmt::format("a contact is {}; expected {}", element.shown(), expected()));
    auto contact = parse_contact(*text);
    if (!contact) return misfit(element, contact.error().what, contact.error().remedy);
    for (const Contact& other : contacts) {
      if (other.name == contact->name)
        return misfit(element, fmt::format("contact '{}' is named twice", contact->name));
      if (other.address == contact->address)
        return misfit(element, fmt::format("contacts '{}' and '{}' have the same address {}",
                                           other.name, contact->name, contact->address));
    }
    contacts.push_back(std::move(*contact));
  }
  return contacts;
}

std::string ContactsType::print(const std::vector<Contact>& contacts) const {
  std::vector<std::string> texts;
  for (const Contact& contact : contacts)
    texts.push_back(fmt::format("{}@{}", contact.name, contact.address));
  return array_of(texts);
}

}  // namespace squall
