#pragma once
// Connection management for FI_EP_MSG: the passive endpoint, and requests whose ticket nobody
// expects yet. Strangers cost at most `most_held` requests for a few seconds. Owned by ofi_msg.

#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/time.h"
#include "providers/ofi/ofi_domain.h"
#include "providers/ofi/ofi_greeting.h"
#include "providers/ofi/ofi_queue.h"
#include "providers/ofi/ofi_transport.h"

namespace squall::ofi {

class Listener {
 public:
  static Result<std::unique_ptr<Listener>> open(Domain& domain, Queue& queue);
  ~Listener();

  const std::string& address() const { return address_; }
  /// Keeps a request until its ticket is expected or a few seconds have passed.
  void hold(Info request, const Greeting& greeting, Time now);
  /// A held request with that ticket and lane, or nothing.
  Info take(const Ticket& ticket, Lane lane);
  void reject(Info request);
  void expire(Time now);
  Time deadline() const { return held_.empty() ? never : held_.front().until; }

 private:
  struct Held {
    Info request;
    Greeting greeting;
    Time until;
  };
  Listener() = default;

  Fid<fid_pep> endpoint_;
  std::string address_;
  std::vector<Held> held_;  ///< oldest first
};

}  // namespace squall::ofi
