#include "bench/replicate/replicate.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/launch/crew.h"
#include "bench/launch/interrupt.h"
#include "bench/launch/link.h"
#include "bench/replicate/member.h"
#include "bench/replicate/record.h"
#include "bench/replicate/report.h"
#include "bench/replicate/walk.h"
#include "groups/config_file.h"
#include "groups/node.h"

namespace squall::replicate {
namespace {

using nlohmann::json;

/// For members to say why they stopped, once one of them has.
constexpr Duration last_words = 4s;

int complain(const Error& error) {
  fmt::print(stderr, "squall: {}\n", error.text());
  return error.code == Code::invalid ? 2 : 1;
}

/// The bar on standard error, where that is a terminal.
class Bar {
 public:
  explicit Bar(const Totals& totals) : totals_(totals), shown_(isatty(STDERR_FILENO) != 0) {}
  ~Bar() { clear(); }
  void show(std::uint64_t files, std::uint64_t bytes) {
    if (!shown_) return;
    winsize size{};
    const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    const unsigned columns = known ? size.ws_col - 1u : 79u;
    fmt::print(stderr, "\r\x1b[K{}",
               progress_line(totals_, files, bytes, Monotonic::now() - start_, columns));
    std::fflush(stderr);
    dirty_ = true;
  }
  void clear() {
    if (dirty_) fmt::print(stderr, "\r\x1b[K");
    dirty_ = false;
  }

 private:
  Totals totals_;
  bool shown_;
  bool dirty_ = false;
  Time start_ = Monotonic::now();
};

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

json to_json(const Summary& s) {
  return {{"fabric", s.fabric},
          {"files", s.files},
          {"bytes", s.bytes},
          {"messages", s.messages},
          {"skipped", s.skipped},
          {"seconds", s.seconds},
          {"digest", s.digest},
          {"sender", s.sender},
          {"latency_p50_ns", s.latency_p50.count()},
          {"latency_p99_ns", s.latency_p99.count()}};
}

Summary summary_from(const json& from) {
  Summary s;
  s.fabric = from.at("fabric");
  s.files = from.at("files");
  s.bytes = from.at("bytes");
  s.messages = from.at("messages");
  s.skipped = from.at("skipped");
  s.seconds = from.at("seconds");
  s.digest = from.at("digest");
  s.sender = from.at("sender");
  s.latency_p50 = Duration(from.at("latency_p50_ns").get<Duration::rep>());
  s.latency_p99 = Duration(from.at("latency_p99_ns").get<Duration::rep>());
  return s;
}

/// Hears the members of this host to their end.
class Conductor {
 public:
  Conductor(bench::Crew& crew, const Totals& totals)
      : crew_(crew), bar_(totals), summaries_(crew.size()), failed_(crew.size()) {}

  int run() {
    while (crew_.running() > 0) {
      auto news = crew_.next(deadline_);
      if (!news) {
        hang_up();
        continue;
      }
      if (news->message)
        on_message(news->member, *news->message);
      else if (!news->clean_exit && !failed_[news->member])
        on_failure(news->member, fmt::format("it ended unexpectedly ({})", news->how), false);
      if (any_failed() && deadline_ == never) deadline_ = Monotonic::now() + last_words;
    }
    bar_.clear();
    explain();
    return any_failed() || bench::interrupted() ? 1 : finish();
  }

 private:
  /// Interrupted, or somebody took too long to stop: once politely, then the Crew ends them.
  void hang_up() {
    if (hung_up_ && Monotonic::now() >= deadline_) {
      crew_.kill_all();
      deadline_ = never;
      return;
    }
    crew_.dismiss();
    hung_up_ = true;
    deadline_ = Monotonic::now() + last_words;
  }

  void on_message(unsigned member, const json& message) {
    if (message.contains("progress")) {
      if (message.value("sender", false))
        bar_.show(message["progress"].value("files", std::uint64_t{0}),
                  message["progress"].value("bytes", std::uint64_t{0}));
    } else if (message.contains("failed")) {
      on_failure(member, message.value("failed", ""), message.value("caused_by", "") != "");
    } else if (message.contains("done")) {
      summaries_[member] = summary_from(message["done"]);
    }
  }

  void on_failure(unsigned member, const std::string& what, bool secondary) {
    failed_[member] = true;
    told_.push_back({member, what, secondary});
  }

  /// Causes only, unless nobody knows one; what all say is said once.
  void explain() const {
    const bool caused = std::any_of(told_.begin(), told_.end(),
                                    [](const Failure& failure) { return !failure.secondary; });
    const bool common = told_.size() > 1 && told_.size() == crew_.size() &&
                        std::all_of(told_.begin(), told_.end(), [&](const Failure& failure) {
                          return failure.what == told_.front().what;
                        });
    if (common) {
      fmt::print(stderr, "squall: every member: {}\n", told_.front().what);
      return;
    }
    for (const Failure& failure : told_)
      if (!failure.secondary || !caused)
        fmt::print(stderr, "squall: member {}: {}\n", bench::member_name(failure.member),
                   failure.what);
  }

