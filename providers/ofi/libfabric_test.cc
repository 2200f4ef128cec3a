#include "providers/ofi/libfabric.h"

#include <doctest/doctest.h>

#include <string_view>

namespace squall::ofi::libfabric {
namespace {

TEST_CASE("a library that is not there, or is another, is said to be so") {
  const auto absent = load_from("libno-such-fabric.so.1");
  REQUIRE_FALSE(absent);
  CHECK(absent.error().code == Code::unavailable);
  CHECK(absent.error().what.find("libno-such-fabric.so.1") != std::string::npos);
  CHECK(absent.error().remedy.find("libfabric1") != std::string::npos);
  const auto other = load_from("libc.so.6");
  REQUIRE_FALSE(other);
  CHECK(other.error().code == Code::unavailable);
  CHECK(other.error().what.find("libc.so.6 has no fi_getinfo") == 0);
}

TEST_CASE("what is loaded is what the headers describe") {
  REQUIRE(load());
  CHECK(FI_VERSION_GE(version(), FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION)));
  const Info empty(dupinfo(nullptr));
  REQUIRE(empty);
  CHECK(empty->ep_attr != nullptr);
  CHECK(std::string_view(strerror(0)) == "Success");
}

TEST_CASE("headers are for the symbols of their release, which later libraries keep") {
  CHECK(std::string_view(info_symbols(FI_VERSION(1, 17))) == "FABRIC_1.3");
  CHECK(std::string_view(info_symbols(FI_VERSION(1, 19))) == "FABRIC_1.3");
  CHECK(std::string_view(info_symbols(FI_VERSION(1, 20))) == "FABRIC_1.7");
  CHECK(std::string_view(info_symbols(FI_VERSION(2, 0))) == "FABRIC_1.8");
  CHECK(std::string_view(info_symbols(FI_VERSION(2, 5))) == "FABRIC_1.9");
}

}  // namespace
}  // namespace squall::ofi::libfabric
