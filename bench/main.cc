// squall: the command-line tool. Words become a command in `cli`, and each command is a function
// that prints and gives the exit status: 0, 1 for a failed run, 2 for wrong arguments.

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <variant>
#include <vector>

#include "bench/cli/command_line.h"
#include "bench/cli/config.h"
#include "bench/cli/info.h"
#include "bench/cost/cost.h"
#include "bench/measure/load.h"
#include "bench/measure/measure.h"
#include "bench/measure/suite.h"
#include "bench/membership/event.h"
#include "bench/membership/member.h"
#include "bench/membership/membership.h"
#include "bench/objects/member.h"
#include "bench/objects/objects.h"
#include "bench/replicate/replicate.h"
#include "bench/rpc/member.h"
#include "bench/rpc/rpc.h"
#include "bench/schedules/schedules.h"
#include "bench/schedules/settings.h"
#include "bench/terminal/settings.h"
#include "bench/terminal/terminal.h"

namespace {

using namespace squall;

struct Run {
  int operator()(const cli::Say& say) const {
    fmt::print(say.status == 0 ? stdout : stderr, "{}", say.text);
    return say.status;
  }
  int operator()(const cli::Info&) const { return cli::info(); }
  int operator()(const cli::ConfigOptions& options) const { return cli::show_config(options); }
  int operator()(const terminal::Options& options) const { return terminal::run_by_hand(options); }
  int operator()(const replicate::Options& options) const { return replicate::replicate(options); }
  int operator()(const bench::MeasureOptions& options) const { return bench::measure(options); }
  int operator()(const bench::SuiteOptions& options) const { return bench::run_suite(options); }
  int operator()(const bench::CostOptions& options) const { return bench::measure_cost(options); }
  int operator()(const bench::MembershipOptions& options) const {
    return bench::measure_membership(options);
  }
  int operator()(const bench::RpcOptions& options) const { return bench::measure_rpc(options); }
  int operator()(const bench::ObjectsOptions& options) const {
    return bench::measure_objects(options);
  }
  int operator()(const bench::SchedulesOptions& options) const {
    return bench::compare_schedules(options);
  }
  int operator()(const cli::Member& member) const {
    if (member.role == "replicate") return replicate::replicate_as_member();
    if (member.role == "membership") return bench::stream_as_member();
    if (member.role == "objects") return bench::take_objects_as_member();
    if (member.role == "rpc") return bench::call_as_member();
    return bench::measure_as_member();
  }
};

}  // namespace

int main(int argc, char** argv) {
  return std::visit(Run{}, cli::parse(std::vector<std::string>(argv + 1, argv + argc)));
}
