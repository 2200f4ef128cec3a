#include "providers/ofi/ofi_cm.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>

#include "providers/ofi/ofi_survey.h"

namespace squall::ofi {
namespace {

constexpr std::size_t most_held = 64;
constexpr Duration held_for = 3s;

}  // namespace

std::optional<Greeting> read_greeting(Bytes bytes) {
  Greeting greeting;
  // Providers may pad what they carry (verbs to 56 bytes).
  if (bytes.size() < sizeof greeting) return std::nullopt;
  std::memcpy(&greeting, bytes.data(), sizeof greeting);
  if (greeting.magic != wire_magic || greeting.version != wire_version || greeting.lane > 1 ||
      greeting.zero != 0)
    return std::nullopt;
  return greeting;
}

Result<sockaddr_storage> parse_address(std::string_view text) {
  const auto bad = [&] {
    return fail(Code::invalid, fmt::format("'{}' is no fabric address", text),
                "both ends must be configured with the same fabric");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos || text.size() > 80) return bad();
  const std::string_view port_text = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] =
      std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc{} || end != port_text.data() + port_text.size() || port == 0) return bad();
  sockaddr_storage address{};
  std::string host(text.substr(0, colon));
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1) return bad();
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) != 1) return bad();
  }
  return address;
}

Result<std::unique_ptr<Listener>> Listener::open(Domain& domain, Queue& queue) {
  std::unique_ptr<Listener> listener(new Listener);
  fid_pep* endpoint = nullptr;
  // fi_passive_ep copies the info, whose port 0 asks for any.
  int failed =
      fi_passive_ep(domain.fabric(), const_cast<fi_info*>(domain.info()), &endpoint, nullptr);
  if (failed != 0) return fail(Code::unavailable, fi_text("fi_passive_ep", failed));
  listener->endpoint_.reset(endpoint);
  failed = fi_pep_bind(endpoint, &queue.eq()->fid, 0);
  if (failed == 0) failed = fi_listen(endpoint);
  if (failed != 0) return fail(Code::unavailable, fi_text("fi_listen", failed));
  sockaddr_storage name{};
  std::size_t bytes = sizeof name;
  failed = fi_getname(&endpoint->fid, &name, &bytes);
  if (failed != 0) return fail(Code::unavailable, fi_text("fi_getname", failed));
  listener->address_ = address_text(FI_SOCKADDR, &name, bytes);
  return listener;
}

Listener::~Listener() {
  for (Held& held : held_) reject(std::move(held.request));
}

void Listener::hold(Info request, const Greeting& greeting, Time now) {
  if (held_.size() >= most_held) {
    reject(std::move(held_.front().request));
    held_.erase(held_.begin());
  }
  held_.push_back({std::move(request), greeting, now + held_for});
}

Info Listener::take(const Ticket& ticket, Lane lane) {
  for (auto held = held_.begin(); held != held_.end(); ++held) {
    if (held->greeting.ticket != ticket || held->greeting.lane != static_cast<std::uint8_t>(lane))
      continue;
    Info request = std::move(held->request);
    held_.erase(held);
    return request;
  }
  return {};
}

void Listener::reject(Info request) {
  if (request) fi_reject(endpoint_.get(), request->handle, nullptr, 0);
}

void Listener::expire(Time now) {
  while (!held_.empty() && held_.front().until <= now) {
    reject(std::move(held_.front().request));
    held_.erase(held_.begin());
  }
}

}  // namespace squall::ofi
