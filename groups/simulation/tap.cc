#include "groups/simulation/tap.h"

#include "core/engine/control.h"

namespace squall::simulation {

void Tap::before_ballot(std::size_t count, std::function<void()> action) {
  left_ = count;
  action_ = std::move(action);
}

Result<> Tap::send(fabric::PeerId peer, fabric::Lane lane, Bytes message, fabric::Token token) {
  if (dead_) return {};
  const bool ballot =
      !message.empty() && message.front() == static_cast<std::byte>(engine::Control::Kind::ballot);
  if (ballot && left_ != 0 && --left_ == 0) {
    below_->flush();
    dead_ = true;
    std::exchange(action_, nullptr)();
    return {};
  }
  return below_->send(peer, lane, message, token);
}

}  // namespace squall::simulation
