#include "bench/cli/command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <span>
#include <sstream>

#include "bench/launch/crew.h"
#include "core/base/nearest.h"
#include "core/membership/timing.h"

namespace squall::cli {
namespace {

constexpr std::size_t max_size_bytes = std::size_t{256} << 20;
constexpr std::size_t max_object_bytes = std::size_t{4} << 30;
constexpr double max_seconds = 3600;
constexpr unsigned max_burst = 1u << 20;
constexpr unsigned max_idle_groups = 1000;
constexpr unsigned max_events = 1'000'000;
constexpr unsigned least_timeout_ms = 10;
constexpr unsigned max_timeout_ms = 3'600'000;

/// Where CLI11 puts what it reads.
struct Parsed {
  terminal::Options create;
  terminal::Options join;
  replicate::Options replicate;
  bench::MeasureOptions measure;
  bench::SuiteOptions suite;
  bench::CostOptions cost;
  bench::MembershipOptions membership;
  bench::RpcOptions rpc;
  bench::ObjectsOptions objects;
  bench::SchedulesOptions schedules;
  Member member;
  ConfigOptions config;
  std::vector<KeyText> keys;  // of whichever command takes a configuration
  std::string senders = "one";
  std::string event;
  std::optional<unsigned> pin;
};

/// The words whose commands take a configuration, and all of its keys as flags.
constexpr std::array<std::string_view, 4> configured{"config", "create", "join", "replicate"};
constexpr const char* all_keys =
    "All keys of a configuration are flags, too, and environment variables: squall config "
    "--reference";

/// As CLI::Range, which finds "nan" in every range.
CLI::Validator number(double least, double most) {
  return {[least, most](std::string& text) -> std::string {
            double value = 0;
            if (CLI::detail::lexical_cast(text, value) && value >= least && value <= most)
              return {};
            return fmt::format("'{}' is no number from {} to {}", text, least, most);
          },
          fmt::format("FLOAT in [{} - {}]", least, most), "number"};
}

/// CLI11 takes an empty word for any other, and an option that is empty for one that was not given.
CLI::Validator filled() {
  return {[](std::string& text) { return std::string(text.empty() ? "it is empty" : ""); }, "",
          "filled"};
}

/// A short word for a key that has a long one.
CLI::Option* add_key(CLI::App& command, Parsed& parsed, std::string flag, std::string path,
                     const char* help) {
  return command.add_option_function<std::string>(
      flag,
      [&parsed, flag, path](const std::string& text) {
        parsed.keys.push_back({path, text, flag});
      },
      help);
}

void add_config_file(CLI::App& command, std::string& file, const char* help) {
  command.add_option("--config", file, help)->type_name("FILE");
  command.footer(all_keys);
}

void add_replicate(CLI::App& app, Parsed& parsed) {
  replicate::Options& options = parsed.replicate;
  auto* command = app.add_subcommand(
      "replicate", "Copy files to every member of a group, in one order, proven by digest");
  command->add_option("PATH", options.paths,
                      "Folders and files; with one folder its contents land directly in "
                      "OUT/MEMBER, with several PATHs each lands under its last component");
  command->add_option("--out", options.out, "Folder; each member writes to OUT/MEMBER")
      ->required()
      ->type_name("DIR");
  add_config_file(*command, options.config, "Configuration: one member of several hosts");
  auto* config = command->get_option("--config");
  add_key(*command, parsed, "--name", "node.name", "Which member of the configuration this is")
      ->type_name("NAME");
  command->add_option("--members", options.members, "How many members to start on this host")
      ->check(CLI::Range(1u, bench::max_crew))
      ->excludes(config)
      ->capture_default_str();
  add_key(*command, parsed, "--fabric", "fabric.provider",
          "shm, tcp, verbs, ofi:NAME or auto (on this host: shm)")
      ->type_name("NAME");
  command->add_option("--stack", options.stack, "Modules of the group (\"total | stable\")")
      ->check(filled())
      ->type_name("STACK");
  command
      ->add_option("--kill", options.kill,
                   "Kill this member (SIGKILL) in the middle, to see the others go on")
      ->excludes(config)
      ->type_name("NAME");
  command->add_flag(
      "--join", options.join,
      "With --config: come to a replication that runs; else: one more member does, in "
      "the middle");
  add_key(*command, parsed, "--listen", "node.listen",
          "With --config and --join: where others find it")
      ->type_name("HOST:PORT");
}

void add_figure(CLI::App& bench, const char* name, const char* help, Parsed& parsed) {
  bench::Case& asked = parsed.measure.asked;
  auto* command = bench.add_subcommand(name, help);
  command->add_option("--members", asked.members, "Members")
      ->check(CLI::Range(1u, bench::max_crew))
      ->capture_default_str();
  command->add_option("--size", asked.size_bytes, "Bytes of a message")
      ->check(CLI::Range(std::size_t{0}, max_size_bytes))
      ->capture_default_str();
  command->add_option("--fabric", asked.fabric, "shm, tcp, verbs, ofi:NAME or auto")
      ->capture_default_str();
  command->add_option("--senders", parsed.senders, "Who sends")
      ->check(CLI::IsMember({"one", "all"}))
      ->capture_default_str();
  command->add_option("--stack", asked.stack, "Modules of the group")
      ->check(filled())
      ->capture_default_str();
  command->add_option("--seconds", asked.seconds, "Length of the window")
      ->check(number(0.05, max_seconds))
      ->capture_default_str();
  command->add_option("--ring", asked.ring_bytes, "Bytes of a sender's ring, a power of two")
      ->capture_default_str();
  command->add_option("--idle-groups", asked.idle_groups, "More groups of all members, unused")
      ->check(CLI::Range(0u, max_idle_groups))
      ->capture_default_str();
  command->add_option("--burst", asked.burst, "Most messages a sender adds between two turns")
      ->check(CLI::Range(1u, max_burst))
      ->capture_default_str();
  command->add_option("--pin", parsed.pin, "All members on this core")->type_name("CORE");
  command->add_flag("--json", parsed.measure.json, "One line of JSON");
}

CLI::Option* add_failure_timeout(CLI::App& command, unsigned& timeout_ms) {
  return command
      .add_option("--failure-timeout", timeout_ms,
                  "Silence until a member is suspected: fast, safe, or milliseconds")
      ->transform(CLI::Transformer(std::map<std::string, unsigned>{
          {"fast", membership::fast.timeout / 1ms}, {"safe", membership::safe.timeout / 1ms}}))
      ->check(CLI::Range(least_timeout_ms, max_timeout_ms))
      ->type_name("TIMEOUT");
}

void add_by_hand(CLI::App& app, const char* name, const char* help, Parsed& parsed,
                 terminal::Options& options) {
  auto* command = app.add_subcommand(name, help);
  add_config_file(*command, options.config, "Configuration; what follows goes over it");
  add_key(*command, parsed, "--name", "node.name", "This member")->type_name("NAME");
  add_key(*command, parsed, "--listen", "node.listen",
          "Where others find it; its own contact's address")
      ->type_name("HOST:PORT");
  command
      ->add_option_function<std::vector<std::string>>(
          "--contact",
          [&parsed](const std::vector<std::string>& contacts) {
            parsed.keys.push_back(
                {"node.contacts", fmt::format("{}", fmt::join(contacts, ",")), "--contact"});
          },
          "A member that may be asked to let this one in; as often as you like")
      ->type_name("NAME@HOST:PORT")
      ->expected(1)
      ->take_all();
  add_key(*command, parsed, "--fabric", "fabric.provider", "shm, tcp, verbs, ofi:NAME or auto")
      ->type_name("NAME");
  command->add_option("--stack", options.stack, "Modules of the group (\"total | stable\")")
      ->check(filled())
      ->type_name("STACK");
  command->add_option("--group", options.group, "Which group is typed into (the first)")
      ->type_name("NAME");
  add_key(*command, parsed, "--failure-timeout", "node.failure_timeout",
          "Silence until a member is suspected: fast, safe, or milliseconds")
      ->type_name("TIMEOUT");
  add_key(*command, parsed, "--start-timeout", "node.start_timeout_ms",
          "To be let in, in milliseconds")
      ->type_name("MS");
}

void add_config(CLI::App& app, ConfigOptions& options) {
  auto* command =
      app.add_subcommand("config", "The configuration in effect, and where each value comes from");
  add_config_file(*command, options.config, "A file; the environment and flags go over it");
  command->add_flag("--reference", options.reference,
                    "Instead, every key with its type, default and meaning");
}

void add_membership(CLI::App& bench, Parsed& parsed) {
  bench::MembershipOptions& options = parsed.membership;
  auto* command = bench.add_subcommand("membership",
                                       "What it costs when a member ends, stalls, leaves or comes");
  command
      ->add_option("--event", parsed.event,
                   "What happens to a member, each in turn; or one more joins")
      ->required()
      ->check(CLI::IsMember({"join", "kill", "leave", "stop"}));
  command->add_option("--members", options.members, "Members")
      ->check(CLI::Range(2u, bench::max_crew))
      ->capture_default_str();
  command->add_option("--fabric", options.fabric, "shm, tcp, verbs, ofi:NAME or auto")
      ->capture_default_str();
  command->add_option("--count", options.count, "Events, each of a fresh group")
      ->check(CLI::Range(1u, max_events))
      ->capture_default_str();
  add_failure_timeout(*command, options.timeout_ms)->capture_default_str();
  command->add_flag("--warm", options.warm,
                    "Of a join: the joiner has looked for fabrics before it asks");
  command->add_flag("--json", options.json, "One line of JSON");
}

void add_objects(CLI::App& bench, bench::ObjectsOptions& options) {
  auto* command = bench.add_subcommand("objects", "Large objects from one member to the others");
  command->add_option("--members", options.members, "Members")
      ->check(CLI::Range(1u, bench::max_crew))
      ->capture_default_str();
  command->add_option("--size", options.size_bytes, "Bytes of an object")
      ->check(CLI::Range(std::size_t{0}, max_object_bytes))
      ->capture_default_str();
  command->add_option("--fabric", options.fabric, "shm, tcp, verbs, ofi:NAME or auto")
      ->capture_default_str();
  command->add_option("--schedule", options.schedule, "In which order blocks travel")
      ->check(CLI::IsMember({"auto", "sequential", "chain", "binomial_tree", "binomial_pipeline"}))
      ->capture_default_str();
  command->add_option("--block", options.block_bytes, "Bytes of a block, a power of two")
      ->capture_default_str();
  command->add_option("--seconds", options.seconds, "Length of the window")
      ->check(number(0.05, max_seconds))
      ->capture_default_str();
  command->add_flag("--in-place", options.in_place, "Receivers read the bytes where they lie");
  command->add_flag("--fill", options.fill, "The sender writes all bytes of each object");
  command->add_flag("--beside", options.beside,
                    "Small messages of another member meanwhile, and alone");
  command->add_flag("--json", options.json, "One line of JSON");
}

void add_cost(CLI::App& bench, bench::CostOptions& options) {
  auto* command = bench.add_subcommand(
      "cost", "Latency and bandwidth of one link, as schedule = auto wants to know them");
  command->add_option("--fabric", options.fabric, "shm, tcp, verbs or ofi:NAME")
      ->capture_default_str();
  command->add_option("--seconds", options.seconds, "Length of the measurement")
      ->check(number(0.05, max_seconds))
      ->capture_default_str();
  command->add_flag("--json", options.json, "One line of JSON");
}

void add_schedules(CLI::App& bench, bench::SchedulesOptions& options) {
  auto* command = bench.add_subcommand(
      "schedules", "How a large object comes to many members, on a model of a network");
  command->add_option("--members", options.members, "How many, as often as you like: 2,4,8")
      ->delimiter(',')
      ->check(CLI::Range(2u, bench::most_scheduled))
      ->capture_default_str();
  command->add_option("--size", options.object.bytes, "Bytes of the object")
      ->check(CLI::Range(std::uint64_t{1}, bench::most_scheduled_bytes))
      ->capture_default_str();
  command->add_option("--block", options.object.block_bytes, "Bytes of a block")
      ->check(CLI::Range(std::uint64_t{1}, bench::most_scheduled_bytes))
      ->capture_default_str();
  command->add_option("--bandwidth", options.gbit_per_s, "Gb/s of each link, each way")
      ->check(number(bench::least_gbit_per_s, bench::most_gbit_per_s))
      ->capture_default_str();
  command->add_option("--latency", options.latency_us, "Microseconds, one way")
      ->check(number(0.0, bench::most_latency_us))
      ->capture_default_str();
  command->add_option("--window", options.window, "Blocks of a sender outstanding")
      ->check(CLI::Range(1u, bench::most_outstanding))
      ->capture_default_str();
  command
      ->add_option("--ready", options.ready,
                   "Blocks, next in its schedule, that a receiver is ready for; 0: for any")
      ->check(CLI::Range(0u, bench::most_outstanding))
      ->capture_default_str();
  command->add_option("--svg", options.svg, "Draw the plot into this file, not here")
      ->type_name("FILE");
  command->add_flag("--json", options.json, "One line of JSON a schedule and number of members");
}

void add_bench(CLI::App& app, Parsed& parsed) {
  auto* bench = app.add_subcommand("bench", "Measure, beside the limits of this machine");
  bench->require_subcommand(1);
  add_figure(*bench, "throughput", "Messages a second, delivered at every member", parsed);
  add_figure(*bench, "latency", "From a send to its own delivery, one message at a time", parsed);
  add_cost(*bench, parsed.cost);
  add_membership(*bench, parsed);
  add_objects(*bench, parsed.objects);
  auto* rpc = bench->add_subcommand("rpc", "Calls of a replicated object");
  rpc->add_option("--seconds", parsed.rpc.seconds, "Length of each case's window")
      ->check(number(0.05, max_seconds))
      ->capture_default_str();
  rpc->add_option("--runs", parsed.rpc.runs, "How often each case is run, all within its window")
      ->check(CLI::Range(1u, 100u))
      ->capture_default_str();
  add_failure_timeout(*rpc, parsed.rpc.timeout_ms)
      ->description("Silence until an idle member is suspected: fast, safe, or milliseconds")
      ->capture_default_str();
  add_schedules(*bench, parsed.schedules);
  auto* suite = bench->add_subcommand("suite", "The table of bars, in about a minute");
  suite->add_option("--seconds", parsed.suite.seconds, "Length of each case's window")
      ->check(number(0.05, max_seconds))
      ->capture_default_str();
  suite->add_flag("--json", parsed.suite.json, "The cases as lines of JSON");
}

Say wrong(std::string text) {
  return {2, std::move(text)};
}

/// CLI11 only says that a subcommand is required; this one names the nearest.
std::optional<Say> unknown_command(const std::vector<std::string>& words) {
  static constexpr std::array<std::string_view, 6> commands{"bench", "config", "create",
                                                            "info",  "join",   "replicate"};
  static constexpr std::array<std::string_view, 8> figures{
      "cost", "latency", "membership", "objects", "rpc", "schedules", "suite", "throughput"};
  const bool inner = words.size() > 1 && words[0] == "bench";
  const auto known = inner ? std::span<const std::string_view>(figures)
                           : std::span<const std::string_view>(commands);
  if (words.empty()) return std::nullopt;
  const std::string_view word(inner ? words[1] : words[0]);
  if (word.empty() || word.front() == '-' || (!inner && word == "member")) return std::nullopt;
  if (std::find(known.begin(), known.end(), word) != known.end()) return std::nullopt;
  const std::string_view near = nearest(word, known);
  return wrong(fmt::format(
      "squall{}: there is no command '{}' ({}there are {})\n", inner ? " bench" : "", word,
      near.empty() ? "" : fmt::format("did you mean '{}'? ", near), fmt::join(known, ", ")));
}

/// For flags that no command has: the nearest of this one's.
std::string nearest_flag(const CLI::App& app, const std::vector<std::string>& left) {
  std::vector<std::string> known = known_flags();
  for (const CLI::App* command : app.get_subcommands())
    for (const CLI::Option* option : command->get_options()) known.push_back(option->get_name());
  std::string text;
  for (const std::string& word : left) {
    const std::string_view flag = std::string_view(word).substr(0, word.find('='));
    if (!flag.starts_with("--")) continue;
    const std::string_view near =
        nearest(flag, std::vector<std::string_view>(known.begin(), known.end()));
    if (!near.empty()) text += fmt::format("did you mean {} for {}?\n", near, flag);
  }
  return text;
}

Command chosen(const CLI::App& app, Parsed& parsed) {
  if (app.got_subcommand("info")) return Info{};
  if (app.got_subcommand("member")) return parsed.member;
  for (auto* keys :
       {&parsed.config.keys, &parsed.create.keys, &parsed.join.keys, &parsed.replicate.keys})
    *keys = parsed.keys;
  if (app.got_subcommand("config")) return parsed.config;
  if (app.got_subcommand("create")) return parsed.create;
  if (app.got_subcommand("join")) return parsed.join;
  if (app.got_subcommand("replicate")) {
    if (parsed.replicate.out.empty()) return wrong("squall replicate: --out is empty\n");
    return parsed.replicate;
  }
  if (app.get_subcommand("bench")->got_subcommand("cost")) return parsed.cost;
  if (app.get_subcommand("bench")->got_subcommand("objects")) return parsed.objects;
  if (app.get_subcommand("bench")->got_subcommand("rpc")) return parsed.rpc;
  if (app.get_subcommand("bench")->got_subcommand("schedules")) return parsed.schedules;
  if (app.get_subcommand("bench")->got_subcommand("suite")) return parsed.suite;
  if (app.get_subcommand("bench")->got_subcommand("membership")) {
    for (const bench::Event event :
         {bench::Event::kill, bench::Event::stop, bench::Event::leave, bench::Event::join})
      if (parsed.event == bench::name_of(event)) parsed.membership.event = event;
    return parsed.membership;
  }
  bench::Case& asked = parsed.measure.asked;
  const bool latency = app.get_subcommand("bench")->got_subcommand("latency");
  asked.figure = latency ? bench::Figure::latency : bench::Figure::throughput;
  asked.all_send = parsed.senders == "all";
  asked.pin = parsed.pin;
  if (latency && asked.all_send)
    return wrong("squall bench latency: one member sends, one message at a time (--senders one)\n");
  return parsed.measure;
}

}  // namespace

Command parse(std::vector<std::string> words) {
  Parsed parsed;
  parsed.create.start = Start::create;
  CLI::App app("Squall: messages to a group, in one order, at the speed of the fabric", "squall");
  app.require_subcommand(1);
  app.add_subcommand("info", "Which fabrics this host has, and why the others are missing");
  add_by_hand(app, "create", "Be the first member of a new group, by hand", parsed, parsed.create);
  add_by_hand(app, "join", "Join a group that runs, by hand", parsed, parsed.join);
  add_replicate(app, parsed);
  add_config(app, parsed.config);
  add_bench(app, parsed);
  auto* member = app.add_subcommand("member", "A member that squall started");
  member->group("");  // not for people
  member->add_option("role", parsed.member.role)
      ->required()
      ->check(CLI::IsMember({"replicate", "bench", "membership", "objects", "rpc"}));

  if (auto unknown = unknown_command(words)) return *unknown;
  const bool takes_keys =
      !words.empty() && std::ranges::find(configured, words[0]) != std::ranges::end(configured);
  if (takes_keys) {
    auto flags = take_flags(words);
    if (!flags) return wrong(fmt::format("squall: {}\n", flags.error().text()));
    parsed.keys = std::move(*flags);
  }
  std::reverse(words.begin(), words.end());  // as CLI11 wants them
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    const int status = app.exit(error, out, err);
    if (status == 0) return Say{0, out.str()};
    return wrong(fmt::format("squall: {}{}", err.str(),
                             takes_keys ? nearest_flag(app, app.remaining(true)) : ""));
  }
  return chosen(app, parsed);
}

}  // namespace squall::cli
