// Flags and environment variables: which keys they mean, what goes over what, and what cannot be
// right.
#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "groups/config_load.h"

namespace squall {
namespace {

using Words = std::vector<std::string>;

/// A file, variables and words of a command line, all of which are to be Squall's.
Result<LoadedConfig> load(std::string file, Words environment, Words words = {}) {
  auto flags = take_flags(words);
  if (!flags) return tl::unexpected(flags.error());
  CHECK(words.empty());
  return load_config({.file = "x.toml",
                      .content = std::move(file),
                      .environment = std::move(environment),
                      .flags = std::move(*flags)});
}

const LoadedConfig& right(const Result<LoadedConfig>& loaded) {
  REQUIRE_MESSAGE(loaded, loaded.error().text());
  return *loaded;
}

TEST_CASE("every key is a variable and a flag") {
  const Words environment{"SQUALL_NODE_NAME=a",
                          "SQUALL_NODE_LISTEN=10.0.0.1:7070",
                          "SQUALL_NODE_CONTACTS=a@10.0.0.1:7070, b@[::1]:7071",
                          "SQUALL_NODE_START=create",
                          "SQUALL_NODE_START_TIMEOUT_MS=2500",
                          "SQUALL_NODE_FAILURE_TIMEOUT=1000",
                          "SQUALL_NODE_WHEN_LOST=stop",
                          "SQUALL_NODE_ENGINE=thread",
                          "SQUALL_FABRIC_PROVIDER=ofi:tcp;ofi_rxm",
                          "SQUALL_FABRIC_ADDRESS=10.0.0.1",
                          "SQUALL_FABRIC_LINK_LATENCY_NS=1500",
                          "SQUALL_FABRIC_LINK_BYTES_PER_SECOND=12500000000",
                          "SQUALL_GROUP_TICKS_STACK=fifo",
                          "SQUALL_GROUP_TICKS_SENDERS=b,a",
                          "SQUALL_GROUP_TICKS_MEMBERS=a,b",
                          "SQUALL_GROUP_TICKS_SHARDS=2",
                          "SQUALL_GROUP_TICKS_REPLICAS=3",
                          "SQUALL_GROUP_TICKS_RING_BYTES=2 MiB",
                          "SQUALL_GROUP_TICKS_LARGE_MEMORY=4 GiB",
                          "SQUALL_GROUP_TICKS_BLOCK_BYTES=1 MiB",
                          "SQUALL_GROUP_TICKS_SCHEDULE=binomial_tree"};
  Words flags;
  for (const std::string& variable : environment) {
    std::string flag = "--";
    for (const char c : variable.substr(7, variable.find('=') - 7))
      flag += c == '_' ? '-' : static_cast<char>(c - 'A' + 'a');
    flags.push_back(flag);
    flags.push_back(variable.substr(variable.find('=') + 1));
  }
  Words joined;
  for (std::size_t i = 0; i < flags.size(); i += 2) joined.push_back(flags[i] + "=" + flags[i + 1]);
  for (const auto& loaded : {load("", environment), load("", {}, flags), load("", {}, joined)}) {
    const Config& config = right(loaded).config;
    CHECK(config.name == "a");
    CHECK(config.listen == "10.0.0.1:7070");
    REQUIRE(config.contacts.size() == 2);
    CHECK(config.contacts[1].name == "b");
    CHECK(config.contacts[1].address == "[::1]:7071");
    CHECK(config.start == Start::create);
    CHECK(config.start_timeout == 2500ms);
    CHECK(config.failure_timeout == 1s);
    CHECK_FALSE(config.survive_losses);
    CHECK(config.engine_thread);
    CHECK(config.provider == "ofi:tcp;ofi_rxm");
    CHECK(config.fabric_address == "10.0.0.1");
    CHECK(config.link_latency_ns == 1500);
    CHECK(config.link_bytes_per_second == 12'500'000'000);
    REQUIRE(config.groups.size() == 1);
    CHECK(config.groups[0].name == "ticks");
    CHECK(config.groups[0].stack == "fifo");
    CHECK(config.groups[0].senders == Words{"b", "a"});
    CHECK(config.groups[0].members == Words{"a", "b"});
    CHECK(config.groups[0].shards == 2);
    CHECK(config.groups[0].replicas == 3);
    CHECK(config.groups[0].ring_bytes == 2u << 20);
    CHECK(config.groups[0].large_memory == std::size_t{4} << 30);
    CHECK(config.groups[0].block_bytes == 1u << 20);
    CHECK(config.groups[0].schedule == Schedule::binomial_tree);
  }
  CHECK(known_flags().size() == environment.size());
}

TEST_CASE("flags go over the environment, that over the file, that over the application's own") {
  ConfigSources sources;
  sources.defaults.name = "own";
  sources.defaults.provider = "shm";
  sources.defaults.listen = "h:1";
  sources.defaults.groups = {{.name = "g", .stack = "total"}};
  sources.file = "x.toml";
  sources.content = "[node]\nname = \"file\"\nlisten = \"h:2\"\n[fabric]\n\nprovider = \"tcp\"\n";
  sources.environment = {"SQUALL_NODE_NAME=variable", "SQUALL_FABRIC_PROVIDER=verbs"};
  sources.flags = {{"node.name", "flag", "--name"}};
  const auto loaded = load_config(sources);
  const auto& [config, origins] = right(loaded);
  CHECK(config.name == "flag");
  CHECK(origins.of("node.name").kind == Origin::Kind::flag);
  CHECK(origins.of("node.name").text() == "flag --name");
  CHECK(config.provider == "verbs");
  CHECK(origins.of("fabric.provider").text() == "variable SQUALL_FABRIC_PROVIDER");
  CHECK(config.listen == "h:2");
  CHECK(origins.of("node.listen").kind == Origin::Kind::file);
  CHECK(origins.of("node.listen").text() == "x.toml:3");
  CHECK(config.groups[0].stack == "total");
  CHECK(origins.of("group.g.stack").kind == Origin::Kind::defaults);
  CHECK(origins.of("group.g.stack").text() == "default");
}

TEST_CASE("the groups of the file are what variables and flags can change") {
  const std::string file = "[group.Big-Store]\n[group.\"a.b\"]\n[group.a_c]\n[group.a-c]\n";
  const auto loaded =
      load(file, {"SQUALL_GROUP_BIG_STORE_STACK=total", "SQUALL_GROUP_A_B_RING_BYTES=4096"},
           {"--group-Big-Store-senders", "x", "--group-a-c-stack=fifo", "--group-a.b-stack", "fifo",
            "--group-a_c-ring_bytes=8192"});
  const auto& groups = right(loaded).config.groups;
  REQUIRE(groups.size() == 4);
  CHECK(groups[0].stack == "total");
  CHECK(groups[0].senders == Words{"x"});
  CHECK(groups[1].ring_bytes == 4096);
  CHECK(groups[1].stack == "fifo");
  CHECK(groups[2].stack == "total | stable");
  CHECK(groups[2].ring_bytes == 8192);
  CHECK(groups[3].stack == "fifo");
}

TEST_CASE("where the file has no groups, variables and flags declare them, in one order") {
  const auto loaded = load("", {"SQUALL_GROUP_B_C_STACK=fifo", "SQUALL_GROUP_A_STACK=total"},
                           {"--group-b-c-senders", "x", "--group-C-stack", "fifo"});
  const auto& groups = right(loaded).config.groups;
  REQUIRE(groups.size() == 3);
  CHECK(groups[0].name == "C");
  CHECK(groups[1].name == "a");
  CHECK(groups[2].name == "b-c");
  CHECK(groups[2].stack == "fifo");
  CHECK(groups[2].senders == Words{"x"});
}

TEST_CASE("what is not Squall's is left alone") {
  const Words environment{"PATH=/bin", "squall_x=1", "SQUALLX=1", "SQUALL_LOG=info",
                          "SQUALL_TEST_FABRIC=shm"};
  right(load("", environment));
  Words words{"app", "-v",     "--colour", "red", "--node-name=a", "--fabric",
              "x",   "--node", "y",        "--",  "--node-name",   "b"};
  const auto flags = take_flags(words);
  REQUIRE_MESSAGE(flags, flags.error().text());
  CHECK(*flags == std::vector<KeyText>{{"node.name", "a", "--node-name"}});
  CHECK(words == Words{"app", "-v", "--colour", "red", "--fabric", "x", "--node", "y", "--",
                       "--node-name", "b"});
}

TEST_CASE("with a prefix nothing else is touched, and all that has it is ours") {
  Words words{"app", "--node-name", "x", "--squall-node-name", "a", "--squall-group-g-stack=fifo"};
  const auto flags = take_flags(words, "squall-");
  REQUIRE_MESSAGE(flags, flags.error().text());
  CHECK(*flags == std::vector<KeyText>{{"node.name", "a", "--squall-node-name"},
                                       {"group.g.stack", "fifo", "--squall-group-g-stack"}});
  CHECK(words == Words{"app", "--node-name", "x"});
  words = {"app", "--squall-nod-name", "a"};
  const auto wrong = take_flags(words, "squall-");
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().what == "unknown flag --squall-nod-name");
  CHECK(wrong.error().remedy == "did you mean '--squall-node-name'?");
  CHECK(words.size() == 3);
}

struct WrongWords {
  Words environment;
  Words flags;
  const char* place;     ///< the error starts with it
  const char* mentions;  ///< and says this somewhere
};

TEST_CASE("whatever cannot be right names the variable or the flag, and what was expected") {
  static const WrongWords cases[] = {
      // unknown, with the nearest known one
      {{"SQUALL_FABRIC_PROVIDR=tcp"},
       {},
       "unknown variable SQUALL_FABRIC_PROVIDR",
       "did you mean 'SQUALL_FABRIC_PROVIDER'?"},
      {{"SQUALL_PROVIDER=tcp"}, {}, "unknown variable SQUALL_PROVIDER", "SQUALL_FABRIC_PROVIDER"},
      {{"SQUALL_Node_Name=a"}, {}, "unknown variable SQUALL_Node_Name", "SQUALL_NODE_NAME'?"},
      {{"SQUALL_=a"}, {}, "unknown variable SQUALL_", "known here: SQUALL_NODE_NAME, "},
      {{"SQUALL_NODE_NAME"}, {}, "SQUALL_NODE_NAME: 'name' is empty", "a name"},
      {{"SQUALL_GROUP_TICKS_STAK=fifo"},
       {},
       "unknown variable SQUALL_GROUP_TICKS_STAK",
       "did you mean 'SQUALL_GROUP_TICKS_STACK'?"},
      {{"SQUALL_GROUP_STACK=fifo"},
       {},
       "unknown variable SQUALL_GROUP_STACK",
       "SQUALL_GROUP_NAME_STACK"},
      {{"SQUALL_GROUP_ticks_STACK=fifo"}, {}, "SQUALL_GROUP_ticks_STACK: ", "in upper case"},
      {{"SQUALL_GROUP_ _STACK=fifo"}, {}, "SQUALL_GROUP_ _STACK: ", "cannot be a group"},
      {{},
       {"--fabric-providr", "tcp"},
       "unknown flag --fabric-providr",
       "did you mean '--fabric-provider'?"},
      {{}, {"--node-nmae=a"}, "unknown flag --node-nmae", "did you mean '--node-name'?"},
      {{}, {"--node-zzzzzzzzzzzzzzzzzzzzzzzz=1"}, "unknown flag --node-z", "known here: --node-na"},
      {{},
       {"--group-ticks-stak", "fifo"},
       "unknown flag --group-ticks-stak",
       "did you mean '--group-ticks-stack'?"},
      {{}, {"--group-stack", "fifo"}, "unknown flag --group-stack", "--group-NAME-stack"},
      {{}, {"--group-a b-stack", "fifo"}, "unknown flag --group-a b-stack", "stack"},
      // a flag and its value
      {{}, {"--node-name"}, "--node-name has no value", "--node-name=VALUE"},
      {{}, {"--node-name", "--node-listen", "h:1"}, "--node-name has no value", "VALUE"},
      {{}, {"--node-name=a", "--node-name=b"}, "node.name is given twice", "--node-name"},
      // values
      {{"SQUALL_NODE_NAME="}, {}, "SQUALL_NODE_NAME: ", "'name' is empty; expected a name"},
      {{"SQUALL_NODE_NAME=a b"}, {}, "SQUALL_NODE_NAME: ", "'name' is \"a b\"; expected a name"},
      {{"SQUALL_NODE_NAME=\xff"}, {}, "SQUALL_NODE_NAME: ", "not UTF-8"},
      {{"SQUALL_NODE_START=jion"}, {}, "SQUALL_NODE_START: ", "did you mean 'join'?"},
      {{"SQUALL_NODE_START_TIMEOUT_MS=1.5"},
       {},
       "SQUALL_NODE_START_TIMEOUT_MS: ",
       "'start_timeout_ms' is \"1.5\"; expected an integer of 1 to 3600000 (milliseconds)"},
      {{"SQUALL_NODE_START_TIMEOUT_MS=0"}, {}, "SQUALL_NODE_START_TIMEOUT_MS: ", "an integer of 1"},
      {{"SQUALL_NODE_START_TIMEOUT_MS=99999999999999999999"},
       {},
       "SQUALL_NODE_START_TIMEOUT_MS: ",
       "an integer of 1 to"},
      {{"SQUALL_NODE_FAILURE_TIMEOUT=slow"}, {}, "SQUALL_NODE_FAILURE_TIMEOUT: ", "\"fast\""},
      {{"SQUALL_NODE_ENGINE=true"}, {}, "SQUALL_NODE_ENGINE: ", "\"polled\" or \"thread\""},
      {{"SQUALL_FABRIC_LINK_LATENCY_NS=0"},
       {},
       "SQUALL_FABRIC_LINK_LATENCY_NS: ",
       "an integer of 1 to 1000000000"},
      {{"SQUALL_FABRIC_LINK_BYTES_PER_SECOND=2e9"},
       {},
       "SQUALL_FABRIC_LINK_BYTES_PER_SECOND: ",
       "an integer of 1 to"},
      {{"SQUALL_NODE_CONTACTS= "},
       {},
       "SQUALL_NODE_CONTACTS: ",
       "expected an array of \"name@host:port\", in rank order, here as text with commas"},
      {{"SQUALL_NODE_CONTACTS=a@h:1,"}, {}, "SQUALL_NODE_CONTACTS: ", "has no name"},
      {{"SQUALL_NODE_CONTACTS=a@h:1,a@h:2"}, {}, "SQUALL_NODE_CONTACTS: ", "named twice"},
      {{"SQUALL_GROUP_G_SENDERS=a,a"}, {}, "SQUALL_GROUP_G_SENDERS: ", "'a' is named twice"},
      {{"SQUALL_GROUP_G_SENDERS="}, {}, "SQUALL_GROUP_G_SENDERS: ", "every member may send"},
      {{"SQUALL_GROUP_G_RING_BYTES=1 MB"}, {}, "SQUALL_GROUP_G_RING_BYTES: ", "a power of two"},
      {{},
       {"--fabric-provider", "shn"},
       "--fabric-provider: there is no fabric \"shn\"",
       "did you mean shm?"},
      {{}, {"--fabric-address=h"}, "--fabric-address: ", "an IPv4 or IPv6 address"},
      {{}, {"--group-g-stack", " | "}, "--group-g-stack: ", "modules"},
      {{}, {"--group-g-ring-bytes", "5000"}, "--group-g-ring-bytes: ", "'ring_bytes' is \"5000\""},
      // among keys
      {{"SQUALL_NODE_CONTACTS=a@h:1"},
       {"--node-name", "b"},
       "--node-name: ",
       "'b' is none of the contacts"},
      {{"SQUALL_GROUP_G_SENDERS=b"},
       {"--node-contacts", "a@h:1"},
       "SQUALL_GROUP_G_SENDERS: ",
       "sender 'b' is none of the contacts"},
  };
  for (const WrongWords& wrong : cases) {
    CAPTURE(wrong.place);
    const auto loaded = load("", wrong.environment, wrong.flags);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code == Code::invalid);
    CHECK_MESSAGE(loaded.error().text().starts_with(wrong.place), loaded.error().text());
    CHECK_MESSAGE(loaded.error().text().find(wrong.mentions) != std::string::npos,
                  loaded.error().text());
  }
}

TEST_CASE("a group that nobody has is an error, with the nearest one that there is") {
  const std::string file = "[group.ticks]\n[group.store]\n";
  for (const auto& loaded : {load(file, {"SQUALL_GROUP_TIKCS_STACK=fifo"}),
                             load(file, {}, {"--group-tikcs-stack", "fifo"})}) {
    REQUIRE_FALSE(loaded);
    const std::string text = loaded.error().text();
    CHECK_MESSAGE(text.find("there is no group 'tikcs'") != std::string::npos, text);
    CHECK_MESSAGE(text.find("did you mean 'ticks'? there are ticks, store") != std::string::npos,
                  text);
  }
}

TEST_CASE("a variable that may mean two groups is refused, and a flag says which") {
  const std::string file = "[group.a-b]\n[group.A_b]\n";
  const auto loaded = load(file, {"SQUALL_GROUP_A_B_STACK=fifo"});
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().text().find("SQUALL_GROUP_A_B_STACK may mean any of the groups a-b, A_b") ==
        0);
  CHECK(right(load(file, {}, {"--group-a-b-stack=fifo"})).config.groups[0].stack == "fifo");
}

