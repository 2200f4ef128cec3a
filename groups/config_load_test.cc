#include "groups/config_load.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>

namespace squall {
namespace {

/// Of a file alone.
Result<Config> parse(std::string text) {
  return load_config({.file = "x.toml", .content = std::move(text)}).map([](LoadedConfig&& loaded) {
    return std::move(loaded.config);
  });
}

std::string large_file() {
  const char* base = std::getenv("TEST_TMPDIR");
  const std::string path = std::string(base != nullptr ? base : "/tmp") + "/large.toml";
  std::ofstream(path) << std::string((1 << 20) + 1, '#');
  return path;
}

constexpr std::string_view complete = R"([node]
name = "a"
listen = "10.0.0.1:7070"
contacts = ["a@10.0.0.1:7070", "b@[::1]:7071"]
start_timeout_ms = 2500
failure_timeout = 1000
when_lost = "stop"
engine = "thread"

[fabric]
provider = "tcp"
address = "10.0.0.1"

[group.ticks]
stack = "fifo"
senders = ["b"]
ring_bytes = "2 MiB"

[group.store]
)";

TEST_CASE("every key reaches the configuration") {
  const auto config = parse(std::string(complete));
  REQUIRE_MESSAGE(config, config.error().text());
  CHECK(config->name == "a");
  CHECK(config->listen == "10.0.0.1:7070");
  REQUIRE(config->contacts.size() == 2);
  CHECK(config->contacts[1].name == "b");
  CHECK(config->contacts[1].address == "[::1]:7071");
  CHECK(config->start_timeout == 2500ms);
  CHECK(config->failure_timeout == 1s);
  CHECK_FALSE(config->survive_losses);
  CHECK(config->engine_thread);
  CHECK(config->provider == "tcp");
  CHECK(config->fabric_address == "10.0.0.1");
  REQUIRE(config->groups.size() == 2);
  const GroupConfig& ticks = config->groups[0];
  const GroupConfig& store = config->groups[1];
  CHECK(ticks.stack == "fifo");
  CHECK(ticks.senders == std::vector<std::string>{"b"});
  CHECK(ticks.ring_bytes == 2u << 20);
  CHECK(store.name == "store");
  CHECK(store.stack == "total | stable");
  CHECK(store.senders.empty());
}

TEST_CASE("an empty file is the default configuration") {
  const auto config = parse("");
  REQUIRE(config);
  CHECK(config->name.empty());
  CHECK(config->provider == "auto");
  CHECK(config->start == Start::together);
  CHECK(config->start_timeout == 10s);
  CHECK(config->failure_timeout == 200ms);
  CHECK(config->survive_losses);
  CHECK_FALSE(config->engine_thread);
}

TEST_CASE("failure_timeout takes presets and milliseconds") {
  const auto timeout = [](const std::string& value) {
    const auto config = parse("[node]\nfailure_timeout = " + value);
    REQUIRE_MESSAGE(config, config.error().text());
    return config->failure_timeout;
  };
  CHECK(timeout("\"fast\"") == 200ms);
  CHECK(timeout("\"safe\"") == 2s);
  CHECK(timeout("350") == 350ms);
}

TEST_CASE("ring_bytes takes integers and sizes with a unit") {
  for (const auto* value : {"65536", "\"65536\"", "\"64KiB\"", "\"64 KiB\"", "\"65536 B\""}) {
    CAPTURE(value);
    const auto config = parse(std::string("[group.g]\nring_bytes = ") + value);
    REQUIRE_MESSAGE(config, config.error().text());
    CHECK(config->groups[0].ring_bytes == 65536);
  }
}

struct WrongFile {
  const char* text;
  const char* place;     ///< the error starts with it
  const char* mentions;  ///< and says this somewhere
};

TEST_CASE("whatever cannot be right names file, line and what was expected") {
  static constexpr WrongFile cases[] = {
      // syntax and sections
      {"[node]\nname = ", "x.toml:2:", ""},
      {"[node]\nname = \"a\"\nname = \"b\"\n", "x.toml:3:", "name"},
      {"\n[nod]\n", "x.toml:2:", "did you mean 'node'?"},
      {"fabric = \"tcp\"\n", "x.toml:1:", "a section [fabric]"},
      {"colour = 3\n", "x.toml:1:", "known here: node, fabric, group"},
      // unknown keys, with the nearest known one
      {"[node]\n\nnmae = \"a\"\n", "x.toml:3:", "did you mean 'name'?"},
      {"[fabric]\nprovidr = \"shm\"\n", "x.toml:2:", "did you mean 'provider'?"},
      {"[group.g]\nring_byte = 4096\n", "x.toml:2:", "did you mean 'ring_bytes'?"},
      {"[group.g]\nzzzzzzzzzzzzzzzzzzzz = 1\n", "x.toml:2:", "known here: stack, senders"},
      // [node]
      {"[node]\nname = 3\n", "x.toml:2:", "'name' is 3; expected a name, as text"},
      {"[node]\nname = \"../a\"\n", "x.toml:2:", "a name is 1 to 64"},
      {"[node]\nname = \"\"\n", "x.toml:2:", "a name is 1 to 64"},
      {"[node]\nlisten = 7070\n", "x.toml:2:", "\"host:port\""},
      {"[node]\nlisten = \"10.0.0.1\"\n", "x.toml:2:", "\"host:port\""},
      {"[node]\nlisten = \"h:0\"\n", "x.toml:2:", "port of 1 to 65535"},
      {"[node]\nlisten = \"h:65536\"\n", "x.toml:2:", "port of 1 to 65535"},
      {"[node]\nlisten = \"[::g]:1\"\n", "x.toml:2:", "[v6]:port"},
      {"[node]\ncontacts = \"a@h:1\"\n", "x.toml:2:", "expected an array"},
      {"[node]\ncontacts = []\n", "x.toml:2:", "is empty"},
      {"[node]\ncontacts = [1]\n", "x.toml:2:", "\"name@host:port\""},
      {"[node]\ncontacts = [\"h:1\"]\n", "x.toml:2:", "has no name"},
      {"[node]\ncontacts = [\"a@h\"]\n", "x.toml:2:", "\"host:port\""},
      {"[node]\ncontacts = [\n\"a@h:1\",\n\"a@h:2\"]\n", "x.toml:4:", "'a' is named twice"},
      {"[node]\ncontacts = [\"a@h:1\", \"b@h:1\"]\n", "x.toml:2:", "the same address h:1"},
      {"[node]\nname = \"c\"\ncontacts = [\"a@h:1\"]\n", "x.toml:2:", "none of the contacts"},
      {"[node]\nstart = \"later\"\n", "x.toml:2:",
       "'start' is \"later\"; expected \"together\", \"create\", \"join\" or \"auto\""},
      {"[node]\nstart = true\n", "x.toml:2:", "'start' is a boolean"},
      {"[node]\nstart_timeout_ms = 0\n", "x.toml:2:", "an integer of 1 to"},
      {"[node]\nfailure_timeout = 9\n", "x.toml:2:", "an integer of 10 to 3600000 (milliseconds)"},
      {"[node]\nfailure_timeout = \"slow\"\n", "x.toml:2:", "\"fast\", \"safe\" or an integer"},
      {"[node]\nfailure_timeout = true\n", "x.toml:2:", "is a boolean"},
      {"[node]\nfailure_timeout_ms = 200\n", "x.toml:2:", "did you mean 'failure_timeout'?"},
      {"[node]\nwhen_lost = \"panic\"\n", "x.toml:2:", "\"continue\" or \"stop\""},
      {"[node]\nstart_timeout_ms = -4\n", "x.toml:2:", "'start_timeout_ms' is -4"},
      {"[node]\nstart_timeout_ms = 1.5\n", "x.toml:2:", "is a floating-point number"},
      {"[node]\nengine = \"fast\"\n", "x.toml:2:", "\"polled\" or \"thread\""},
      {"[node]\nengine = true\n", "x.toml:2:", "is a boolean"},
      // [fabric]
      {"[fabric]\nprovider = \"\"\n", "x.toml:2:", "is empty"},
      {"[fabric]\nprovider = [\"shm\"]\n", "x.toml:2:", "is an array"},
      {"[fabric]\naddress = \"10.0.0.1:80\"\n", "x.toml:2:", "no port"},
      // [group.NAME]
      {"[group]\nstack = \"total\"\n", "x.toml:2:", "groups have names: [group.NAME]"},
      {"[group.\"a b\"]\n", "x.toml:1:", "a name is 1 to 64"},
      {"[group.g]\nstack = \" | \"\n", "x.toml:2:", "expected modules, like \"total | stable\""},
      {"[group.g]\nstack = 4\n", "x.toml:2:", "total | stable"},
      {"[group.g]\nsenders = \"a\"\n",
       "x.toml:2:", "'senders' is \"a\"; expected an array of contacts' names"},
      {"[group.g]\nsenders = []\n", "x.toml:2:", "every member may send"},
      {"[group.g]\nsenders = [\"a\", \"a\"]\n", "x.toml:2:", "named twice"},
      {"[group.g]\nsenders = [\"z\"]\n[node]\ncontacts = [\"a@h:1\"]\n",
       "x.toml:2:", "sender 'z' is none of the contacts"},
      {"[group.g]\nsenders = [\n\"a\",\n\"z\"]\n[node]\ncontacts = [\"a@h:1\"]\n",
       "x.toml:4:", "sender 'z' is none of the contacts"},
      {"[group.g]\nsenders = [\"a b\"]\n", "x.toml:2:", "a name is 1 to 64"},
      {"[group.g]\nsenders = [[\"a\"]]\n", "x.toml:2:", "one of them is an array"},
      {"[fabric]\nprovider = \"shn\"\n", "x.toml:2:", "did you mean shm?"},
      {"[group.g]\nring_bytes = 5000\n", "x.toml:2:", "a power of two"},
      {"[group.g]\nring_bytes = 2048\n", "x.toml:2:", "of 4096 to 1 GiB"},
      {"[group.g]\nring_bytes = -4096\n", "x.toml:2:", "'ring_bytes' is -4096"},
      {"[group.g]\nring_bytes = \"2 GiB\"\n", "x.toml:2:", "of 4096 to 1 GiB"},
      {"[group.g]\nring_bytes = \"1 MB\"\n", "x.toml:2:", "\"1 MiB\""},
      {"[group.g]\nring_bytes = \"99999999999999999999999 B\"\n", "x.toml:2:", "a power of two"},
      {"[group.g]\nring_bytes = \"17179869184 GiB\"\n", "x.toml:2:", "a power of two"},
      {"[group.g]\nring_bytes = true\n", "x.toml:2:", "is a boolean"},
  };
  for (const WrongFile& wrong : cases) {
    CAPTURE(wrong.text);
    const auto config = parse(wrong.text);
    REQUIRE_FALSE(config);
    CHECK(config.error().code == Code::invalid);
    CHECK_MESSAGE(config.error().text().starts_with(wrong.place), config.error().text());
    CHECK_MESSAGE(config.error().text().find(wrong.mentions) != std::string::npos,
                  config.error().text());
  }
}

TEST_CASE("what makes the TOML parser give up is an error, too") {
  const auto config = parse("[\n");
  REQUIRE_FALSE(config);
  CHECK(config.error().code == Code::invalid);
  CHECK(config.error().text().find("x.toml") != std::string::npos);
}

TEST_CASE("letters that the TOML parser has no place for are an error, too") {
  CHECK_FALSE(parse("\u0203 = 1"));
}

TEST_CASE("every way to start has its word") {
  const std::pair<const char*, Start> words[] = {{"together", Start::together},
                                                 {"create", Start::create},
                                                 {"join", Start::join},
                                                 {"auto", Start::automatic}};
  for (const auto& [word, start] : words) {
    const auto config = parse("[node]\nstart = \"" + std::string(word) + "\"\n");
    REQUIRE_MESSAGE(config, config.error().text());
    CHECK(config->start == start);
  }
}

TEST_CASE("who joins need not be a contact, nor those who may send") {
  const auto config = parse(
      "[node]\nname = \"z\"\nstart = \"join\"\ncontacts = [\"a@h:1\"]\n"
      "[group.g]\nsenders = [\"y\"]\n");
  REQUIRE_MESSAGE(config, config.error().text());
}

TEST_CASE("a contact is a name and an address") {
  const auto config = parse("[node]\ncontacts = [\"a@[::1]:70\"]\n");
  REQUIRE_MESSAGE(config, config.error().text());
  CHECK(config->contacts[0].name == "a");
  CHECK(config->contacts[0].address == "[::1]:70");
  for (const char* wrong : {"", "a", "h:1", "@h:1", "a@", "a@h", "a@h:0", "a b@h:1", "a@h:70000"})
    CHECK_FALSE(parse(std::string("[node]\ncontacts = [\"") + wrong + "\"]\n"));
}

TEST_CASE("groups keep the order in which the file has them") {
  const auto config = parse("[group.z]\n[group.b]\n[group]\na = {}\n");
  REQUIRE_MESSAGE(config, config.error().text());
  REQUIRE(config->groups.size() == 3);
  CHECK(config->groups[0].name == "z");
  CHECK(config->groups[1].name == "b");
  CHECK(config->groups[2].name == "a");
}

TEST_CASE("a file that is not there is named") {
  const auto config = Config::load("/nonexistent/squall.toml");
  REQUIRE_FALSE(config);
  CHECK(config.error().code == Code::io);
  CHECK(config.error().text().find("/nonexistent/squall.toml: No such file") != std::string::npos);
}

TEST_CASE("a file that is too large is no configuration") {
  const auto config = Config::load(large_file());
  REQUIRE_FALSE(config);
  CHECK(config.error().code == Code::too_large);
}

TEST_CASE("long values and long words are told short") {
  const auto value = parse("[node]\nstart = \"" + std::string(100'000, 'x') + "\"\n");
  REQUIRE_FALSE(value);
  CHECK(value.error().text().size() < 400);
  CHECK(value.error().text().find("100000 bytes") != std::string::npos);
  const auto key = parse("[node]\n" + std::string(100'000, 'x') + " = 1\n");
  REQUIRE_FALSE(key);
  CHECK(key.error().text().size() < 700);
}

TEST_CASE("a directory in place of a file is an error, not an empty configuration") {
  CHECK_FALSE(Config::load("/"));
}

}  // namespace
}  // namespace squall
