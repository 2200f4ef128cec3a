#pragma once
// A trace in the shape that the properties ask for: processes and messages numbered from 0, the
// events of each process in order, and what each delivered. Built once for all properties.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "test/checker/checker.h"
#include "test/checker/trace.h"

namespace squall::checker {

using ProcessIndex = std::uint32_t;
using MessageIndex = std::uint32_t;
inline constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();

struct History {
  struct Installed {
    std::size_t event = 0;
    ViewId view{};
  };
  struct Delivered {
    std::size_t event = 0;
    MessageIndex message = 0;
  };
  struct OfProcess {
    Process process{};
    std::vector<std::size_t> events{};
    std::vector<Installed> installed{};
    std::vector<Delivered> delivered{};
    std::vector<MessageIndex> delivered_sorted{};
    std::size_t crash = nowhere;

    bool has_delivered(MessageIndex message) const;
    /// What it installed after `view`.
    std::optional<ViewId> after(ViewId view) const;
  };
  struct Message {
    ProcessIndex sender = 0;
    MessageNumber number = 0;
    std::size_t sent = nowhere;
    std::uint64_t digest = 0;
  };

  History(const std::vector<Event>& all, const Guarantees& promised);

  /// A member of a view may have no event of its own.
  const OfProcess* find(const Process& process) const;
  std::string text(MessageIndex message) const;
  /// Someone went on to a later view than any of its own, without it.
  bool expelled(const OfProcess& process) const;

  const std::vector<Event>& events;
  const Guarantees& guarantees;
  std::vector<OfProcess> processes;  ///< in the order of their first events
  std::vector<Message> messages;     ///< by sender and number
  /// By view: the first install event that says what it is.
  std::map<ViewId, std::size_t> views;

 private:
  std::map<Process, ProcessIndex> process_index_;
};

/// Collects violations, a few of each property.
class Findings {
 public:
  void add(Property property, std::size_t event, std::string text);
  std::vector<Violation> take() { return std::move(violations_); }

 private:
  static constexpr std::size_t most_of_each = 8;
  std::vector<Violation> violations_;
  std::array<std::size_t, property_count> counts_{};
};

}  // namespace squall::checker
