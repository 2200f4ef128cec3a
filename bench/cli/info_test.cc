#include "bench/cli/info.h"

#include <doctest/doctest.h>

namespace squall::cli {
namespace {

TEST_CASE("the table aligns its columns and says why a fabric is missing") {
  const std::string text = fabrics_table({
      {"shm", "memory", "this host", "memory", true, ""},
      {"verbs", "", "", "", false, "no RDMA device"},
  });
  CHECK(text ==
        "fabric  device  address    speed   usable\n"
        "shm     memory  this host  memory  yes\n"
        "verbs                              no: no RDMA device\n");
}

}  // namespace
}  // namespace squall::cli
