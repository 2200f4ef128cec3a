#include "bench/launch/link.h"

#include <fcntl.h>

#include <nlohmann/json.hpp>

#include "groups/config_load.h"
#include "groups/config_print.h"

namespace squall::bench {

using nlohmann::json;

json to_json(const Config& config) {
  return {{"toml", effective_toml({config, {}})}, {"listen_fd", config.listen_fd}};
}

Result<Config> config_from_json(const json& from) try {
  auto loaded = load_config({.file = "a member's configuration", .content = from.at("toml")});
  if (!loaded) return tl::unexpected(loaded.error());
  loaded->config.listen_fd = from.at("listen_fd");
  return std::move(loaded->config);
} catch (const json::exception& error) {
  return fail(Code::invalid, std::string("not a configuration: ") + error.what());
}

Link::Link(Channel channel, Config config, json task)
    : channel_(std::move(channel)),
      config_(std::move(config)),
      task_(std::make_shared<json>(std::move(task))) {}

Result<Link> Link::open() {
  if (fcntl(member_channel_fd, F_GETFD) < 0)
    return fail(Code::invalid, "this command is for squall itself to start", "see squall --help");
  Channel channel(member_channel_fd);
  auto first = channel.receive_until(Monotonic::now() + 10s);
  if (!first) return tl::unexpected(first.error());
  auto config = config_from_json(first->value("config", json::object()));
  if (!config) return tl::unexpected(config.error());
  return Link(std::move(channel), std::move(*config), first->value("task", json::object()));
}

const json& Link::task() const {
  return *task_;
}

bool Link::told_to_stop() {
  // Nothing else is ever said to a member that looks here.
  if (!stop_ && (channel_.receive().has_value() || channel_.closed())) stop_ = true;
  return stop_;
}

}  // namespace squall::bench
