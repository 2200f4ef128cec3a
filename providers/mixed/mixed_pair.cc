#include "providers/mixed/mixed_pair.h"

#include <algorithm>
#include <bit>

#include "core/base/assert.h"

namespace squall::mixed {

void Pair::add(std::string_view fabric, bool maps) {
  SQUALL_ASSERT(links_.size() < 8, "links are bits of a byte");
  links_.push_back({std::string(fabric), maps});
}

std::optional<Pair::LinkIndex> Pair::find(std::string_view fabric) const {
  const auto found = std::ranges::find(links_, fabric, &Link::fabric);
  if (found == links_.end()) return std::nullopt;
  return static_cast<LinkIndex>(found - links_.begin());
}

void Pair::came_up(LinkIndex link, Time now) {
  if (links_[link].state != LinkState::connecting) return;
  links_[link].state = LinkState::up;
  first_up_ = std::min(first_up_, now);
}

bool Pair::lose(LinkIndex lost, std::string_view why) {
  if (links_[lost].state == LinkState::lost) return false;
  links_[lost].state = LinkState::lost;
  links_[lost].why = why;
  for (Link& link : links_)
    for (std::uint8_t& untold : link.untold) untold |= static_cast<std::uint8_t>(1u << lost);
  return true;
}

std::optional<Pair::LinkIndex> Pair::best(bool for_objects) const {
  for (LinkIndex link = 0; link < links_.size(); ++link)
    if (links_[link].state != LinkState::lost && !(for_objects && links_[link].maps)) return link;
  return std::nullopt;
}

std::optional<Pair::LinkIndex> Pair::carrier() const {
  return best(false);
}

std::optional<Pair::LinkIndex> Pair::object_carrier() const {
  return best(true);
}

bool Pair::joined() const {
  const auto link = carrier();
  return link && links_[*link].state == LinkState::up;
}

bool Pair::has_moved() const {
  return std::ranges::any_of(links_,
                             [](const Link& link) { return link.state == LinkState::lost; });
}

Time Pair::deadline() const {
  const bool some_up =
      std::ranges::any_of(links_, [](const Link& link) { return link.state == LinkState::up; });
  return some_up && !joined() ? first_up_ + chance : never;
}

std::optional<Pair::LinkIndex> Pair::overdue(Time now) const {
  return now >= deadline() ? carrier() : std::nullopt;
}

std::optional<Pair::LinkIndex> Pair::to_tell(LinkIndex on, std::size_t lane) const {
  const std::uint8_t untold = links_[on].untold[lane];
  if (untold == 0) return std::nullopt;
  return static_cast<LinkIndex>(std::countr_zero(untold));
}

void Pair::told(LinkIndex on, std::size_t lane, LinkIndex lost) {
  links_[on].untold[lane] &= static_cast<std::uint8_t>(~(1u << lost));
}

std::string Pair::why_lost() const {
  std::string all;
  for (const Link& link : links_)
    if (link.state == LinkState::lost)
      all += (all.empty() ? "" : "; ") + link.fabric + ": " + link.why;
  return all;
}

}  // namespace squall::mixed
