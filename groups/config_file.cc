#include "groups/config_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/nearest.h"
#include "core/base/ring_math.h"
#include "core/membership/timing.h"
#include "groups/config_values.h"
#include "groups/toml_parser.h"

namespace squall {
namespace {

constexpr std::size_t max_config_bytes = std::size_t{1} << 20;
constexpr std::int64_t max_timeout_ms = 3'600'000;
constexpr std::size_t min_ring_bytes = 4096;
constexpr std::size_t max_ring_bytes = std::size_t{1} << 30;

/// "did you mean 'x'?" when something is near enough, and always what there is.
std::string suggestion(std::string_view wrong, const std::vector<std::string_view>& known) {
  const std::string all = fmt::format("known here: {}", fmt::join(known, ", "));
  const std::string_view near = nearest(wrong, known);
  if (near.empty() || edit_distance(wrong, near) > std::max<std::size_t>(2, wrong.size() / 2))
    return all;
  return fmt::format("did you mean '{}'? {}", near, all);
}

/// What is being read, and what has been found so far.
struct Context {
  std::string_view source;
  Config config;
  GroupConfig* group = nullptr;  ///< the [group.NAME] being read

  // Checked when everything has been read: contacts may come last in the file.
  std::optional<toml::source_region> name_at;
  struct SenderAt {
    std::string name;
    toml::source_region region;
  };
  std::vector<SenderAt> senders;

