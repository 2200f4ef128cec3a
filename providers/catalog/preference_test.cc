#include "providers/catalog/preference.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace squall::catalog {
namespace {

using Names = std::vector<std::string>;

fabric::Introduction member(std::string name, std::string host, const Names& fabrics) {
  fabric::Introduction who;
  who.name = std::move(name);
  who.host = std::move(host);
  for (const std::string& fabric : fabrics) who.fabrics.push_back({fabric, ""});
  return who;
}

TEST_CASE("on one host shared memory comes first, whatever the order of announcement") {
  const std::vector members{member("a", "h", {"tcp", "verbs", "shm"}),
                            member("b", "h", {"shm", "tcp", "verbs"})};
  CHECK(preference(members) == Names{"shm", "verbs", "tcp"});
  CHECK(choose(members) == "shm");
}

TEST_CASE("between hosts it is verbs if all have it, else tcp") {
  std::vector members{member("a", "h", {"shm", "verbs", "tcp"}),
                      member("b", "h", {"shm", "verbs", "tcp"}),
                      member("c", "i", {"shm", "verbs", "tcp"})};
  CHECK(preference(members) == Names{"verbs", "tcp"});
  members[1] = member("b", "h", {"shm", "tcp"});
  CHECK(preference(members) == Names{"tcp"});
}

TEST_CASE("members of one host that meet others are a mix, as is a network with a second one") {
  const Names all{"shm", "tcp", "auto"};
  std::vector members{member("a", "h", all), member("b", "h", all), member("c", "i", all)};
  CHECK(preference(members) == Names{"auto", "tcp"});
  // All apart: tcp is all that any two have.
  members[1].host = "j";
  CHECK(preference(members) == Names{"tcp"});
  // Two with verbs.
  members[0].fabrics.push_back({"verbs", ""});
  CHECK(preference(members) == Names{"tcp"});
  members[2].fabrics.push_back({"verbs", ""});
  CHECK(choose(members) == "auto");
  members[1].fabrics.push_back({"verbs", ""});
  CHECK(preference(members) == Names{"auto", "verbs", "tcp"});
  // All together: shm is the best for all.
  for (fabric::Introduction& each : members) each.host = "h";
  CHECK(choose(members) == "shm");
}

TEST_CASE("a mix needs everyone, and a fabric for every pair") {
  const Names all{"shm", "tcp", "auto"};
  std::vector members{member("a", "h", all), member("b", "h", all),
                      member("c", "i", {"shm", "tcp"})};
  CHECK(choose(members) == "tcp");
  // b is reached by a only.
  members[1].fabrics = {{"shm", ""}, {"auto", ""}};
  members[2].fabrics.push_back({"auto", ""});
  const auto none = choose(members);
  REQUIRE_FALSE(none);
  CHECK(none.error().what.find("auto") == std::string::npos);
}

TEST_CASE("members that could not tell their host share no memory") {
  const std::vector members{member("a", "", {"shm", "tcp"}), member("b", "", {"shm", "tcp"})};
  CHECK(choose(members) == "tcp");
}

TEST_CASE("a fabric by its libfabric name serves if all have that one, after the known ones") {
  CHECK(choose(std::vector{member("a", "h", {"ofi:efa"}), member("b", "i", {"ofi:efa"})}) ==
        "ofi:efa");
  CHECK(preference(std::vector{member("a", "h", {"ofi:efa", "ofi:cxi", "tcp"}),
                               member("b", "i", {"tcp", "ofi:cxi", "ofi:efa"})}) ==
        Names{"tcp", "ofi:efa", "ofi:cxi"});
}

TEST_CASE("every member chooses the same, as the order of members is the same at all") {
  std::vector members{member("a", "h", {"x", "y", "z"}), member("b", "i", {"z", "y", "x"})};
  CHECK(preference(members) == Names{"x", "y", "z"});
  members[0].fabrics.push_back({"x", "twice"});
  CHECK(preference(members) == Names{"x", "y", "z"});
}

TEST_CASE("without a common fabric the error says what each member has") {
  const auto none = choose(std::vector{member("a", "h", {"shm", "tcp"}), member("b", "i", {}),
                                       member("c", "i", {"verbs"})});
  REQUIRE_FALSE(none);
  CHECK(none.error().what ==
        "no fabric serves all members: a has shm, tcp; b has none; c has verbs");
  CHECK_FALSE(choose({}));
}

TEST_CASE("shm asked for between hosts is refused with what to set instead") {
  const auto none = choose(std::vector{member("a", "h", {"shm"}), member("b", "i", {"shm"})});
  REQUIRE_FALSE(none);
  CHECK(none.error().remedy == "set fabric.provider to tcp, or to auto");
}

}  // namespace
}  // namespace squall::catalog
