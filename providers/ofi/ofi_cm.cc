#include "providers/ofi/ofi_cm.h"

#include <sys/socket.h>

#include "providers/ofi/ofi_limits.h"
#include "providers/ofi/ofi_survey.h"

namespace squall::ofi {
namespace {

constexpr Duration held_for = 3s;

}  // namespace

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
