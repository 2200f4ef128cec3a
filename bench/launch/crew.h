#pragma once
// Starts copies of this program as the members of a group on this host, named a, b, c, and so on,
// and hears from them. No member outlives the Crew: the kernel kills them with this process, and
// the destructor ends and reaps what is left. One thread at a time.

#include <sys/types.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/launch/channel.h"
#include "core/base/error.h"
#include "core/base/time.h"
#include "groups/config.h"

namespace squall::bench {

inline constexpr unsigned max_crew = 26;

/// "a" for 0, and so on.
std::string member_name(unsigned index);

class Crew {
 public:
  struct Plan {
    /// Of the program, for example {"member", "replicate"}; the program is this one.
    std::vector<std::string> arguments;
    unsigned members = 1;
    /// Shared by all; name, contacts and listen_fd are filled in; of joiners also start and listen.
    Config config;
    /// What else member `index` is told.
    std::function<nlohmann::json(unsigned index)> task;
    /// The last so many of them join the others, who are the contacts of all.
    unsigned joiners = 0;
  };
  static Result<Crew> start(const Plan& plan);
  Crew(Crew&&) = default;
  Crew& operator=(Crew&&) = delete;
  ~Crew();

  /// One thing that happened: a message, or the end of a member (after all its messages).
  struct News {
    unsigned member = 0;
    std::optional<nlohmann::json> message;  ///< nullopt: it ended
    bool clean_exit = false;                ///< it ended with status 0
    std::string how;                        ///< it ended: "exit status 1", "killed by signal 9"
  };
  /// Waits for it; nullopt at the deadline, or at once when `interrupted()`.
  std::optional<News> next(Time deadline);

  unsigned size() const { return static_cast<unsigned>(members_.size()); }
  unsigned running() const;
  void tell(unsigned member, const nlohmann::json& message);
  void tell_all(const nlohmann::json& message);
  /// Hangs up on all: members stop by themselves.
  void dismiss();
  /// Sends it, unless it has ended: its id may be another's by then.
  void signal(unsigned member, int signal);
  /// For those that do not.
  void kill_all();
  pid_t pid(unsigned member) const { return members_[member].pid; }

 private:
  struct Member {
    pid_t pid = -1;
    Channel channel{-1};
    bool ended = false;
  };
  Crew() = default;
  std::optional<News> look(unsigned index);

  std::vector<Member> members_;
};

}  // namespace squall::bench
