#include "providers/catalog/names.h"

#include <doctest/doctest.h>

#include <string>

namespace squall::catalog {
namespace {

std::string remedy(std::string_view name) {
  const auto checked = check_name(name);
  return checked ? "known" : checked.error().remedy;
}

TEST_CASE("the known names are known") {
  for (const char* name : {"auto", "shm", "tcp", "verbs", "ofi:efa", "ofi:tcp;ofi_rxm", "shm+tcp",
                           "shm+verbs+tcp", "verbs+tcp", "shm+ofi:efa"}) {
    CAPTURE(name);
    CHECK(check_name(name));
  }
}

TEST_CASE("an unknown name is refused with the nearest known one and the list") {
  const std::string list =
      "known are auto, shm, tcp, verbs, ofi:NAME (NAME as fi_info spells it), and "
      "mixes like shm+tcp";
  CHECK(remedy("tpc") == "did you mean tcp? " + list);
  CHECK(remedy("TCP") == "did you mean tcp? " + list);
  CHECK(remedy("verb") == "did you mean verbs? " + list);
  CHECK(remedy("smh") == "did you mean shm? " + list);
  CHECK(remedy("efa") == "did you mean ofi:efa? " + list);
  CHECK(remedy("psm") == "did you mean ofi:psm2? " + list);
  CHECK(remedy("nope") == list);
  CHECK(remedy("carrier pigeon") == list);
  CHECK(remedy("") == list);
  CHECK(remedy(std::string(100'000, 't')) == list);
  CHECK(check_name("tpc").error().what == "there is no fabric \"tpc\"");
  CHECK(check_name("tpc").error().code == Code::invalid);
}

TEST_CASE("a mix has parts that are known, each once, memory first") {
  using Names = std::vector<std::string>;
  CHECK(parts_of("tcp") == Names{"tcp"});
  CHECK(parts_of("shm+verbs+tcp") == Names{"shm", "verbs", "tcp"});
  CHECK(parts_of("shm+") == Names{"shm", ""});
  for (const char* name : {"shm+", "+tcp", "+", "tcp+tcp", "auto+tcp", "tcp+shm", "shm+ofi:"}) {
    CAPTURE(name);
    CHECK_FALSE(check_name(name));
  }
  CHECK(remedy("tcp+shm") == "write for example shm+tcp");
  CHECK(remedy("shm+tpc").find("did you mean tcp?") == 0);
}

TEST_CASE("a prefix without a name is refused") {
  CHECK_FALSE(check_name("ofi:"));
}

}  // namespace
}  // namespace squall::catalog
