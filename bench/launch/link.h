#pragma once
// A member's side of a crew: its task, and its wire to the command that started it.

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "bench/launch/channel.h"
#include "core/base/error.h"
#include "groups/config.h"

namespace squall::bench {

/// Where an exec'd member finds what it inherited.
inline constexpr int member_channel_fd = 3;
inline constexpr int member_listen_fd = 4;

/// A Config crosses as the TOML that it prints as, so with all keys that there are, and
/// `listen_fd`. Code::invalid if it cannot be right.
nlohmann::json to_json(const Config& config);
Result<Config> config_from_json(const nlohmann::json& json);

class Link {
 public:
  /// Reads the task. Code::invalid when this process was not started by a crew.
  static Result<Link> open();

  const Config& config() const { return config_; }
  /// What the command wants of this member besides.
  const nlohmann::json& task() const;
  Channel& channel() { return channel_; }

  /// The command says stop, or is gone.
  bool told_to_stop();

 private:
  Link(Channel channel, Config config, nlohmann::json task);
  Channel channel_;
  Config config_;
  std::shared_ptr<nlohmann::json> task_;
  bool stop_ = false;
};

}  // namespace squall::bench
