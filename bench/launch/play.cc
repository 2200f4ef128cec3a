#include "bench/launch/play.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/launch/interrupt.h"
#include "core/fabric/topology.h"

namespace squall::bench {

int play_member(const std::function<Result<>(Link&)>& play) {
  catch_interrupts();
  auto link = Link::open();
  if (!link) {
    fmt::print(stderr, "squall: {}\n", link.error().text());
    return 2;
  }
  Result<> done;
  if (const int core = link->task().value("core", -1); core >= 0)
    done = fabric::pin_this_thread(static_cast<fabric::Core>(core));
  if (done) done = play(*link);
  if (done) return 0;
  static_cast<void>(link->channel().send(
      {{"failed", done.error().text()}, {"lost_another", done.error().code == Code::lost}}));
  return 1;
}

}  // namespace squall::bench
