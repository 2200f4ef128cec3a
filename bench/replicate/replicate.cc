#include "bench/replicate/replicate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/launch/crew.h"
#include "bench/launch/interrupt.h"
#include "bench/launch/link.h"
#include "bench/replicate/bar.h"
#include "bench/replicate/conductor.h"
#include "bench/replicate/member.h"
#include "bench/replicate/record.h"
#include "bench/replicate/report.h"
#include "bench/replicate/walk.h"
#include "bench/text/views.h"
#include "core/base/printable.h"
#include "groups/node.h"

namespace squall::replicate {
namespace {

using nlohmann::json;

int complain(const Error& error) {
  fmt::print(stderr, "squall: {}\n", error.text());
  return error.code == Code::invalid ? 2 : 1;
}

/// Replicating a folder into itself would never end.
Result<> check_out(const Options& options) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path out = fs::weakly_canonical(fs::absolute(options.out, error), error);
  if (error) return {};  // the members will say what is wrong with it
  for (const std::string& path : options.paths) {
    const fs::path source = fs::canonical(path, error);
    if (error || !fs::is_directory(source, error)) continue;
    if (std::mismatch(source.begin(), source.end(), out.begin(), out.end()).first == source.end())
      return fail(Code::invalid,
                  fmt::format("the output directory {} lies inside {}", printable(options.out),
                              printable(path)),
                  "choose an --out elsewhere");
  }
  return {};
}

int replicate_here(const Options& options, const Config& config, const std::vector<Source>& sources,
                   const Totals& totals) {
  json paths = json::array();
  // As bytes: a path need not be UTF-8, JSON must.
  for (const Source& source : sources)
    paths.push_back({{"path", std::vector<unsigned char>(source.path.begin(), source.path.end())},
                     {"as", std::vector<unsigned char>(source.as.begin(), source.as.end())}});
  const std::vector<unsigned char> out(options.out.begin(), options.out.end());
  Plot plot;
  for (unsigned i = 0; i < options.members; ++i)
    if (options.kill == bench::member_name(i)) plot.kill = i;
  if (!options.kill.empty() && !plot.kill)
    return complain({Code::invalid, fmt::format("there is no member '{}' to kill", options.kill),
                     "members are called a, b, c and so on"});
  if (options.join) plot.joiner = options.members;
  const unsigned joiners = options.join ? 1 : 0;
  const std::string awaits = options.join ? bench::member_name(*plot.joiner) : std::string{};
  auto crew =
      bench::Crew::start({{"member", "replicate"},
                          options.members + joiners,
                          config,
                          [&](unsigned) {
                            return json{{"sources", paths}, {"out", out}, {"awaits", awaits}};
                          },
                          joiners});
  if (!crew) return complain(crew.error());
  const unsigned wanted = options.members + joiners - (plot.kill ? 1 : 0);
  return Conductor(*crew, totals, wanted, plot).run();
}

/// One member by hand: its own bar, its own signals.
class OwnTerminal final : public Watcher {
 public:
  explicit OwnTerminal(const Totals& totals) : bar_(totals) {}
  void progress(std::uint64_t files, std::uint64_t bytes) override { bar_.show(files, bytes); }
  void view(const ViewChange& change) override {
    bar_.clear();
    fmt::print("{}\n", bench::shown(change));
    std::fflush(stdout);
  }
  bool cancelled() override { return bench::interrupted(); }

 private:
  Bar bar_;
};

int replicate_across_hosts(const Options& options, Config config) {
  auto sender = set_groups(config);
  if (!sender) return complain(sender.error());

  Job job{*sender, {}, options.out, {}};
  Totals totals;
  if (job.sender == config.name) {
    if (options.join)
      return complain({Code::invalid, "the sender cannot join: it begins the replication", {}});
    auto sources = plan_sources(options.paths);
    if (!sources) return complain(sources.error());
    if (sources->empty())
      return complain({Code::invalid, "nothing to replicate", "name a PATH at the sender"});
    auto scanned = scan(*sources);
    if (!scanned) return complain(scanned.error());
    job.sources = std::move(*sources);
    totals = *scanned;
  }
  auto node = Node::start(config);
  if (!node) return complain(node.error());
  tl::expected<Summary, Trouble> summary;
  {
    OwnTerminal watcher(totals);
    summary = run_member(**node, job, watcher);
  }
  if (!summary) {
    fmt::print(stderr, "squall: {}\n", summary.error().error.text());
    return 1;
  }
  fmt::print("{}", table(*summary, (*node)->view()->size()));
  return 0;
}

class TellsCommand final : public Watcher {
 public:
  TellsCommand(bench::Link& link, bool sender) : link_(link), sender_(sender) {}
  void progress(std::uint64_t files, std::uint64_t bytes) override {
    if (sender_)
      static_cast<void>(link_.channel().send(
          {{"progress", {{"files", files}, {"bytes", bytes}}}, {"sender", true}}));
  }
  void view(const ViewChange& change) override {
    json names = json::array();
    for (const auto& member : change.view->members) names.push_back(member.name);
    static_cast<void>(link_.channel().send(
        {{"view", {{"text", bench::shown(change)}, {"members", std::move(names)}}},
         {"sender", sender_}}));
  }
  bool cancelled() override { return link_.told_to_stop(); }

 private:
  bench::Link& link_;
  bool sender_;
};

std::string text_from(const json& bytes) {
  const auto raw = bytes.get<std::vector<unsigned char>>();
  return {raw.begin(), raw.end()};
}

}  // namespace

int replicate(const Options& options) {
  bench::catch_interrupts();
  auto settled = settle(options, read_environment());
  if (!settled) return complain(settled.error());
  if (settled->across_hosts) return replicate_across_hosts(options, std::move(settled->config));
  auto sources = plan_sources(options.paths);
  if (!sources) return complain(sources.error());
  if (auto checked = check_out(options); !checked) return complain(checked.error());
  auto totals = scan(*sources);
  if (!totals) return complain(totals.error());
  return replicate_here(options, settled->config, *sources, *totals);
}

int replicate_as_member() {
  bench::catch_interrupts();
  auto link = bench::Link::open();
  if (!link) return complain(link.error());
  const auto failed = [&](const Trouble& trouble) {
    static_cast<void>(
        link->channel().send({{"failed", trouble.error.text()}, {"caused_by", trouble.caused_by}}));
    return 1;
  };
  Config config = link->config();
  auto sender = set_groups(config);
  if (!sender) return failed({sender.error(), {}});
  Job job{*sender, {}, text_from(link->task().at("out")), link->task().at("awaits")};
  for (const json& source : link->task().at("sources"))
    job.sources.push_back({text_from(source.at("path")), text_from(source.at("as"))});
  // Who joins waits to be called; or the command ends before that.
  if (config.start == Start::join && !link->channel().receive_until(never)) return 0;
  auto node = Node::start(config);
  if (!node) return failed({node.error(), {}});
  TellsCommand watcher(*link, *sender == config.name);
  const auto summary = run_member(**node, job, watcher);
  if (!summary) return failed(summary.error());
  static_cast<void>(link->channel().send({{"done", to_json(*summary)}}));
  return 0;
}

}  // namespace squall::replicate
