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
  CHECK(options->fabric == "tcp");
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
  CHECK(options->name == "c");
  CHECK(options->listen == "127.0.0.1:7072");
  CHECK(options->contacts == std::vector<std::string>{"a@127.0.0.1:7070", "b@127.0.0.1:7071"});
  CHECK(options->fabric == "shm");
  CHECK(options->stack == "fifo");
  CHECK(options->group == "g");
  CHECK(options->failure_timeout_ms == 2000);
  CHECK(options->start_timeout_ms == 500);
  const auto create = parse({"create", "--config", "f.toml", "--name", "a"});
  options = std::get_if<terminal::Options>(&create);
  REQUIRE(options != nullptr);
  CHECK(options->start == Start::create);
  CHECK(options->config == "f.toml");
  CHECK(options->failure_timeout_ms == 0);
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
  CHECK(options->name == "b");
}

TEST_CASE("a measurement with every option") {
  const auto command =
      parse({"bench",   "throughput", "--members", "2",       "--size", "1024",      "--fabric",
             "ofi:shm", "--senders",  "all",       "--stack", "fifo",   "--seconds", "0.5",
             "--pin",   "1",          "--burst",   "7",       "--ring", "65536",     "--json"});
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
      {{"join", "--colour", "x"}, "colour"},
      {{"create", "--start-timeout", "0"}, "start-timeout"},
      {{"bench", "latenci"}, "did you mean 'latency'?"},
      {{"info", "x"}, "x"},
      {{"replicate", "x"}, "--out"},
      {{"replicate", "--out", "o"}, "PATH"},
      {{"replicate", "x", "--out", ""}, "--out"},
      {{"replicate", "x", "--out", "o", "--members", "0"}, "members"},
      {{"replicate", "x", "--out", "o", "--members", "27"}, "members"},
      {{"replicate", "x", "--out", "o", "--members", "three"}, "members"},
      {{"replicate", "x", "--out", "o", "--name", "a"}, "--config"},
      {{"replicate", "x", "--out", "o", "--config", "f", "--kill", "a"}, "kill"},
      {{"replicate", "x", "--out", "o", "--listen", "h:1"}, "--config"},
      {{"replicate", "x", "--out", "o", "--config", "f", "--members", "3"}, "members"},
      {{"bench"}, "subcommand"},
      {{"bench", "throughput", "--size", "-1"}, "size"},
      {{"bench", "throughput", "--size", "64K"}, "size"},
      {{"bench", "throughput", "--senders", "two"}, "senders"},
      {{"bench", "throughput", "--seconds", "0"}, "seconds"},
      {{"bench", "throughput", "--burst", "0"}, "burst"},
      {{"bench", "throughput", "--pin", "x"}, "pin"},
      {{"bench", "throughput", "--colour", "x"}, "colour"},
      {{"bench", "latency", "--senders", "all"}, "--senders one"},
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
