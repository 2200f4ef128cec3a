// The rules over this tree. Each failure names the file, the line, the rule and its reason.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "test/repository/finding.h"

namespace squall::repository {
namespace {

namespace fs = std::filesystem;

// Runfiles are links into the source tree.
fs::path workspace_root() {
  const fs::path here = fs::canonical("test/repository/README.md");
  return here.parent_path().parent_path().parent_path();
}

TEST_CASE("the test sees the source tree") {
  CHECK(fs::exists(workspace_root() / "WORKSPACE"));
  CHECK(read_tree(workspace_root(), {"core", "providers", "groups"}).size() > 10);
}

TEST_CASE("no folder includes what its floor may not") {
  const auto findings = check_floors(workspace_root());
  INFO(report(findings));
  CHECK(findings.empty());
}

TEST_CASE("everything lies where the layout says, and every folder explains itself") {
  const auto findings = check_layout(workspace_root());
  INFO(report(findings));
  CHECK(findings.empty());
}

TEST_CASE("the README shows the programs as they are") {
  const auto findings = check_readme(workspace_root());
  INFO(report(findings));
  CHECK(findings.empty());
}

TEST_CASE("every target has the prelude") {
  const auto findings = check_targets(workspace_root());
  INFO(report(findings));
  CHECK(findings.empty());
}

TEST_CASE("tests with threads run under tsan") {
  const auto findings = check_threads(workspace_root());
  INFO(report(findings));
  CHECK(findings.empty());
}

TEST_CASE("fuzzers see the branches of what they fuzz") {
  const auto findings = check_fuzzers(workspace_root());
  INFO(report(findings));
  CHECK(findings.empty());
}

TEST_CASE("bench includes public headers only") {
  const auto findings = check_public(workspace_root());
  INFO(report(findings));
  CHECK(findings.empty());
}

TEST_CASE("the text keeps to the style") {
  const auto findings = check_style(workspace_root());
  INFO(report(findings));
  CHECK(findings.empty());
}

}  // namespace
}  // namespace squall::repository