  tl::unexpected<Error> wrong(const toml::source_region& region, std::string what,
                              std::string remedy = {}) const {
    return fail(Code::invalid, fmt::format("{}:{}: {}", source, region.begin.line, what),
                std::move(remedy));
  }
};

// --- values

Result<std::string> text_of(const Context& context, const toml::node& node, std::string_view key,
                            std::string_view expected) {
  const auto* text = node.as_string();
  if (text == nullptr)
    return context.wrong(node.source(),
                         fmt::format("'{}' is {}; expected {}", key, kind_of(node), expected));
  return text->get();
}

// --- keys: each knows how to read its own value

using Apply = Result<> (*)(Context&, const toml::node&);
struct Key {
  std::string_view name;
  Apply apply;
};

Result<> node_name(Context& context, const toml::node& node) {
  auto name = text_of(context, node, "name", "this member's name, a string");
  if (!name) return tl::unexpected(name.error());
  if (!is_plain_name(*name))
    return context.wrong(node.source(), fmt::format("'{}' cannot be a name", *name),
                         std::string(plain_name_rule));
  context.config.name = *name;
  context.name_at = node.source();
  return {};
}

Result<> node_listen(Context& context, const toml::node& node) {
  auto address = text_of(context, node, "listen", address_rule);
  if (!address) return tl::unexpected(address.error());
  if (!is_address(*address))
    return context.wrong(node.source(),
                         fmt::format("'listen' is \"{}\"; expected {}", *address, address_rule));
  context.config.listen = *address;
  return {};
}

constexpr std::string_view contact_rule = "\"name@host:port\"";

Result<> add_contact(Context& context, const toml::node& node) {
  auto text = text_of(context, node, "contacts", fmt::format("an array of {}", contact_rule));
  if (!text) return tl::unexpected(text.error());
  auto contact = parse_contact(*text);
  if (!contact) return context.wrong(node.source(), contact.error().what, contact.error().remedy);
  for (const Contact& other : context.config.contacts) {
    if (other.name == contact->name)
      return context.wrong(node.source(),
                           fmt::format("contact '{}' is named twice", contact->name));
    if (other.address == contact->address)
      return context.wrong(
          node.source(), fmt::format("contacts '{}' and '{}' have the same address {}", other.name,
                                     contact->name, contact->address));
  }
  context.config.contacts.push_back(std::move(*contact));
  return {};
}

Result<> node_contacts(Context& context, const toml::node& node) {
  const auto* array = node.as_array();
  if (array == nullptr || array->empty())
    return context.wrong(
        node.source(),
        fmt::format("'contacts' is {}; expected an array of \"name@host:port\", in rank order",
                    array == nullptr ? kind_of(node) : "empty"));
  for (const toml::node& element : *array)
    if (auto added = add_contact(context, element); !added) return added;
  return {};
}

/// An integer of milliseconds from `least` to an hour.
Result<> milliseconds(Context& context, const toml::node& node, std::string_view key,
                      std::int64_t least, Duration& to) {
  const auto* number = node.as_integer();
  if (number == nullptr || number->get() < least || number->get() > max_timeout_ms)
    return context.wrong(
        node.source(),
        fmt::format("'{}' is {}; expected an integer of {} to {} (milliseconds)", key,
                    number == nullptr ? std::string(kind_of(node)) : std::to_string(number->get()),
                    least, max_timeout_ms));
  to = std::chrono::milliseconds(number->get());
  return {};
}

Result<> node_start_timeout(Context& context, const toml::node& node) {
  return milliseconds(context, node, "start_timeout_ms", 1, context.config.start_timeout);
}

Result<> node_failure_timeout(Context& context, const toml::node& node) {
  if (const auto* name = node.as_string()) {
    const auto timing = membership::preset(name->get());
    if (!timing)
      return context.wrong(
          node.source(), fmt::format("'failure_timeout' is \"{}\"; expected \"fast\", \"safe\" or "
                                     "an integer of milliseconds",
                                     name->get()));
    context.config.failure_timeout = timing->timeout;
    return {};
  }
  return milliseconds(context, node, "failure_timeout", 10, context.config.failure_timeout);
}

Result<> node_start(Context& context, const toml::node& node) {
  constexpr std::string_view expected = "\"together\", \"create\", \"join\" or \"auto\"";
  auto what = text_of(context, node, "start", expected);
  if (!what) return tl::unexpected(what.error());
  if (const auto start = parse_start(*what)) {
    context.config.start = *start;
    return {};
  }
  return context.wrong(node.source(),
                       fmt::format("'start' is \"{}\"; expected {}", *what, expected));
}

Result<> node_when_lost(Context& context, const toml::node& node) {
  static constexpr std::string_view expected = "\"continue\" or \"stop\"";
  auto what = text_of(context, node, "when_lost", expected);
  if (!what) return tl::unexpected(what.error());
  if (*what != "continue" && *what != "stop")
    return context.wrong(node.source(),
                         fmt::format("'when_lost' is \"{}\"; expected {}", *what, expected));
  context.config.survive_losses = *what == "continue";
  return {};
}

Result<> node_engine(Context& context, const toml::node& node) {
  static constexpr std::string_view expected = "\"polled\" or \"thread\"";
  auto engine = text_of(context, node, "engine", expected);
  if (!engine) return tl::unexpected(engine.error());
  if (*engine != "polled" && *engine != "thread")
    return context.wrong(node.source(),
                         fmt::format("'engine' is \"{}\"; expected {}", *engine, expected));
  context.config.engine_thread = *engine == "thread";
  return {};
}

Result<> fabric_provider(Context& context, const toml::node& node) {
  static constexpr std::string_view expected =
      "\"auto\", \"shm\", \"tcp\", \"verbs\" or \"ofi:NAME\"";
  auto provider = text_of(context, node, "provider", expected);
  if (!provider) return tl::unexpected(provider.error());
  if (provider->empty())
    return context.wrong(node.source(), fmt::format("'provider' is empty; expected {}", expected));
  // Whether this host has it is for the catalog to say, which knows what is there instead.
  context.config.provider = *provider;
  return {};
}

Result<> fabric_address(Context& context, const toml::node& node) {
  static constexpr std::string_view expected = "an IPv4 or IPv6 address of this host, no port";
  auto address = text_of(context, node, "address", expected);
  if (!address) return tl::unexpected(address.error());
  if (!is_local_address(*address))
    return context.wrong(node.source(),
                         fmt::format("'address' is \"{}\"; expected {}", *address, expected));
  context.config.fabric_address = *address;
  return {};
}

Result<> group_stack(Context& context, const toml::node& node) {
  static constexpr std::string_view expected = "modules, like \"total | stable\"";
  auto stack = text_of(context, node, "stack", expected);
  if (!stack) return tl::unexpected(stack.error());
  if (stack->find_first_not_of(" |") == std::string::npos)
    return context.wrong(node.source(), fmt::format("'stack' is empty; expected {}", expected));
  context.group->stack = *stack;
  return {};
}

Result<> group_senders(Context& context, const toml::node& node) {
  static constexpr std::string_view expected = "an array of contacts' names";
  const auto* array = node.as_array();
  if (array == nullptr)
    return context.wrong(node.source(),
                         fmt::format("'senders' is {}; expected {}", kind_of(node), expected));
  if (array->empty())
    return context.wrong(node.source(), fmt::format("'senders' is empty; expected {}", expected),
                         "leave the key out and every member may send");
  for (const toml::node& element : *array) {
    auto name = text_of(context, element, "senders", expected);
    if (!name) return tl::unexpected(name.error());
    auto& senders = context.group->senders;
    if (std::find(senders.begin(), senders.end(), *name) != senders.end())
      return context.wrong(element.source(), fmt::format("sender '{}' is named twice", *name));
    senders.push_back(*name);
    context.senders.push_back({*name, element.source()});
  }
  return {};
}

Result<> group_ring_bytes(Context& context, const toml::node& node) {
  std::optional<std::uint64_t> bytes;
  std::string shown(kind_of(node));
  if (const auto* number = node.as_integer()) {
    shown = std::to_string(number->get());
    if (number->get() >= 0) bytes = static_cast<std::uint64_t>(number->get());
  } else if (const auto* text = node.as_string()) {
    shown = fmt::format("\"{}\"", text->get());
    bytes = parse_size(text->get());
  }
  if (!bytes || *bytes < min_ring_bytes || *bytes > max_ring_bytes || !is_power_of_two(*bytes))
    return context.wrong(
        node.source(),
        fmt::format("'ring_bytes' is {}; expected a power of two of 4096 to 1 GiB, as an integer "
                    "or like \"1 MiB\"",
                    shown));
  context.group->ring_bytes = *bytes;
  return {};
}

constexpr std::array<Key, 8> node_keys{{{"name", node_name},
                                        {"listen", node_listen},
                                        {"contacts", node_contacts},
                                        {"start_timeout_ms", node_start_timeout},
                                        {"failure_timeout", node_failure_timeout},
                                        {"start", node_start},
                                        {"when_lost", node_when_lost},
                                        {"engine", node_engine}}};
constexpr std::array<Key, 2> fabric_keys{
    {{"provider", fabric_provider}, {"address", fabric_address}}};
constexpr std::array<Key, 3> group_keys{
    {{"stack", group_stack}, {"senders", group_senders}, {"ring_bytes", group_ring_bytes}}};

// --- sections

Result<> read_keys(Context& context, const toml::table& table, std::string_view section,
                   std::span<const Key> keys) {
  for (const auto& [key, value] : table) {
    const auto known = std::find_if(keys.begin(), keys.end(),
                                    [&](const Key& entry) { return entry.name == key.str(); });
    if (known == keys.end()) {
      std::vector<std::string_view> names;
      for (const Key& entry : keys) names.push_back(entry.name);
      return context.wrong(key.source(),
                           fmt::format("unknown key '{}' in [{}]", key.str(), section),
                           suggestion(key.str(), names));
    }
    if (auto applied = known->apply(context, value); !applied) return applied;
  }
  return {};
}

Result<> read_groups(Context& context, const toml::table& groups) {
  for (const auto& [name, value] : groups) {
    const auto* table = value.as_table();
    if (table == nullptr)
      return context.wrong(name.source(),
                           fmt::format("'{}' in [group] is {}; expected a table [group.{}]",
                                       name.str(), kind_of(value), name.str()),
                           "groups have names: [group.NAME]");
    if (!is_plain_name(name.str()))
      return context.wrong(name.source(), fmt::format("'{}' cannot be a name", name.str()),
                           std::string(plain_name_rule));
    GroupConfig group;
    group.name = name.str();
    context.group = &group;
    auto read = read_keys(context, *table, fmt::format("group.{}", group.name), group_keys);
    context.group = nullptr;
    if (!read) return read;
    context.config.groups.push_back(std::move(group));
  }
  return {};
}

Result<> read_document(Context& context, const toml::table& document) {
  for (const auto& [key, value] : document) {
    const std::string_view section = key.str();
    const auto* table = value.as_table();
    const bool known = section == "node" || section == "fabric" || section == "group";
    if (!known)
      return context.wrong(key.source(),
                           table ? fmt::format("unknown section [{}]", section)
                                 : fmt::format("unknown key '{}'", section),
                           suggestion(section, {"node", "fabric", "group"}));
    if (table == nullptr)
      return context.wrong(key.source(), fmt::format("'{}' is {}; expected a section [{}]", section,
                                                     kind_of(value), section));
    Result<> read;
    if (section == "node") read = read_keys(context, *table, section, node_keys);
    if (section == "fabric") read = read_keys(context, *table, section, fabric_keys);
    if (section == "group") read = read_groups(context, *table);
    if (!read) return read;
  }
  return {};
}

bool is_contact(const Config& config, std::string_view name) {
  return std::any_of(config.contacts.begin(), config.contacts.end(),
                     [&](const Contact& contact) { return contact.name == name; });
}

std::string not_a_contact(const Config& config, std::string_view name) {
  std::vector<std::string_view> names;
  for (const Contact& contact : config.contacts) names.push_back(contact.name);
  return suggestion(name, names);
}

Result<> check_names(const Context& context) {
  const Config& config = context.config;
  // Others may join: only a group that starts together is known from the beginning.
  if (config.contacts.empty() || config.start != Start::together) return {};
  if (context.name_at && !is_contact(config, config.name))
    return context.wrong(*context.name_at, fmt::format("'{}' is none of the contacts", config.name),
                         not_a_contact(config, config.name));
  for (const auto& sender : context.senders)
    if (!is_contact(config, sender.name))
      return context.wrong(sender.region,
                           fmt::format("sender '{}' is none of the contacts", sender.name),
                           not_a_contact(config, sender.name));
  return {};
}

}  // namespace

Result<Config> parse_config(std::string_view text, std::string_view source_name) try {
  const toml::parse_result parsed = toml::parse(text);
  Context context{
      .source = source_name, .config = {}, .group = nullptr, .name_at = {}, .senders = {}};
  if (!parsed)
    return context.wrong(parsed.error().source(), std::string(parsed.error().description()));
  if (auto read = read_document(context, parsed.table()); !read)
    return tl::unexpected(read.error());
  if (auto checked = check_names(context); !checked) return tl::unexpected(checked.error());
  return std::move(context.config);
} catch (const TomlParserGaveUp&) {
  return fail(Code::invalid, fmt::format("{} is no TOML: a name is malformed", source_name),
              "look for a '[' or a '.' with no name after it");
}

Result<Config> load_config(std::string_view path) {
  const std::string name(path);
  errno = 0;
  std::ifstream file(name, std::ios::binary);
  if (!file) return fail_errno(fmt::format("cannot open {}", name), errno);
  std::string text(max_config_bytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return fail_errno(fmt::format("cannot read {}", name), errno);
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > max_config_bytes)
    return fail(Code::too_large, fmt::format("{} is over {} bytes", name, max_config_bytes),
                "this cannot be a configuration");
  return parse_config(text, name);
}

Result<> choose_name(Config& config, std::string_view name) {
  if (!is_plain_name(name))
    return fail(Code::invalid, fmt::format("'{}' cannot be a name", name),
                std::string(plain_name_rule));
  if (config.start == Start::together && !is_contact(config, name))
    return fail(Code::invalid, fmt::format("'{}' is none of the contacts", name),
                config.contacts.empty() ? "the configuration names no contacts"
                                        : not_a_contact(config, name));
  config.name = name;
  return {};
}

Result<Contact> parse_contact(std::string_view text) {
  const auto at = text.find('@');
  if (at == std::string_view::npos)
    return fail(Code::invalid,
                fmt::format("contact \"{}\" has no name; expected {}", text, contact_rule));
  Contact contact{std::string(text.substr(0, at)), std::string(text.substr(at + 1))};
  if (!is_plain_name(contact.name))
    return fail(Code::invalid, fmt::format("'{}' cannot be a name", contact.name),
                std::string(plain_name_rule));
  if (!is_address(contact.address))
    return fail(Code::invalid, fmt::format("contact '{}' is at \"{}\"; expected {}", contact.name,
                                           contact.address, address_rule));
  return contact;
}

}  // namespace squall
