#include "bench/replicate/settings.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace squall::replicate {
namespace {

const GroupConfig& files_of(const Settled& settled) {
  const auto& groups = settled.config.groups;
  const auto found = std::ranges::find(groups, "files", &GroupConfig::name);
  REQUIRE(found != groups.end());
  return *found;
}

TEST_CASE("on this host all is over shm, unless a flag or a variable says otherwise") {
  Options options{.paths = {"x"}};
  auto settled = settle(options, {});
  REQUIRE_MESSAGE(settled, settled.error().text());
  CHECK_FALSE(settled->across_hosts);
  CHECK(settled->config.provider == "shm");
  CHECK(files_of(*settled).stack == "total | stable");
  CHECK(files_of(*settled).large_memory == std::size_t{32} << 20);
  options.stack = "fifo";
  settled = settle(options, {"SQUALL_FABRIC_PROVIDER=tcp", "SQUALL_GROUP_FILES_RING_BYTES=65536"});
  REQUIRE_MESSAGE(settled, settled.error().text());
  CHECK(files_of(*settled).large_memory == std::size_t{32} << 20);
  CHECK(settled->config.provider == "tcp");
  CHECK(files_of(*settled).stack == "fifo");
  CHECK(files_of(*settled).ring_bytes == 65536);
  options.keys = {{"fabric.provider", "verbs", "--fabric"}};
  settled = settle(options, {"SQUALL_FABRIC_PROVIDER=tcp"});
  REQUIRE(settled);
  CHECK(settled->config.provider == "verbs");
}

TEST_CASE("whoever names contacts is one member of several hosts") {
  Options options;
  options.keys = {{"node.contacts", "a@h:1,b@h:2", "--node-contacts"},
                  {"node.name", "b", "--name"}};
  auto settled = settle(options, {"SQUALL_GROUP_FILES_SENDERS=a"});
  REQUIRE_MESSAGE(settled, settled.error().text());
  CHECK(settled->across_hosts);
  CHECK(settled->config.name == "b");
  CHECK(settled->config.provider == "auto");
  CHECK(files_of(*settled).senders == std::vector<std::string>{"a"});
  options.keys = {{"node.name", "z", "--name"}};
  options.join = true;
  settled = settle(options, {"SQUALL_NODE_CONTACTS=a@h:1"});
  REQUIRE_MESSAGE(settled, settled.error().text());
  CHECK(settled->across_hosts);
  CHECK(settled->config.start == Start::join);
}

TEST_CASE("what does not go together is told") {
  Options options{.paths = {"x"}};
  const auto wrong = [&](std::vector<std::string> environment) {
    const auto settled = settle(options, std::move(environment));
    REQUIRE_FALSE(settled);
    CHECK(settled.error().code == Code::invalid);
    return settled.error().text();
  };
  CHECK(wrong({"SQUALL_NODE_CONTACTS=a@h:1"}).find("--name NAME") != std::string::npos);
  CHECK(wrong({"SQUALL_GROUP_TICKS_STACK=fifo"}).find("there is files") != std::string::npos);
  options.keys = {{"node.listen", "h:1", "--listen"}};
  CHECK(wrong({}).find("--listen is of one member of several hosts") == 0);
  options.keys = {{"node.name", "a", "--name"}};
  CHECK(wrong({}).find("--config FILE") != std::string::npos);
  options.paths.clear();
  CHECK(wrong({}).find("name a PATH") != std::string::npos);
  options.kill = "a";
  CHECK(wrong({"SQUALL_NODE_CONTACTS=a@h:1"}).find("--kill") == 0);
}

}  // namespace
}  // namespace squall::replicate
