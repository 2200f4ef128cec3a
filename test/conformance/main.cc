// Runs the suite against this binary's provider; or, in a child, plays a role.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

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
    void pass() override {}
  } idle;
  Child child("probe");
  const std::string answer = child.link().hear(idle);
  return answer == "here" ? "" : answer.substr(answer.find(' ') + 1);
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
  return context.run();
}
