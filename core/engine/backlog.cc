#include "core/engine/backlog.h"

namespace squall::engine {

void Backlog::add(std::size_t channel, const multicast::Delivery& message) {
  bytes_ += message.bytes.size();
  entries_.push_back(Message{channel, message, {message.bytes.begin(), message.bytes.end()}});
}

void Backlog::add(const Installed& installed) {
  entries_.push_back(Change{installed.view, installed.gone, installed.came});
}

}  // namespace squall::engine
