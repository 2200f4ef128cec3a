#include "core/engine/backlog.h"

namespace squall::engine {

void Backlog::add(std::size_t channel, const multicast::Delivery& message) {
  bytes_ += message.bytes.size();
  entries_.push_back(Message{channel, message, {message.bytes.begin(), message.bytes.end()}});
}

void Backlog::add(const Installed& installed) {
  entries_.push_back(Change{installed.view, installed.gone, installed.came});
}

void Backlog::add(std::size_t channel, Rank from, Bytes posted) {
  bytes_ += posted.size();
  ++posts_;
  entries_.push_back(Posted{channel, from, {posted.begin(), posted.end()}});
}

}  // namespace squall::engine
