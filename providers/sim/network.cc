#include "core/base/assert.h"
#include "providers/sim/endpoint.h"
#include "providers/sim/sim.h"
#include "providers/sim/wire.h"

namespace squall::sim {
namespace {

bool is_awake(const Endpoint* endpoint) {
  return endpoint != nullptr && !endpoint->asleep();
}

}  // namespace

Network::Network(const Options& options) : wire_(std::make_unique<Wire>(options)) {}
Network::~Network() {
  SQUALL_ASSERT(wire_->empty(), "endpoints go before their network");
}

std::unique_ptr<fabric::Fabric> Network::open(std::string_view name) {
  return std::make_unique<Endpoint>(*wire_, wire_->next_run(name));
}

Time Network::now() const {
  return wire_->now();
}
Time Network::next_event() const {
  return wire_->next_event();
}
bool Network::step() {
  return wire_->step();
}
void Network::run_until(Time time) {
  wire_->run_until(time);
}
void Network::at(Time time, std::function<void()> action) {
  wire_->at(time, std::move(action));
}

bool Network::running(std::string_view name) const {
  return wire_->running(name) != nullptr;
}
Host Network::host(std::string_view name) {
  return wire_->host_of(name);
}
bool Network::awake(Host host) const {
  return is_awake(wire_->running(host));
}
bool Network::awake(std::string_view name) const {
  return is_awake(wire_->running(name));
}
Time Network::wakes_at(std::string_view name) const {
  const Endpoint* endpoint = wire_->running(name);
  return endpoint != nullptr ? endpoint->sleeps_until() : never;
}

void Network::crash(std::string_view name) {
  if (Endpoint* endpoint = wire_->running(name)) endpoint->crash();
}
void Network::cut(std::string_view from, std::string_view to) {
  wire_->set_cut(from, to, true);
}
void Network::heal(std::string_view from, std::string_view to) {
  wire_->set_cut(from, to, false);
}
void Network::delay(std::string_view from, std::string_view to, Duration extra) {
  wire_->set_delay(from, to, extra);
}
void Network::slow(std::string_view name, Duration lag) {
  SQUALL_ASSERT(lag >= Duration{0}, "a lag is not negative");
  wire_->trace().add(wire_->now(), "slow {} {}", name, lag.count());
  if (Endpoint* endpoint = wire_->running(name)) endpoint->set_lag(lag);
}

std::uint64_t Network::trace_hash() const {
  return wire_->trace().hash();
}
std::string_view Network::trace() const {
  return wire_->trace().text();
}

}  // namespace squall::sim
