#include "providers/rendezvous/address.h"

#include <doctest/doctest.h>

#include <string>

namespace squall::rendezvous {
namespace {

TEST_CASE("addresses are read with host and port, IPv6 in brackets") {
  const auto v4 = parse_address("10.0.0.1:7070");
  REQUIRE(v4);
  CHECK(v4->host == "10.0.0.1");
  CHECK(v4->port == 7070);
  const auto v6 = parse_address("[fe80::1]:65535");
  REQUIRE(v6);
  CHECK(v6->host == "fe80::1");
  CHECK(v6->port == 65535);
}

TEST_CASE("what is no address is refused with the reason") {
  for (const char* text : {"", ":1", "host", "host:", "host:x", "host:65536", "host:-1", "host:1 ",
                           "::1:70", "[::1]", "[::1]70", "[::1", "[]:1", "host:+1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_address(text));
  }
  CHECK(parse_address("::1:70").error().text() ==
        "\"::1:70\" is not an address: an IPv6 address needs brackets (write host:port, for "
        "example 10.0.0.1:7070 or [::1]:7070)");
}

TEST_CASE("numeric addresses come back as they went in, without a resolver") {
  for (const char* text : {"127.0.0.1:7070", "[::1]:7070"}) {
    const auto resolved = resolve(*parse_address(text));
    REQUIRE(resolved);
    CHECK(resolved->numeric);
    CHECK(to_text(resolved->addresses.at(0)) == text);
  }
}

TEST_CASE("host names are resolved, or named in the error") {
  const auto local = resolve({"localhost", 7070});
  REQUIRE(local);
  CHECK_FALSE(local->numeric);
  const auto none = resolve({"no such host!", 7070});
  REQUIRE_FALSE(none);
  CHECK(none.error().what.find("no address for host no such host!") == 0);
}

TEST_CASE("the loopback is among this host's addresses") {
  CHECK(local_addresses().find("127.0.0.1") != std::string::npos);
}

}  // namespace
}  // namespace squall::rendezvous
