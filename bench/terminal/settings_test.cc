#include "bench/terminal/settings.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>

namespace squall::terminal {
namespace {

TEST_CASE("a group is created without a file: its first member is the only contact") {
  Options options;
  options.start = Start::create;
  options.keys = {{"node.name", "a", "--name"},
                  {"node.listen", "127.0.0.1:7070", "--listen"},
                  {"node.failure_timeout", "500", "--failure-timeout"}};
  options.stack = "fifo";
  const auto config = settle(options);
  REQUIRE_MESSAGE(config, config.error().text());
  CHECK(config->start == Start::create);
  REQUIRE(config->contacts.size() == 1);
  CHECK(config->contacts[0].name == "a");
  CHECK(config->contacts[0].address == "127.0.0.1:7070");
  REQUIRE(config->groups.size() == 1);
  CHECK(config->groups[0].name == default_group);
  CHECK(config->groups[0].stack == "fifo");
  CHECK(config->failure_timeout == 500ms);
}

TEST_CASE("what is missing is named") {
  Options options;
  CHECK(settle(options).error().text().find("--name") != std::string::npos);
  options.keys = {{"node.name", "b", "--name"}};
  CHECK(settle(options).error().text().find("--contact") != std::string::npos);
  options.keys.push_back({"node.contacts", "127.0.0.1:7070", "--contact"});
  CHECK(settle(options).error().text().find("name@host:port") != std::string::npos);
  options.keys.back().text = "a@127.0.0.1:7070";
  CHECK(settle(options));
  options.keys.push_back({"node.start_timeout_ms", "0", "--start-timeout"});
  CHECK(settle(options).error().text().starts_with("--start-timeout: "));
  options.keys.back() = {"node.start", "auto", "--node-start"};
  CHECK(settle(options).error().text().find("by --node-start and by squall join") !=
        std::string::npos);
  options.start = Start::create;
  options.keys = {{"node.name", "b", "--name"}};
  CHECK(settle(options).error().text().find("--listen") != std::string::npos);
}

TEST_CASE("the command line and the environment go over the file, whose groups are kept") {
  const char* base = std::getenv("TEST_TMPDIR");
  const std::string path = std::string(base != nullptr ? base : "/tmp") + "/settings.toml";
  std::ofstream(path) << "[node]\ncontacts = [\"a@h:1\", \"b@h:2\"]\nengine = \"thread\"\n"
                         "[fabric]\nprovider = \"tcp\"\n[group.one]\n[group.two]\n";
  Options options;
  options.config = path;
  options.keys = {{"node.name", "z", "--name"}, {"fabric.provider", "shm", "--fabric"}};
  setenv("SQUALL_NODE_WHEN_LOST", "stop", 1);
  options.group = "two";
  options.stack = "total";
  auto config = settle(options);
  REQUIRE_MESSAGE(config, config.error().text());
  CHECK(config->name == "z");
  CHECK(config->start == Start::join);
  CHECK(config->contacts.size() == 2);
  CHECK(config->provider == "shm");
  CHECK_FALSE(config->survive_losses);
  CHECK_FALSE(config->engine_thread);
  REQUIRE(config->groups.size() == 2);
  CHECK(config->groups[0].stack == "total | stable");
  CHECK(config->groups[1].stack == "total");
  CHECK(typed_group(options, *config) == "two");
  options.group = "three";
  CHECK(settle(options).error().text().find("one, two") != std::string::npos);
  unsetenv("SQUALL_NODE_WHEN_LOST");
}

}  // namespace
}  // namespace squall::terminal
