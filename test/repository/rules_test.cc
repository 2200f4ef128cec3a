// Every rule is fed a small bad tree, and must fail; and its good twin, and must not.

#include <doctest/doctest.h>

#include "test/repository/bad_tree.h"
#include "test/repository/finding.h"

namespace squall::repository {
namespace {

using Check = std::vector<Finding> (*)(const std::filesystem::path&);

// The one finding that a file with `text` at `path` gives, or "" for none.
std::string finding(Check check, std::string_view path, std::string_view text) {
  BadTree tree;
  const auto findings = check(tree.add(path, text).root());
  INFO(report(findings));
  CHECK(findings.size() <= 1);
  return findings.empty() ? "" : findings[0].where + ": " + findings[0].what;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != text.npos;
}

std::string include(std::string_view header) {
  return "#pragma once\n#include " + std::string(header) + "\n";
}

TEST_CASE("an include of a higher floor or a forbidden sibling is found, with its line and why") {
  const struct {
    std::string_view file, header, why;
  } bad[] = {
      {"core/base/a.h", "\"core/fabric/fabric.h\"", "floor 1"},
      {"core/fabric/a.h", "\"core/mirror/table.h\"", "floor 2"},
      {"core/mirror/a.h", "\"core/multicast/ring.h\"", "floor 3"},
      {"core/multicast/a.h", "\"core/membership/view.h\"", "do not know each other"},
      {"core/membership/a.h", "\"core/multicast/ring.h\"", "do not know each other"},
      {"core/multicast/a_test.cc", "\"core/engine/loop.h\"", "floor 4"},
      {"core/engine/a.h", "\"groups/node.h\"", "floor 5"},
      {"providers/shm/a.h", "\"core/mirror/table.h\"", "only base and fabric"},
      {"providers/shm/a.h", "\"providers/ofi/ofi.h\"", "only base and fabric"},
      {"providers/catalog/a.h", "\"core/mirror/table.h\"", "catalog"},
      {"groups/a.h", "\"providers/shm/shm.h\"", "name no provider"},
      {"groups/stack/a.h", "\"providers/sim/sim.h\"", "name no provider"},
      {"groups/simulation/a.h", "\"providers/shm/shm.h\"", "simulation"},
      {"groups/a.h", "\"bench/tool.h\"", "name no provider"},
      {"core/elsewhere/a.h", "\"core/base/time.h\"", "no floor"},
      {"core/base/a.h", "\"time.h\"", "from the root"},
      {"core/base/a.h", "\"core/../groups/node.h\"", "from the root"},
  };
  for (const auto& [file, header, why] : bad) {
    CAPTURE(file);
    CAPTURE(header);
    const std::string found = finding(check_floors, file, include(header));
    CHECK(contains(found, std::string(file) + ":2"));
    CHECK(contains(found, why));
  }
}

TEST_CASE("what the floors allow is not found") {
  const struct {
    std::string_view file, header;
  } good[] = {
      {"core/fabric/a.h", "\"core/base/time.h\""},
      {"core/membership/a.h", "\"core/mirror/table.h\""},
      {"core/engine/a.h", "\"core/membership/view.h\""},
      {"core/engine/turn.h", "\"core/multicast/ring.h\""},
      {"core/mirror/a_test.cc", "\"providers/sim/sim.h\""},
      {"providers/shm/a.h", "\"providers/shm/b.h\""},
      {"providers/catalog/a.h", "\"providers/shm/shm.h\""},
      {"groups/a.h", "\"providers/catalog/catalog.h\""},
      {"groups/simulation/a.h", "\"providers/sim/sim.h\""},
      {"core/fabric/topology.cc", "<hwloc.h>"},
      {"providers/ofi/a.cc", "<rdma/fabric.h>"},
      {"core/engine/loop.h", "<thread>"},
      {"core/multicast/a_test.cc", "<thread>"},
      {"core/base/a.h", "<vector>  // not \"groups/node.h\""},
  };
  for (const auto& [file, header] : good) {
    CAPTURE(file);
    CAPTURE(header);
    CHECK(finding(check_floors, file, include(header)) == "");
  }
}

TEST_CASE("a pure folder with a thread, a clock, a socket or chance is found") {
  for (const std::string_view folder :
       {"core/multicast/", "core/membership/", "core/engine/turn_", "groups/modules/"})
    for (const std::string_view line :
         {"#include <thread>", "#include <sys/socket.h>", "#include <netinet/in.h>",
          "auto t = std::chrono::steady_clock::now();", "auto t = Monotonic::now();",
          "std::random_device chance;"}) {
      CAPTURE(folder);
      CAPTURE(line);
      CHECK(contains(finding(check_floors, std::string(folder) + "a.cc", line), "pure"));
    }
  CHECK(finding(check_floors, "core/engine/loop.cc", "auto t = Monotonic::now();") == "");
  CHECK(finding(check_floors, "core/multicast/a.h", "// never steady_clock") == "");
}

TEST_CASE("a system header away from its home is found") {
  CHECK(contains(finding(check_floors, "core/engine/a.h", "#include <hwloc.h>"), "topology"));
  CHECK(contains(finding(check_floors, "providers/shm/a.h", "#include <rdma/fabric.h>"), "ofi"));
}

TEST_CASE("a stranger on the top level is found, and a folder that does not explain itself") {
  CHECK(contains(finding(check_layout, "notes.txt", "x"), "notes.txt: does not belong"));
  CHECK(contains(finding(check_layout, "src/a.cc", "x"), "src: does not belong"));
  CHECK(contains(finding(check_layout, "core/base/a.h", "x"), "core/base: has no README.md"));
  CHECK(contains(finding(check_layout, "bench/BUILD.bazel", "x"), "bench: has no README.md"));
  CHECK(contains(finding(check_layout, "core/base/README.md", ""), "empty"));
  CHECK(finding(check_layout, "core/base/README.md", "# base\n") == "");
  CHECK(finding(check_layout, ".hidden", "x") == "");
}

TEST_CASE("a program that the README shows otherwise, or not at all, is found") {
  CHECK(contains(finding(check_readme, "groups/examples/messages.cc", "int main() {}\n"),
                 "does not show groups/examples/messages.cc"));
  CHECK(finding(check_readme, "README.md", "```cpp\nint main() {}\n```\n") == "");
}

TEST_CASE("what the style bans is found") {
  const std::string open_end = "// TO" + std::string("DO: later");
  CHECK(contains(finding(check_style, "core/a.cc", "volatile int a;"), "core/a.cc:1: uses"));
  CHECK(contains(finding(check_style, "core/a.cc", open_end), "leaves a"));
  CHECK(contains(finding(check_style, "test/BUILD.bazel", "# FIX" + std::string("ME")), "leaves"));
  CHECK(contains(finding(check_style, "core/a.cc", std::string(101, 'x')), "101 columns"));
  CHECK(contains(finding(check_style, "core/a.h", "int a;\n"), "#pragma once"));
  std::string long_file;
  for (int line = 0; line < 501; ++line) long_file += "x\n";
  CHECK(contains(finding(check_style, "core/a.cc", long_file), "501 lines"));
}

TEST_CASE("a test that sleeps is found unless it says why") {
  const std::string sleep = "std::this_thread::sleep_for(1s);";
  CHECK(contains(finding(check_style, "core/base/a_test.cc", sleep), "sleep-ok"));
  CHECK(contains(finding(check_style, "test/a/b.cc", "usleep(1);"), "sleep-ok"));
  CHECK(finding(check_style, "test/a.cc", "// sleep-ok: paces the load\n" + sleep) == "");
  CHECK(finding(check_style, "test/a.cc", sleep + "  // sleep-ok: paces the load") == "");
  CHECK(contains(finding(check_style, "test/a.cc", sleep + "  // sleep-ok: "), "sleep-ok"));
  CHECK(finding(check_style, "core/a.cc", sleep) == "");
}

TEST_CASE("strings and comments may name what code may not") {
  CHECK(finding(check_style, "core/a.cc", "// never volatile") == "");
  CHECK(finding(check_style, "core/a.cc", "asm volatile(\"\");") == "");
  CHECK(finding(check_style, "core/a.cc", "/* never\n volatile */") == "");
  CHECK(finding(check_style, "core/a.cc", "auto a = \"\\\" volatile\";") == "");
  CHECK(contains(finding(check_style, "core/a.cc", "/* x */ volatile int n = 1'000;"), "uses"));
  CHECK(
      contains(finding(check_style, "core/a.cc", "  static_cast<void>(read(fd, p, 8));"), "uses"));
  CHECK(finding(check_style, "core/a.cc", "  static_cast<void>(read_all(fd));") == "");
  // A column is a letter, however many bytes it has.
  std::string accents = "// ";
  for (int i = 0; i < 90; ++i) accents += "\u00b5";
  CHECK(finding(check_style, "core/a.cc", accents) == "");
}

TEST_CASE("a target that depends on nothing of ours has no prelude") {
  const auto target = [](std::string_view rest) {
    return "cc_library(\n    name = \"a\",\n    srcs = [\"a.cc\"],\n" + std::string(rest) + ")\n";
  };
  CHECK(contains(finding(check_targets, "core/a/BUILD.bazel", target("")), "BUILD.bazel:1"));
  CHECK(contains(finding(check_targets, "core/a/BUILD.bazel",
                         target("    visibility = [\"//core:__subpackages__\"],\n")),
                 "//third_party:prelude"));
  CHECK(finding(check_targets, "core/a/BUILD.bazel",
                target("    deps = [\"//third_party:prelude\"],\n")) == "");
  CHECK(finding(check_targets, "core/a/BUILD.bazel", target("    deps = [\":b\"],\n")) == "");
}

TEST_CASE("a test with threads in a folder without the tag is found") {
  BadTree tree;
  tree.add("core/a/BUILD.bazel", "cc_test(\n    name = \"a_test\",\n)\n");
  tree.add("core/a/a_test.cc",
           "auto all = start_"
           "all(configs);\n");
  CHECK(contains(report(check_threads(tree.root())), "core/a/a_test.cc"));
  tree.add("core/a/BUILD.bazel", "cc_test(\n    tags = [\"threads\"],\n)\n");
  CHECK(report(check_threads(tree.root())) == "");
}

TEST_CASE("what a fuzzer is for and is not guided by is found") {
  BadTree tree;
  tree.add("core/a/a_fuzz.cc", "#include \"core/a/a_fuzz.h\"\n");
  tree.add("core/a/a_fuzz.h", "#include \"core/a/parser.h\"\n#include \"core/base/bytes.h\"\n");
  tree.add("core/a/parser.h", "");
  tree.add("core/a/parser.cc", "");
  tree.add("core/base/bytes.cc", "");
  CHECK(contains(report(check_fuzzers(tree.root())), "core/a/parser.cc"));
  tree.add(".bazelrc", "build --per_file_copt=^core/.*(wire)[a-z_]*\\.cc$@-fsanitize-coverage=x\n");
  CHECK(contains(report(check_fuzzers(tree.root())), "core/a/parser.cc"));
  tree.add(
      ".bazelrc",
      "build --per_file_copt=^core/.*(pars|_fuzz)[a-z_]*\\.cc$,-_test@-fsanitize-coverage=x\n");
  CHECK(report(check_fuzzers(tree.root())) == "");
}

TEST_CASE("a private header in bench is found") {
  BadTree tree;
  tree.add("core/a/BUILD.bazel",
           "cc_library(\n    name = \"a\",\n    srcs = [\n        \"inner.h\",\n    ],\n"
           "    hdrs = [\"a.h\"],\n    visibility = [\"//visibility:public\"],\n)\n"
           "cc_library(\n    name = \"b\",\n    hdrs = [\"b.h\"],\n)\n");
  tree.add("bench/x.cc", "#include \"core/a/a.h\"\n#include \"bench/x.h\"\n#include <map>\n");
  CHECK(report(check_public(tree.root())) == "");
  tree.add("bench/x.cc", "#include \"core/a/b.h\"\n");
  CHECK(contains(report(check_public(tree.root())), "core/a/b.h"));
  tree.add("bench/x.cc", "#include \"core/a/inner.h\"\n");
  CHECK(contains(report(check_public(tree.root())), "core/a/inner.h"));
}

}  // namespace
}  // namespace squall::repository
