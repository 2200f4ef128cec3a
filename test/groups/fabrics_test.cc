// The fabric is one line of the configuration: one program with one file, in which only `provider`
// differs, runs over each of them.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "providers/catalog/catalog.h"
#include "test/groups/process.h"

namespace squall::group_tests {
namespace {

constexpr std::array<const char*, 3> names{"a", "b", "c"};

std::string scratch() {
  const char* base = std::getenv("TEST_TMPDIR");
  return base != nullptr ? base : "/tmp";
}

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// The file for everyone; but for `provider` always the same.
std::string write_config(const std::string& host, const std::string& provider) {
  const std::string path = scratch() + "/squall.toml";
  std::ofstream(path) << "[node]\n"
                      << "contacts = [" << fmt::format("\"a@{0}:7070\", \"b@{0}:7071\", ", host)
                      << fmt::format("\"c@{}:7072\"]\n", host) << "failure_timeout = \"safe\"\n"
                      << "[fabric]\nprovider = \"" << provider << "\"\n[group.greetings]\n";
  return path;
}

/// Why this host has no such fabric; empty if it has it. Asked in a process of its own: the ones
/// that come after it are forked from one without a fabric.
std::string why_missing(const std::string& provider) {
  Process process([&](Line& line) {
    std::string why = "it is none that libfabric has";
    for (const auto& device : catalog::survey())
      if (device.provider == provider) why = device.usable ? "" : device.reason;
    line.say("." + why);
  });
  return process.hear().substr(1);
}

/// Whether it ended well. It dies with its caller.
bool run_member(const std::string& file, const std::string& name, const std::string& output) {
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int fd = open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    execl("groups/examples/configured", "configured", file.c_str(), "--node-name", name.c_str(),
          nullptr);
    _exit(127);
  }
  int status = -1;
  return waitpid(pid, &status, 0) == pid && status == 0;
}

/// What each member wrote, on both its outputs, and whether it ended well.
struct Outcome {
  std::vector<std::string> said;
  std::vector<bool> well;
};

Outcome run(const std::string& provider) {
  const std::string file = write_config(own_host(), provider);
  std::vector<std::unique_ptr<Process>> members;
  for (const std::string name : names)
    members.push_back(std::make_unique<Process>([&](Line& line) {
      line.say(run_member(file, name, scratch() + "/" + name) ? "well" : "badly");
    }));
  Outcome outcome;
  for (std::size_t i = 0; i < members.size(); ++i) {
    outcome.well.push_back(members[i]->hear() == "well");
    outcome.said.push_back(content_of(scratch() + "/" + names[i]));
  }
  return outcome;
}

TEST_CASE("one program and one file: a line of it chooses the fabric") {
  for (const std::string provider : {"shm", "tcp", "shm+tcp", "ofi:tcp;ofi_rxm", "verbs"}) {
    CAPTURE(provider);
    const std::string missing = provider == "verbs" ? why_missing(provider) : "";
    const Outcome outcome = run(provider);
    if (!missing.empty()) {
      for (std::size_t i = 0; i < names.size(); ++i) {
        CHECK_FALSE(outcome.well[i]);
        CHECK_MESSAGE(outcome.said[i].find(provider) != std::string::npos, outcome.said[i]);
      }
      std::printf("SKIPPED: %s: %s\n", provider.c_str(), missing.c_str());
      continue;
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      CHECK_MESSAGE(outcome.well[i], outcome.said[i]);
      CHECK_MESSAGE(outcome.said[i].starts_with(fmt::format("over {}\n", provider)),
                    outcome.said[i]);
      CHECK_MESSAGE(std::ranges::count(outcome.said[i], '\n') == 4, outcome.said[i]);
      CHECK(outcome.said[i] == outcome.said[0]);
    }
    for (const char* name : names)
      CHECK(outcome.said[0].find(fmt::format("from {0}: hello from {0}\n", name)) !=
            std::string::npos);
  }
}

}  // namespace
}  // namespace squall::group_tests