  bool any_failed() const {
    return std::find(failed_.begin(), failed_.end(), true) != failed_.end();
  }

  int finish() {
    const Summary* sender = nullptr;
    for (unsigned i = 0; i < crew_.size(); ++i) {
      if (!summaries_[i] || summaries_[i]->digest != summaries_[0]->digest) {
        fmt::print(stderr, "squall: member {} did not report the same digest as member a\n",
                   bench::member_name(i));
        return 1;
      }
      if (summaries_[i]->sender) sender = &*summaries_[i];
    }
    if (sender != nullptr) fmt::print("{}", table(*sender, crew_.size()));
    return 0;
  }

  bench::Crew& crew_;
  Bar bar_;
  std::vector<std::optional<Summary>> summaries_;
  std::vector<bool> failed_;
  struct Failure {
    unsigned member;
    std::string what;
    bool secondary;  ///< another member's end caused it
  };
  std::vector<Failure> told_;
  Time deadline_ = never;
  bool hung_up_ = false;
};

int replicate_here(const Options& options, const std::vector<Source>& sources,
                   const Totals& totals) {
  Config config;
  config.provider = options.fabric.empty() ? "shm" : options.fabric;
  GroupConfig files;
  files.name = files_group;
  if (!options.stack.empty()) files.stack = options.stack;
  config.groups = {files};
  json paths = json::array();
  // As bytes: a path need not be UTF-8, JSON must.
  for (const Source& source : sources)
    paths.push_back({{"path", std::vector<unsigned char>(source.path.begin(), source.path.end())},
                     {"as", std::vector<unsigned char>(source.as.begin(), source.as.end())}});
  const std::vector<unsigned char> out(options.out.begin(), options.out.end());
  auto crew = bench::Crew::start({{"member", "replicate"}, options.members, config, [&](unsigned) {
                                    return json{{"sources", paths}, {"out", out}};
                                  }});
  if (!crew) return complain(crew.error());
  return Conductor(*crew, totals).run();
}

/// One member by hand: its own bar, its own signals.
class OwnTerminal final : public Watcher {
 public:
  explicit OwnTerminal(const Totals& totals) : bar_(totals) {}
  void progress(std::uint64_t files, std::uint64_t bytes) override { bar_.show(files, bytes); }
  bool cancelled() override { return bench::interrupted(); }

 private:
  Bar bar_;
};

int replicate_across_hosts(const Options& options) {
  auto config = load_config(options.config);
  if (!config) return complain(config.error());
  if (!options.name.empty())
    if (auto chosen = choose_name(*config, options.name); !chosen) return complain(chosen.error());
  if (config->name.empty())
    return complain({Code::invalid, "which member is this?", "--name NAME"});
  if (!options.fabric.empty()) config->provider = options.fabric;
  config->engine_thread = false;
  auto sender = set_groups(*config);
  if (!sender) return complain(sender.error());
  if (!options.stack.empty()) config->groups.front().stack = options.stack;

  Job job{*sender == config->name, {}, options.out};
  Totals totals;
  if (job.sender) {
    auto sources = plan_sources(options.paths);
    if (!sources) return complain(sources.error());
    if (sources->empty())
      return complain({Code::invalid, "nothing to replicate", "name a PATH at the sender"});
    auto scanned = scan(*sources);
    if (!scanned) return complain(scanned.error());
    job.sources = std::move(*sources);
    totals = *scanned;
  }
  auto node = Node::start(*config);
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
  if (!options.config.empty()) return replicate_across_hosts(options);
  auto sources = plan_sources(options.paths);
  if (!sources) return complain(sources.error());
  if (auto checked = check_out(options); !checked) return complain(checked.error());
  auto totals = scan(*sources);
  if (!totals) return complain(totals.error());
  return replicate_here(options, *sources, *totals);
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
  Job job{*sender == config.name, {}, text_from(link->task().at("out"))};
  for (const json& source : link->task().at("sources"))
    job.sources.push_back({text_from(source.at("path")), text_from(source.at("as"))});
  auto node = Node::start(config);
  if (!node) return failed({node.error(), {}});
  TellsCommand watcher(*link, job.sender);
  const auto summary = run_member(**node, job, watcher);
  if (!summary) return failed(summary.error());
  static_cast<void>(link->channel().send({{"done", to_json(*summary)}}));
  return 0;
}

}  // namespace squall::replicate
