#pragma once
// Words to options: nothing runs here, nothing is printed. CLI11 is compiled in this file's .cc
// only.

#include <string>
#include <variant>
#include <vector>

#include "bench/cli/config.h"
#include "bench/cost/cost.h"
#include "bench/measure/measure.h"
#include "bench/measure/suite.h"
#include "bench/membership/event.h"
#include "bench/objects/objects.h"
#include "bench/replicate/replicate.h"
#include "bench/rpc/rpc.h"
#include "bench/schedules/settings.h"
#include "bench/terminal/settings.h"

namespace squall::cli {

struct Info {};
/// A member started by another squall: what it is to do.
struct Member {
  std::string role;
};
/// Nothing to run: help or the version (status 0), or what is wrong (status 2).
struct Say {
  int status = 0;
  std::string text;
};

using Command = std::variant<Say, Info, terminal::Options, replicate::Options,
                             bench::MeasureOptions, bench::SuiteOptions, bench::CostOptions,
                             bench::MembershipOptions, bench::RpcOptions, bench::ObjectsOptions,
                             bench::SchedulesOptions, ConfigOptions, Member>;

/// `words` without the program's name.
Command parse(std::vector<std::string> words);

}  // namespace squall::cli
