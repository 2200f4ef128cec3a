#pragma once
// What processes did, as a list of events, and its text form: one event a line, so that a trace
// that breaks a property can be printed, cut down by hand and checked again.
//
//   install 1.1 3 1.1,2.1,3.1    process 1.1 installs view 3 with these members, in rank order
//   accept 1.1 4 1.1,3.1         1.1 accepts that this view follows on the one that it is in
//   send 1.1 0 9f3c              process 1.1 sends its message 0 with this digest (hexadecimal)
//   deliver 2.1 3 7 1.1 0 9f3c   2.1 delivers, in view 3 at position 7, message 0 of 1.1
//   crash 2.1                    2.1 does nothing any more: crashed, expelled or stopped
//
// A process is node.incarnation: one run of a node. Empty lines, and what follows a '#', are
// skipped. The words restart, durable and acknowledge are reserved.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/ids.h"

namespace squall::checker {

struct Process {
  NodeId node{};
  Incarnation incarnation{};
  auto operator<=>(const Process&) const = default;
};

struct Event {
  enum class Kind : std::uint8_t { install, accept, send, deliver, crash };
  Kind kind{};
  Process process{};               ///< whose event it is
  ViewId view{};                   ///< of install, accept and deliver
  std::vector<Process> members{};  ///< of install and accept, in rank order
  std::uint64_t position = 0;      ///< of deliver: the process's count of deliveries
  Process sender{};                ///< of deliver; of send it is `process`
  MessageNumber number = 0;        ///< of send and deliver
  std::uint64_t digest = 0;        ///< of send and deliver: of the message's bytes

  bool operator==(const Event&) const = default;
};

// Events as a driver records them.
Event install(Process process, ViewId view, std::vector<Process> members);
Event accept(Process process, ViewId view, std::vector<Process> members);
Event send(Process process, MessageNumber number, std::uint64_t digest);
Event deliver(Process process, ViewId view, std::uint64_t position, Process sender,
              MessageNumber number, std::uint64_t digest);
Event crash(Process process);

/// Of a message's bytes: FNV-1a (Fowler, Noll, Vo), 64 bits.
std::uint64_t digest(Bytes bytes);

std::string to_text(const Process& process);
/// One line, without its end.
std::string to_text(const Event& event);
/// Lines.
std::string to_text(const std::vector<Event>& events);
/// Code::invalid with the line and what was expected there.
Result<std::vector<Event>> parse(std::string_view text);

}  // namespace squall::checker
