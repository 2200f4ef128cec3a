#include "bench/launch/window.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "bench/launch/gather.h"

namespace squall::bench {
namespace {

using nlohmann::json;

constexpr Duration good_order = 3s;
constexpr Duration settle = 5s;

json in_ns(Time time) {
  return time.time_since_epoch().count();
}

Time time_of(const json& go, const char* key) {
  return Time(Duration(go.at(key).get<Duration::rep>()));
}

}  // namespace

Result<Window> await_window(Link& link, const json& ready, const TurnNode& turn) {
  if (auto said = link.channel().send({{"ready", ready}}); !said)
    return tl::unexpected(said.error());
  for (;;) {
    if (auto turned = turn(); !turned) return tl::unexpected(turned.error());
    if (const auto message = link.channel().receive(); message && message->contains("go")) {
      const json& go = message->at("go");
      return Window{time_of(go, "alone_ns"), time_of(go, "start_ns"), time_of(go, "end_ns")};
    }
    if (link.channel().closed()) return fail(Code::closed, "the command is gone");
  }
}

Result<> finish_window(Link& link, Node& node, const json& result, const TurnNode& turn) {
  if (auto said = link.channel().send({{"result", result}}); !said) return said;
  while (!link.told_to_stop()) {
    if (const auto stopped = node.stopped()) return tl::unexpected(*stopped);
    if (auto turned = turn(); !turned) return turned;
  }
  static_cast<void>(node.shutdown(Monotonic::now() + good_order));
  return {};
}

Result<> run_window(Crew& crew, const WindowPlan& plan,
                    const std::function<void(const json&)>& ready,
                    const std::function<void(const json&)>& result) {
  if (auto all = gather(crew, "ready", Monotonic::now() + plan.to_be_ready, ready); !all)
    return all;
  const Time alone = Monotonic::now() + plan.alone;
  const Time start = alone + plan.warm_up;
  const Time end =
      start + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(plan.seconds));
  crew.tell_all(
      {{"go", {{"alone_ns", in_ns(alone)}, {"start_ns", in_ns(start)}, {"end_ns", in_ns(end)}}}});
  if (auto all = gather(crew, "result", end + plan.grace, result); !all) return all;
  crew.tell_all({{"stop", true}});
  const Time deadline = Monotonic::now() + settle;
  while (crew.running() > 0 && crew.next(deadline)) {
  }
  return {};
}

}  // namespace squall::bench
