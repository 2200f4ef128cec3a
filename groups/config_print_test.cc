// What a configuration looks like for people: the values in effect, which can be loaded again, and
// the reference, which README.md shows as it is.
#include "groups/config_print.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace squall {
namespace {

LoadedConfig load(ConfigSources sources) {
  auto loaded = load_config(sources);
  REQUIRE_MESSAGE(loaded, loaded.error().text());
  return std::move(*loaded);
}

TEST_CASE("each value stands with where it came from") {
  const auto loaded = load({.file = "x.toml",
                            .content = "[node]\nname = \"a\"\n[group.\"a.b\"]\n[group.g]\n"
                                       "senders = [\"a\", \"b\"]\n",
                            .environment = {"SQUALL_FABRIC_PROVIDER=tcp"},
                            .flags = {{"group.g.ring_bytes", "65536", "--group-g-ring-bytes"}}});
  CHECK(effective_toml(loaded) ==
        "[node]\n"
        "name = \"a\"                # x.toml:2\n"
        "# listen                  # not set: this member's contact address\n"
        "# contacts                # not set: none\n"
        "start = \"together\"        # default\n"
        "start_timeout_ms = 10000  # default\n"
        "failure_timeout = \"fast\"  # default\n"
        "when_lost = \"continue\"    # default\n"
        "engine = \"polled\"         # default\n"
        "\n"
        "[fabric]\n"
        "provider = \"tcp\"         # variable SQUALL_FABRIC_PROVIDER\n"
        "# address                # not set: the host part of listen\n"
        "# link_latency_ns        # not set: what is usual of such a fabric\n"
        "# link_bytes_per_second  # not set: what is usual of such a fabric\n"
        "\n"
        "[group.\"a.b\"]\n"
        "stack = \"total | stable\"  # default\n"
        "# senders                 # not set: every member\n"
        "# members                 # not set: every member\n"
        "# shards                  # not set: no shards\n"
        "# replicas                # not set: every member\n"
        "ring_bytes = \"2 MiB\"      # default\n"
        "large_memory = \"1 GiB\"    # default\n"
        "block_bytes = \"1 MiB\"     # default\n"
        "schedule = \"auto\"         # default\n"
        "\n"
        "[group.g]\n"
        "stack = \"total | stable\"  # default\n"
        "senders = [\"a\", \"b\"]      # x.toml:5\n"
        "# members                 # not set: every member\n"
        "# shards                  # not set: no shards\n"
        "# replicas                # not set: every member\n"
        "ring_bytes = \"64 KiB\"     # flag --group-g-ring-bytes\n"
        "large_memory = \"1 GiB\"    # default\n"
        "block_bytes = \"1 MiB\"     # default\n"
        "schedule = \"auto\"         # default\n");
}

TEST_CASE("what is printed is the same configuration again") {
  const auto first = load(
      {.file = "a\n[node]\xff.toml",  // a path may be anything
       .content =
           "[node]\nname = \"a\"\nlisten = \"10.0.0.1:7070\"\nstart = \"auto\"\n"
           "contacts = [\"a@10.0.0.1:7070\", \"b@[::1]:7071\", \"c@\u00e9,\\\"\\u0001:1\"]\n"
           "start_timeout_ms = 77\nfailure_timeout = 1234\nwhen_lost = \"stop\"\n"
           "engine = \"thread\"\n[fabric]\nprovider = \"ofi:x \\\"y\\\" \\\\ \\t\\u007f\"\n"
           "address = \"::1\"\nlink_latency_ns = 1500\n"
           "link_bytes_per_second = 12500000000\n[group.z]\nstack = \"fifo\"\nring_bytes = 8192\n"
           "[group.\"a.b\"]\nsenders = [\"b\", \"a\"]\n[group.B-]\nring_bytes = \"1 GiB\"\n"
           "large_memory = \"4 GiB\"\nblock_bytes = 4096\nschedule = \"chain\"\n"});
  const std::string printed = effective_toml(first);
  const auto second = load({.file = "y.toml", .content = printed});
  const Config& a = first.config;
  const Config& b = second.config;
  CHECK(b.name == a.name);
  CHECK(b.listen == a.listen);
  REQUIRE(b.contacts.size() == a.contacts.size());
  for (std::size_t i = 0; i < a.contacts.size(); ++i) {
    CHECK(b.contacts[i].name == a.contacts[i].name);
    CHECK(b.contacts[i].address == a.contacts[i].address);
  }
  CHECK(b.start == a.start);
  CHECK(b.start_timeout == a.start_timeout);
  CHECK(b.failure_timeout == a.failure_timeout);
  CHECK(b.survive_losses == a.survive_losses);
  CHECK(b.engine_thread == a.engine_thread);
  CHECK(b.provider == a.provider);
  CHECK(b.fabric_address == a.fabric_address);
  CHECK(b.link_latency_ns == a.link_latency_ns);
  CHECK(b.link_bytes_per_second == a.link_bytes_per_second);
  REQUIRE(b.groups.size() == a.groups.size());
  for (std::size_t i = 0; i < a.groups.size(); ++i) {
    CHECK(b.groups[i].name == a.groups[i].name);
    CHECK(b.groups[i].stack == a.groups[i].stack);
    CHECK(b.groups[i].senders == a.groups[i].senders);
    CHECK(b.groups[i].ring_bytes == a.groups[i].ring_bytes);
    CHECK(b.groups[i].large_memory == a.groups[i].large_memory);
    CHECK(b.groups[i].block_bytes == a.groups[i].block_bytes);
    CHECK(b.groups[i].schedule == a.groups[i].schedule);
  }
}

TEST_CASE("the default configuration is the same again") {
  const std::string printed = effective_toml(load({}));
  const auto again = load({.file = "y.toml", .content = printed});
  CHECK(again.config.name.empty());
  CHECK(again.config.groups.empty());
}

TEST_CASE("the reference has every key with its flag, variable, type, default and meaning") {
  const std::string text = reference_text();
  for (const std::string& flag : known_flags()) {
    CAPTURE(flag);
    CHECK(text.find(flag) != std::string::npos);
  }
  CHECK(text.find("  provider   --fabric-provider   SQUALL_FABRIC_PROVIDER\n"
                  "      over what: ") != std::string::npos);
  CHECK(text.find("      takes: \"auto\", \"shm\", \"tcp\", \"verbs\", \"ofi:NAME\" "
                  "or a mix like \"shm+tcp\"\n"
                  "      default: \"auto\"\n") != std::string::npos);
  CHECK(text.find("SQUALL_GROUP_NAME_STACK") != std::string::npos);
}

TEST_CASE("README.md shows the reference as it is now") {
  std::ifstream file("groups/README.md");
  const std::string readme{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  CHECK_MESSAGE(readme.find("\n\n" + reference_markdown() + "\n") != std::string::npos,
                "groups/README.md is stale: bazel run //groups:config_reference writes it");
}

}  // namespace
}  // namespace squall
