#include "bench/cli/command_line.h"

#include <doctest/doctest.h>

namespace squall::cli {
namespace {

TEST_CASE("a replication on this host") {
  const auto command =
      parse({"replicate", "x", "y z", "--members", "4", "--fabric", "tcp", "--out", "o"});
  const auto* options = std::get_if<replicate::Options>(&command);
  REQUIRE(options != nullptr);
  CHECK(options->paths == std::vector<std::string>{"x", "y z"});
  CHECK(options->members == 4);
  CHECK(options->keys == std::vector<KeyText>{{"fabric.provider", "tcp", "--fabric"}});
  CHECK(options->out == "o");
}

TEST_CASE("one more that joins") {
  const auto command =
      parse({"bench", "membership", "--event", "join", "--members", "2", "--warm"});
  const auto* options = std::get_if<bench::MembershipOptions>(&command);
  REQUIRE(options != nullptr);
  CHECK(options->event == bench::Event::join);
  CHECK(options->warm);
}

TEST_CASE("a member by hand, with a file or without") {
  const auto join =
      parse({"join", "--name", "c", "--listen", "127.0.0.1:7072", "--contact", "a@127.0.0.1:7070",
             "--contact", "b@127.0.0.1:7071", "--fabric", "shm", "--stack", "fifo", "--group", "g",
             "--failure-timeout", "safe", "--start-timeout", "500"});
  const auto* options = std::get_if<terminal::Options>(&join);
  REQUIRE(options != nullptr);
  CHECK(options->start == Start::join);
  CHECK(options->keys ==
        std::vector<KeyText>{{"node.name", "c", "--name"},
                             {"node.listen", "127.0.0.1:7072", "--listen"},
                             {"node.contacts", "a@127.0.0.1:7070,b@127.0.0.1:7071", "--contact"},
                             {"fabric.provider", "shm", "--fabric"},
                             {"node.failure_timeout", "safe", "--failure-timeout"},
                             {"node.start_timeout_ms", "500", "--start-timeout"}});
  CHECK(options->stack == "fifo");
  CHECK(options->group == "g");
  const auto create = parse({"create", "--config", "f.toml", "--name", "a"});
  options = std::get_if<terminal::Options>(&create);
  REQUIRE(options != nullptr);
  CHECK(options->start == Start::create);
  CHECK(options->config == "f.toml");
  CHECK(options->keys == std::vector<KeyText>{{"node.name", "a", "--name"}});
}

TEST_CASE("a replication that loses a member and gets another") {
  const auto command = parse({"replicate", "x", "--kill", "b", "--join", "--out", "o"});
  const auto* options = std::get_if<replicate::Options>(&command);
  REQUIRE(options != nullptr);
  CHECK(options->kill == "b");
  CHECK(options->join);
}

TEST_CASE("a replication across hosts; receivers need no PATH") {
  const auto command = parse({"replicate", "--config", "f.toml", "--name", "b", "--out", "o"});
  const auto* options = std::get_if<replicate::Options>(&command);
  REQUIRE(options != nullptr);
  CHECK(options->config == "f.toml");
  CHECK(options->keys == std::vector<KeyText>{{"node.name", "b", "--name"}});
}

TEST_CASE("commands that take a configuration take its keys") {
  const std::vector<KeyText> keys{{"fabric.provider", "tcp", "--fabric-provider"},
                                  {"group.g.stack", "fifo", "--group-g-stack"}};
  for (const char* word : {"config", "create", "join", "replicate"}) {
    CAPTURE(word);
    std::vector<std::string> words{word, "--fabric-provider", "tcp", "--group-g-stack=fifo"};
    if (words[0] == "replicate") words.insert(words.end(), {"x", "--out", "o"});
    const auto command = parse(words);
    if (const auto* config = std::get_if<ConfigOptions>(&command)) CHECK(config->keys == keys);
    if (const auto* by_hand = std::get_if<terminal::Options>(&command))
      CHECK(by_hand->keys == keys);
    if (const auto* copy = std::get_if<replicate::Options>(&command)) CHECK(copy->keys == keys);
    CHECK_FALSE(std::holds_alternative<Say>(command));
  }
}

TEST_CASE("the configuration in effect, or the reference") {
  const auto shown = parse({"config", "--config", "f.toml"});
  REQUIRE(std::holds_alternative<ConfigOptions>(shown));
  CHECK(std::get<ConfigOptions>(shown).config == "f.toml");
  CHECK_FALSE(std::get<ConfigOptions>(shown).reference);
  const auto reference = parse({"config", "--reference"});
  REQUIRE(std::holds_alternative<ConfigOptions>(reference));
  CHECK(std::get<ConfigOptions>(reference).reference);
}

TEST_CASE("a measurement with every option") {
  const auto command =
      parse({"bench",         "throughput", "--members", "2",     "--size",  "1024",
             "--fabric",      "ofi:shm",    "--senders", "all",   "--stack", "fifo",
             "--seconds",     "0.5",        "--pin",     "1",     "--burst", "7",
             "--idle-groups", "9",          "--ring",    "65536", "--json"});
  const auto* options = std::get_if<bench::MeasureOptions>(&command);
  REQUIRE(options != nullptr);
  CHECK(options->json);
  CHECK(options->asked.figure == bench::Figure::throughput);
  CHECK(options->asked.members == 2);
  CHECK(options->asked.size_bytes == 1024);
  CHECK(options->asked.fabric == "ofi:shm");
  CHECK(options->asked.all_send);
  CHECK(options->asked.stack == "fifo");
  CHECK(options->asked.seconds == 0.5);
  CHECK(options->asked.pin == 1);
  CHECK(options->asked.burst == 7);
  CHECK(options->asked.idle_groups == 9);
  CHECK(options->asked.ring_bytes == 65536);
}

TEST_CASE("latency, suite, info and members") {
  const auto latency = parse({"bench", "latency"});
  REQUIRE(std::holds_alternative<bench::MeasureOptions>(latency));
  CHECK(std::get<bench::MeasureOptions>(latency).asked.figure == bench::Figure::latency);
  CHECK_FALSE(std::get<bench::MeasureOptions>(latency).asked.pin);
  const auto suite = parse({"bench", "suite", "--seconds", "2"});
  REQUIRE(std::holds_alternative<bench::SuiteOptions>(suite));
  CHECK(std::get<bench::SuiteOptions>(suite).seconds == 2);
  CHECK(std::holds_alternative<Info>(parse({"info"})));
  const auto member = parse({"member", "bench"});
  REQUIRE(std::holds_alternative<Member>(member));
  CHECK(std::get<Member>(member).role == "bench");
}

TEST_CASE("schedules with every option") {
  const auto command = parse({"bench", "schedules", "--members", "3,64", "--size", "1000",
                              "--block", "10", "--bandwidth", "25", "--latency", "0.5", "--window",
                              "7", "--ready", "0", "--svg", "f.svg", "--json"});
  const auto* options = std::get_if<bench::SchedulesOptions>(&command);
  REQUIRE(options != nullptr);
  CHECK(options->members == std::vector<unsigned>{3, 64});
  CHECK(options->object.blocks() == 100);
  CHECK(options->network().bytes_per_second == 25e9 / 8);
  CHECK(options->network().latency == 500ns);
  CHECK(options->network().window == 7);
  CHECK(options->network().ready == 0);
  CHECK(options->svg == "f.svg");
  CHECK(options->json);
}

TEST_CASE("the cost of a link with every option") {
  const auto command = parse({"bench", "cost", "--fabric", "shm", "--seconds", "0.5", "--json"});
  const auto* options = std::get_if<bench::CostOptions>(&command);
  REQUIRE(options != nullptr);
  CHECK(options->fabric == "shm");
  CHECK(options->seconds == 0.5);
  CHECK(options->json);
}

TEST_CASE("what is no number is in no range") {
  const std::vector<std::vector<std::string>> commands = {
      {"bench", "throughput", "--seconds"}, {"bench", "latency", "--seconds"},
      {"bench", "objects", "--seconds"},    {"bench", "rpc", "--seconds"},
      {"bench", "suite", "--seconds"},      {"bench", "cost", "--seconds"},
      {"bench", "schedules", "--latency"},  {"bench", "schedules", "--bandwidth"},
  };
  for (auto words : commands)
    for (const char* value : {"nan", "-nan", "NAN", "inf", "-1", "1e300", "", "many", "1s"}) {
      auto asked = words;
      asked.emplace_back(value);
      CAPTURE(asked[1]);
      CAPTURE(value);
      const auto command = parse(asked);
      const auto* say = std::get_if<Say>(&command);
      REQUIRE(say != nullptr);
      CHECK(say->status == 2);
      CHECK(say->text.find(asked[2]) != std::string::npos);
      CHECK_MESSAGE(say->text.find("is no number from") != std::string::npos, say->text);
    }
}

TEST_CASE("a change of membership with every option") {
  const auto command =
      parse({"bench", "membership", "--event", "stop", "--members", "4", "--fabric", "tcp",
             "--count", "7", "--failure-timeout", "500", "--json"});
  const auto* options = std::get_if<bench::MembershipOptions>(&command);
  REQUIRE(options != nullptr);
  CHECK(options->event == bench::Event::stop);
  CHECK(options->members == 4);
  CHECK(options->fabric == "tcp");
  CHECK(options->count == 7);
  CHECK(options->timeout_ms == 500);
  CHECK(options->json);
  const auto kill = parse({"bench", "membership", "--event", "kill"});
  REQUIRE(std::holds_alternative<bench::MembershipOptions>(kill));
  CHECK(std::get<bench::MembershipOptions>(kill).event == bench::Event::kill);
  CHECK(std::get<bench::MembershipOptions>(kill).timeout_ms == 200);
  const auto leave =
      parse({"bench", "membership", "--event", "leave", "--failure-timeout", "safe"});
  REQUIRE(std::holds_alternative<bench::MembershipOptions>(leave));
  CHECK(std::get<bench::MembershipOptions>(leave).event == bench::Event::leave);
  CHECK(std::get<bench::MembershipOptions>(leave).timeout_ms == 2000);
}

TEST_CASE("help is asked for, and hides what is not for people") {
  const auto help = parse({"--help"});
  REQUIRE(std::holds_alternative<Say>(help));
  CHECK(std::get<Say>(help).status == 0);
  CHECK(std::get<Say>(help).text.find("replicate") != std::string::npos);
  CHECK(std::get<Say>(help).text.find("\n  member") == std::string::npos);
  CHECK(std::get<Say>(parse({"bench", "throughput", "--help"})).text.find("--senders") !=
        std::string::npos);
}

TEST_CASE("wrong arguments say what is wrong, with status 2") {
  struct Wrong {
    std::vector<std::string> words;
    std::string_view mentions;
  };
  const std::vector<Wrong> cases = {
      {{}, "subcommand"},
      {{"replicat", "x"}, "did you mean 'replicate'?"},
      {{"jion"}, "did you mean 'join'?"},
      {{"nothing"}, "there is no command 'nothing' (there are bench, "},
      {{"join", "--colour", "x"}, "colour"},
      {{"join", "--fabrc-provider", "tcp"}, "did you mean --fabric-provider for --fabrc-provider?"},
      {{"join", "--contcat", "a@h:1"}, "did you mean --contact"},
      {{"join", "--fabric-providr", "tcp"}, "did you mean '--fabric-provider'?"},
      {{"config", "--node-name"}, "--node-name has no value"},
      {{"config", "x"}, "x"},
      {{"confg"}, "did you mean 'config'?"},
      {{"info", "--node-name", "a"}, "node-name"},
      {{"bench", "latenci"}, "did you mean 'latency'?"},
      {{"info", "x"}, "x"},
      {{"replicate", "x"}, "--out"},
      {{"replicate", "x", "--out", ""}, "--out"},
      {{"replicate", "x", "--out", "o", "--members", "0"}, "members"},
      {{"replicate", "x", "--out", "o", "--members", "27"}, "members"},
      {{"replicate", "x", "--out", "o", "--members", "three"}, "members"},
      {{"replicate", "x", "--out", "o", "--config", "f", "--kill", "a"}, "kill"},
      {{"replicate", "x", "--out", "o", "--config", "f", "--members", "3"}, "members"},
      {{"bench"}, "subcommand"},
      {{"bench", "throughput", "--size", "-1"}, "size"},
      {{"bench", "throughput", "--size", "64K"}, "size"},
      {{"bench", "throughput", "--senders", "two"}, "senders"},
      {{"bench", "throughput", "--seconds", "0"}, "seconds"},
      {{"bench", "throughput", "--stack", ""}, "--stack: it is empty"},
      {{"create", "--stack", ""}, "--stack: it is empty"},
      {{"bench", "throughput", "--burst", "0"}, "burst"},
      {{"bench", "throughput", "--pin", "x"}, "pin"},
      {{"bench", "throughput", "--colour", "x"}, "colour"},
      {{"bench", "latency", "--senders", "all"}, "--senders one"},
      {{"bench", "schedule"}, "did you mean 'schedules'?"},
      {{"bench", "schedules", "--members", "0"}, "members"},
      {{"bench", "schedules", "--members", "2,1"}, "members"},
      {{"bench", "schedules", "--members", "1025"}, "members"},
      {{"bench", "schedules", "--members", ""}, "members"},
      {{"bench", "schedules", "--block", "0"}, "block"},
      {{"bench", "schedules", "--size", "0"}, "size"},
      {{"bench", "schedules", "--size", "-1"}, "size"},
      {{"bench", "schedules", "--bandwidth", "0"}, "bandwidth"},
      {{"bench", "schedules", "--latency", "-1"}, "latency"},
      {{"bench", "schedules", "--window", "0"}, "window"},
      {{"bench", "schedules", "--ready", "-1"}, "ready"},
      {{"bench", "schedules", "--svg"}, "svg"},
      {{"bench", "membershi"}, "did you mean 'membership'?"},
      {{"bench", "membership"}, "--event"},
      {{"bench", "membership", "--event", "explode"}, "explode"},
      {{"bench", "membership", "--event", "kill", "--members", "1"}, "members"},
      {{"bench", "membership", "--event", "kill", "--count", "0"}, "count"},
      {{"bench", "membership", "--event", "kill", "--failure-timeout", "0"}, "failure-timeout"},
      {{"bench", "membership", "--event", "kill", "--failure-timeout", "slow"}, "failure-timeout"},
      {{"bench", "membership", "--event", "kill", "--size", "64"}, "size"},
      {{"member", "x"}, "x"},
  };
  for (const Wrong& wrong : cases) {
    std::string shown;
    for (const auto& word : wrong.words) shown += word + " ";
    CAPTURE(shown);
    const auto command = parse(wrong.words);
    const auto* say = std::get_if<Say>(&command);
    REQUIRE(say != nullptr);
    CHECK(say->status == 2);
    CHECK_MESSAGE(say->text.find(wrong.mentions) != std::string::npos, say->text);
  }
}

}  // namespace
}  // namespace squall::cli
