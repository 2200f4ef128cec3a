#include "bench/launch/link.h"

#include <fcntl.h>

#include <nlohmann/json.hpp>

namespace squall::bench {

using nlohmann::json;

json to_json(const Config& config) {
  json contacts = json::array();
  for (const Contact& contact : config.contacts)
    contacts.push_back({{"name", contact.name}, {"address", contact.address}});
  json groups = json::array();
  for (const GroupConfig& group : config.groups)
    groups.push_back({{"name", group.name},
                      {"stack", group.stack},
                      {"senders", group.senders},
                      {"ring_bytes", group.ring_bytes}});
  return {{"name", config.name},
          {"listen", config.listen},
          {"contacts", std::move(contacts)},
          {"start", static_cast<unsigned>(config.start)},
          {"start_timeout_ns", config.start_timeout.count()},
          {"failure_timeout_ns", config.failure_timeout.count()},
          {"survive_losses", config.survive_losses},
          {"engine_thread", config.engine_thread},
          {"listen_fd", config.listen_fd},
          {"provider", config.provider},
          {"fabric_address", config.fabric_address},
          {"groups", std::move(groups)}};
}

Result<Config> config_from_json(const json& from) try {
  Config config;
  config.name = from.at("name");
  config.listen = from.at("listen");
  for (const json& contact : from.at("contacts"))
    config.contacts.push_back({contact.at("name"), contact.at("address")});
  config.start = static_cast<Start>(from.at("start").get<unsigned>());
  config.start_timeout = Duration(from.at("start_timeout_ns").get<Duration::rep>());
  config.failure_timeout = Duration(from.at("failure_timeout_ns").get<Duration::rep>());
  config.survive_losses = from.at("survive_losses");
  config.engine_thread = from.at("engine_thread");
  config.listen_fd = from.at("listen_fd");
  config.provider = from.at("provider");
  config.fabric_address = from.at("fabric_address");
  for (const json& group : from.at("groups"))
    config.groups.push_back({group.at("name"), group.at("stack"), group.at("senders"),
                             group.at("ring_bytes").get<std::size_t>()});
  return config;
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
