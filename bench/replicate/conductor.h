#pragma once
// Hears the members of this host to their end, and takes one away or adds one in the middle, where
// that is asked for. One thread at a time.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/launch/crew.h"
#include "bench/replicate/bar.h"
#include "bench/replicate/member.h"
#include "core/base/time.h"

namespace squall::replicate {

/// What happens once a third of the bytes are through.
struct Plot {
  std::optional<unsigned> kill;    ///< this member, with SIGKILL
  std::optional<unsigned> joiner;  ///< this one of the crew joins, once that is out
};

nlohmann::json to_json(const Summary& summary);

class Conductor {
 public:
  /// `wanted`: how many are to hold everything.
  Conductor(bench::Crew& crew, const Totals& totals, unsigned wanted, const Plot& plot);

  /// Prints views as they come, then the table, or what went wrong; gives the exit status.
  int run();

 private:
  void hang_up();
  void on_message(unsigned member, const nlohmann::json& message);
  void on_progress(std::uint64_t files, std::uint64_t bytes);
  bool tells_views(unsigned member, bool is_sender);
  void on_view(const nlohmann::json& view);
  void on_failure(unsigned member, const std::string& what, bool secondary);
  void on_end(unsigned member, const std::string& how);
  void say(const std::string& line);
  void explain() const;
  int finish() const;
  bool any_failed() const;

  struct Failure {
    unsigned member;
    std::string what;
    bool secondary;  ///< another member's end caused it
  };

  bench::Crew& crew_;
  Bar bar_;
  unsigned wanted_;
  Plot plot_;
  std::optional<unsigned> sender_;  // once it has said so
  bool killed_ = false;
  bool called_ = false;  // the joiner
  std::vector<std::optional<Summary>> summaries_;
  std::vector<bool> failed_;
  std::vector<Failure> told_;
  std::vector<Failure> ended_;  // without a word; the others may go on
  Time deadline_ = never;
  bool hung_up_ = false;
};

}  // namespace squall::replicate