TEST_CASE("what another place goes over must be right all the same") {
  const auto loaded = load("[fabric]\nprovider = 3\n", {}, {"--fabric-provider=tcp"});
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().text().starts_with("x.toml:2: "));
}

TEST_CASE("no key's name may end another's, or variables and flags of groups would be ambiguous") {
  // Flags are "--group-NAME-KEY", and a name may have any '-' or '_' in it.
  for (const std::string& one : known_flags())
    for (const std::string& other : known_flags()) {
      const std::string front = "--group-NAME";
      if (!one.starts_with(front) || !other.starts_with(front) || one == other) continue;
      CHECK_FALSE_MESSAGE(one.ends_with(other.substr(front.size())), one << " and " << other);
    }
}

TEST_CASE("a key that is none, from an application's own flags, is an error") {
  for (const char* path : {"", "node", "node.", ".name", "node.nam", "node.x.name", "group.stack",
                           "group..stack", "group.g.name", "group.a b.stack"}) {
    CAPTURE(path);
    CHECK_FALSE(load_config({.flags = {{path, "a", "--x"}}}));
  }
}

TEST_CASE("an application loads a file, its environment and its command line in one call") {
  const char* base = std::getenv("TEST_TMPDIR");
  const std::string path = std::string(base != nullptr ? base : "/tmp") + "/app.toml";
  std::ofstream(path) << "[node]\nname = \"a\"\n[fabric]\nprovider = \"shm\"\n";
  setenv("SQUALL_FABRIC_PROVIDER", "tcp", 1);
  std::array<std::string, 6> words{"app", "x", "--node-engine", "thread", "--app-flag", "x"};
  std::array<char*, 7> argv{};
  for (std::size_t i = 0; i < words.size(); ++i) argv[i] = words[i].data();
  int argc = 6;
  const auto config = Config::load(path, argc, argv.data());
  REQUIRE_MESSAGE(config, config.error().text());
  CHECK(config->name == "a");
  CHECK(config->provider == "tcp");
  CHECK(config->engine_thread);
  CHECK(argc == 4);
  CHECK(std::string(argv[1]) == "x");
  CHECK(std::string(argv[2]) == "--app-flag");
  CHECK(std::string(argv[3]) == "x");
  CHECK(argv[4] == nullptr);
  const auto plain = Config::load(path);
  REQUIRE(plain);
  CHECK(plain->provider == "tcp");
  CHECK_FALSE(plain->engine_thread);
  const auto without = Config::load("");
  REQUIRE(without);
  CHECK(without->name.empty());
  setenv("SQUALL_FABRIC_PROVIDER", "", 1);
  CHECK_FALSE(Config::load(path));
  CHECK_FALSE(Config::load(path, argc, argv.data()));
  CHECK(argc == 4);
  unsetenv("SQUALL_FABRIC_PROVIDER");
}

}  // namespace
}  // namespace squall
