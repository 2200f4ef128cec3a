#include "bench/replicate/report.h"

#include <doctest/doctest.h>

namespace squall::replicate {
namespace {

TEST_CASE("sizes and times are short") {
  CHECK(in_bytes(0) == "0 B");
  CHECK(in_bytes(999) == "999 B");
  CHECK(in_bytes(1000) == "1.0 kB");
  CHECK(in_bytes(136.96e6) == "137.0 MB");
  CHECK(in_bytes(5e15) == "5000.0 TB");
  CHECK(in_time(1500ns) == "1.5 us");
  CHECK(in_time(2ms) == "2.0 ms");
  CHECK(in_time(1500ms) == "1.50 s");
}

TEST_CASE("the bar grows with the bytes and never passes the terminal's edge") {
  Totals totals;
  totals.files = 10;
  totals.bytes = 1'000'000;
  CHECK(progress_line(totals, 5, 500'000, 1s, 80) ==
        "[====================                    ]  50 %  500.0 kB/s  5 of 10 files");
  for (unsigned columns = 0; columns < 120; ++columns)
    for (const std::uint64_t bytes : {0u, 1u, 999'999u, 1'000'000u, 2'000'000u})
      CHECK(progress_line(totals, 10, bytes, 0s, columns).size() <= columns);
}

TEST_CASE("nothing to send is all of it") {
  CHECK(progress_line({}, 0, 0, 1s, 80).find("100 %") != std::string::npos);
}

TEST_CASE("the table says what was asked for") {
  Summary summary;
  summary.fabric = "shm";
  summary.files = 8412;
  summary.bytes = 137'000'000;
  summary.messages = 20'000;
  summary.seconds = 2;
  summary.digest = "abcd";
  summary.sender = true;
  summary.latency_p50 = 1200us;
  summary.latency_p99 = 3400us;
  const std::string text = table(summary, 3);
  for (const std::string_view part :
       {"8412 files, 137.0 MB, to 3 members over shm", "68.5 MB/s, 10000 messages/s",
        "median 1.2 ms, p99 3.4 ms", "abcd"})
    CHECK_MESSAGE(text.find(part) != std::string::npos, text);
  summary.sender = false;
  CHECK(table(summary, 3).find("median") == std::string::npos);
}

}  // namespace
}  // namespace squall::replicate
