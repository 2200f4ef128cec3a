#include "groups/simulation/tap.h"

#include "core/engine/control.h"

namespace squall::simulation {

void Tap::before_ballot(std::size_t count, std::optional<membership::Message::Kind> kind,
                        std::function<void()> action) {
  left_ = count;
  kind_ = kind;
  action_ = std::move(action);
}

bool Tap::awaited(Bytes message) const {
  if (left_ == 0 || message.empty() ||
      message.front() != static_cast<std::byte>(engine::Control::Kind::ballot))
    return false;
  if (!kind_) return true;
  const auto ballot = membership::decode_message(message.subspan(1));
  return ballot && ballot->kind == kind_;
}

Result<> Tap::send(fabric::PeerId peer, fabric::Lane lane, Bytes message, fabric::Token token) {
  if (dead_) return {};
  if (awaited(message) && --left_ == 0) {
    below_->flush();
    dead_ = true;
    std::exchange(action_, nullptr)();
    return {};
  }
  return below_->send(peer, lane, message, token);
}

}  // namespace squall::simulation
