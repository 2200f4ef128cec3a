#include "groups/simulation/tap.h"

#include "core/engine/control.h"

namespace squall::simulation {

void Tap::after_ballots(std::size_t count, std::function<void()> action) {
  left_ = count;
  action_ = std::move(action);
}

Result<> Tap::send(fabric::PeerId peer, fabric::Lane lane, Bytes message, fabric::Token token) {
  if (dead_) return {};
  auto sent = below_->send(peer, lane, message, token);
  const bool ballot =
      !message.empty() && message.front() == static_cast<std::byte>(engine::Control::Kind::ballot);
  if (sent && ballot && left_ != 0 && --left_ == 0) {
    below_->flush();
    dead_ = true;
    std::exchange(action_, nullptr)();
  }
  return sent;
}

}  // namespace squall::simulation
