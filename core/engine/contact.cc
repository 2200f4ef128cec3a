#include "core/engine/contact.h"

#include <cstring>

namespace squall::engine {

fabric::Ticket ticket_for(const Contact& contact, Purpose purpose, ViewId view) {
  fabric::Ticket ticket = contact.ticket;
  std::uint64_t low = 0;
  std::memcpy(&low, ticket.data(), sizeof(low));
  low ^= raw(view);
  std::memcpy(ticket.data(), &low, sizeof(low));
  ticket.back() ^= static_cast<std::byte>(purpose);
  return ticket;
}

}  // namespace squall::engine
