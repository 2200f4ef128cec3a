#include "groups/config_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

#include "groups/config_types.h"
#include "groups/config_values.h"

namespace squall {
namespace {

constexpr std::size_t min_ring_bytes = 4096;
constexpr std::size_t max_ring_bytes = std::size_t{1} << 30;
constexpr std::size_t min_large_memory = std::size_t{1} << 20;
constexpr std::size_t max_large_memory = std::size_t{1} << 40;
constexpr std::size_t min_block_bytes = std::size_t{1} << 10;
constexpr std::size_t max_block_bytes = std::size_t{64} << 20;
constexpr std::int64_t most_link_latency_ns = 1'000'000'000;
constexpr std::int64_t most_link_bytes_per_second = 1'000'000'000'000;
constexpr std::int64_t most_shards = 1024;
constexpr std::int64_t most_replicas = 1024;

template <auto Field>
inline constexpr bool is_of_group =
    std::is_invocable_v<decltype(Field), GroupConfig&>;  // a member of it can be taken from one

/// A row: what the key is called, what it takes, what it means, and what holds without it where
/// that is no value. Its field is that of Config, or of GroupConfig.
template <auto Field, class Type>
ConfigKey key(std::string section, std::string name, Type type, std::string meaning,
              std::string unset = {}) {
  ConfigKey row{std::move(section), std::move(name), type.expected(), std::move(meaning),
                std::move(unset),   nullptr,         nullptr};
  row.read = [type](Config& config, GroupConfig* group, const Given& given) -> Fit<void> {
    auto value = type.read(given);
    if (!value) return tl::unexpected(std::move(value.error()));
    const auto set = [&](auto& field) {
      field = static_cast<std::remove_reference_t<decltype(field)>>(std::move(*value));
    };
    if constexpr (is_of_group<Field>)
      set(group->*Field);
    else
      set(config.*Field);
    return {};
  };
  row.print = [type](const Config& config, const GroupConfig* group) {
    if constexpr (is_of_group<Field>)
      return type.print(group->*Field);
    else
      return type.print(config.*Field);
  };
  return row;
}

std::vector<ConfigKey> make_keys() {
  const TextType name{"a name, as text", is_plain_name, plain_name_rule};
  const TextType host_and_port{address_rule, is_address};
  const TextType host{"an IPv4 or IPv6 address of this host, no port", is_local_address};
  const TextType modules{"modules, like \"total | stable\"", [](std::string_view text) {
                           return text.find_first_not_of(" |") != std::string_view::npos;
                         }};
  const NamesType senders{"contacts' names", "leave the key out and every member may send"};
  const NamesType members{"members' names", "leave the key out and the group is on every member"};
  const ChoiceType<Start> starts{{{"together", Start::together},
                                  {"create", Start::create},
                                  {"join", Start::join},
                                  {"auto", Start::automatic}}};
  const ChoiceType<bool> losses{{{"continue", true}, {"stop", false}}};
  const ChoiceType<Schedule> schedules{{{"auto", Schedule::automatic},
                                        {"sequential", Schedule::sequential},
                                        {"chain", Schedule::chain},
                                        {"binomial_tree", Schedule::binomial_tree},
                                        {"binomial_pipeline", Schedule::binomial_pipeline}}};
  const ChoiceType<bool> engines{{{"polled", false}, {"thread", true}}};
  return {
      key<&Config::name>("node", "name", name,
                         "this member; one of the contacts where all start together",
                         "none: each member is told its own"),
      key<&Config::listen>("node", "listen", host_and_port,
                           "where others meet this member (rendezvous)",
                           "this member's contact address"),
      key<&Config::contacts>("node", "contacts", ContactsType{},
                             "the members, if they start together; else whom to ask", "none"),
      key<&Config::start>("node", "start", starts,
                          "how it gets into its group: together with all contacts, create a new "
                          "one alone, join one that is running through any contact, or auto: join, "
                          "but the first contact creates if all others say that there is none"),
      key<&Config::start_timeout>("node", "start_timeout_ms", MillisecondsType{1},
                                  "how long everyone has to come, or this one to be let in"),
      key<&Config::failure_timeout>("node", "failure_timeout", FailureTimeoutType{},
                                    "silence after which a member is suspected: fast is 200 ms, "
                                    "safe 2 s; the same everywhere"),
      key<&Config::survive_losses>("node", "when_lost", losses,
                                   "when a member is lost: continue in the next view, or stop with "
                                   "an error that names it"),
      key<&Config::engine_thread>("node", "engine", engines,
                                  "who turns the node: the application, or a thread of its own"),
      key<&Config::provider>("fabric", "provider", ProviderType{},
                             "over what: shared memory, TCP, RDMA verbs, any libfabric provider by "
                             "name, several with a plus sign between them (each pair of members "
                             "takes the first that both have), or auto, of all that there is"),
      key<&Config::fabric_address>("fabric", "address", host, "local address to bind",
                                   "the host part of listen"),
      key<&Config::link_latency_ns>("fabric", "link_latency_ns",
                                    NumberType{1, most_link_latency_ns},
                                    "one way between two members, for schedule = auto: squall "
                                    "bench cost measures it",
                                    "what is usual of such a fabric"),
      key<&Config::link_bytes_per_second>(
          "fabric", "link_bytes_per_second", NumberType{1, most_link_bytes_per_second},
          "of blocks between two members, likewise", "what is usual of such a fabric"),
      key<&GroupConfig::stack>("group", "stack", modules, "the group's guarantee, lowest first"),
      key<&GroupConfig::senders>("group", "senders", senders, "who may send", "every member"),
      key<&GroupConfig::members>("group", "members", members,
                                 "on whom the group is: those of these that are in the view",
                                 "every member"),
      key<&GroupConfig::shards>("group", "shards", NumberType{1, most_shards},
                                "of the group, each on `replicas` members of its own", "no shards"),
      key<&GroupConfig::replicas>("group", "replicas", NumberType{1, most_replicas},
                                  "members of each shard; the group waits until there are enough "
                                  "for all, and replaces who is lost",
                                  "every member"),
      key<&GroupConfig::ring_bytes>("group", "ring_bytes", SizeType{min_ring_bytes, max_ring_bytes},
                                    "of each sender; a longer message than a quarter of it "
                                    "travels as a large object"),
      key<&GroupConfig::large_memory>("group", "large_memory",
                                      SizeType{min_large_memory, max_large_memory},
                                      "at most, for large objects that are sent, and as much for "
                                      "those that come; the largest object"),
      key<&GroupConfig::block_bytes>("group", "block_bytes",
                                     SizeType{min_block_bytes, max_block_bytes},
                                     "blocks in which large objects travel"),
      key<&GroupConfig::schedule>("group", "schedule", schedules,
                                  "in which order blocks travel among the members; auto: the "
                                  "quickest for so many"),
  };
}

std::string replaced(std::string text, char from, char to) {
  std::ranges::replace(text, from, to);
  return text;
}

}  // namespace

std::string ConfigKey::path(std::string_view group) const {
  return of_group() ? fmt::format("group.{}.{}", group, name) : fmt::format("{}.{}", section, name);
}

std::string ConfigKey::variable(std::string_view group) const {
  return of_group()
             ? fmt::format("{}GROUP_{}_{}", variable_prefix, in_variables(group),
                           in_variables(name))
             : fmt::format("{}{}_{}", variable_prefix, in_variables(section), in_variables(name));
}

std::string ConfigKey::flag(std::string_view group) const {
  const std::string word = replaced(name, '_', '-');
  return of_group() ? fmt::format("--group-{}-{}", group, word)
                    : fmt::format("--{}-{}", section, word);
}

std::string ConfigKey::default_value() const {
  const Config config;
  const GroupConfig group;
  return print(config, &group);
}

std::span<const ConfigKey> config_keys() {
  static const std::vector<ConfigKey> keys = make_keys();
  return keys;
}

const ConfigKey* find_key(std::string_view section, std::string_view name) {
  for (const ConfigKey& key : config_keys())
    if (key.section == section && key.name == name) return &key;
  return nullptr;
}

std::string in_variables(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c >= 'a' && c <= 'z')
      out += static_cast<char>(c - 'a' + 'A');
    else
      out += c == '-' || c == '.' ? '_' : c;
  }
  return out;
}

}  // namespace squall
