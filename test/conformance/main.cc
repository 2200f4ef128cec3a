// Runs the suite against this binary's provider; or, in a child, plays a role.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "test/conformance/child.h"
#include "test/conformance/world.h"

namespace {

using namespace squall;
using namespace squall::conformance;

// Opens the provider in a process of its own and tells how that went, so that a provider without
// its device is known before any case begins.
const Role probe{"probe", [](Link& link, const std::string&) {
                   const auto opened = subject().make_world()->open("probe");
                   link.say(opened ? "here" : "missing " + opened.error().text());
                 }};

// Only a world without nodes: to wait for the probe's answer.
std::string missing_reason() {
  struct Idle final : World {
    Time now() const override { return Monotonic::now(); }
    Result<std::unique_ptr<fabric::Fabric>> open(std::string_view) override {
      return fail(Code::unavailable, "not a real world");
    }
    void pass(Duration quiet) override { rest(quiet); }
  } idle;
  Child child("probe");
  const std::string answer = child.link().hear(idle);
  return answer == "here" ? "" : answer.substr(answer.find(' ') + 1);
}

/// Of two parts of the suite, which wait for about as long, the one that Bazel asks for.
/// https://bazel.build/reference/test-encyclopedia#test-sharding
void take_part(doctest::Context& context) {
  const char* const parts = std::getenv("TEST_TOTAL_SHARDS");
  if (parts == nullptr || std::string_view(parts) != "2") return;
  if (const char* const known = std::getenv("TEST_SHARD_STATUS_FILE"); known != nullptr)
    if (FILE* const file = std::fopen(known, "w"); file != nullptr) std::fclose(file);
  const char* const part = std::getenv("TEST_SHARD_INDEX");
  const bool first = part != nullptr && std::string_view(part) == "0";
  context.addFilter(first ? "source-file" : "source-file-exclude", "*peer_cases*,*lane_cases*");
}

}  // namespace

int main(int argc, char** argv) {
  if (play_role(argc, argv)) return 0;
  if (subject().may_be_missing) {
    if (const std::string reason = missing_reason(); !reason.empty()) {
      std::printf("SKIPPED: %s: %s\n", std::string(subject().name).c_str(), reason.c_str());
      return 0;
    }
  }
  doctest::Context context(argc, argv);
  context.setOption("no-path-filenames", true);
  take_part(context);
  return context.run();
}
