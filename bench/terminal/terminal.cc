#include "bench/terminal/terminal.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "bench/launch/interrupt.h"
#include "bench/terminal/lines.h"
#include "bench/terminal/shown.h"
#include "bench/text/views.h"
#include "groups/node.h"

namespace squall::terminal {
namespace {

constexpr Duration longest_leave = std::chrono::seconds(10);
/// Turns in a row before the keyboard has its turn, in a group that is never idle.
constexpr unsigned turns_at_once = 256;

int complain(const Error& error) {
  fmt::print(stderr, "squall: {}\n", error.text());
  return error.code == Code::invalid ? 2 : 1;
}

class Terminal {
 public:
  Terminal(Node& node, const Config& config, const std::string& typed_group);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  int run();

 private:
  void say(const std::string& line);
  Result<> send_typed();
  void wait(bool worked);
  void read_typed();
  int leave();

  Node& node_;
  std::vector<Group*> groups_;
  Group& typed_group_;
  Lines typed_;
  bool input_ended_ = false;
  bool output_lost_ = false;
  int nap_ms_;  // between two looks, on fabrics that cannot be waited for
};

Terminal::Terminal(Node& node, const Config& config, const std::string& typed_group)
    : node_(node),
      typed_group_(*node.group(typed_group)),
      typed_(typed_group_.max_message_bytes()),
      nap_ms_(std::max(1, static_cast<int>(config.failure_timeout / 20ms))) {
  for (const GroupConfig& each : config.groups) {
    Group* group = node.group(each.name);
    // With one group its name says nothing.
    const std::string prefix = config.groups.size() > 1 ? each.name + " " : "";
    group->on_deliver([this, group, prefix](const Delivery& message) {
      say(prefix + shown(group->view()->members[message.sender].name, message));
    });
    groups_.push_back(group);
  }
  node.on_view([this](const ViewChange& change) { say(bench::shown(change)); });
}

Terminal::~Terminal() {
  for (Group* group : groups_) group->on_deliver(nullptr);
  node_.on_view(nullptr);
}

void Terminal::say(const std::string& line) {
  fmt::print("{}\n", line);
  // Whoever reads this through a pipe wants to see it as it comes.
  if (std::fflush(stdout) != 0) output_lost_ = true;
}

Result<> Terminal::send_typed() {
  for (; !typed_.empty(); typed_.pop()) {
    const Lines::Line& line = typed_.front();
    if (line.too_long) {
      fmt::print(stderr, "squall: a line of {} bytes was not sent: at most {} fit into a message\n",
                 line.bytes, typed_group_.max_message_bytes());
      continue;
    }
    auto sent = typed_group_.try_send(as_bytes(line.text));
    // It stays until there is room, and nothing more is read meanwhile.
    if (!sent && sent.error().code == Code::would_block) return {};
    if (!sent && sent.error().code == Code::unavailable) {
      // The group waits for members, or has enough without this one.
      fmt::print(stderr, "squall: not sent: {}\n", sent.error().what);
      continue;
    }
    if (!sent) return sent;
  }
  return {};
}

/// Until the node or the keyboard has something. A signal also ends it; one that comes just before
/// is noticed when the node's timer ends the sleep, a tenth of a second later at most.
void Terminal::wait(bool worked) {
  int timeout_ms = worked ? 0 : nap_ms_;
  if (!worked && node_.fd() >= 0) timeout_ms = node_.arm() ? -1 : 0;
  const bool reads = !input_ended_ && typed_.empty();
  std::array<pollfd, 2> ready{{{node_.fd(), POLLIN, 0}, {reads ? STDIN_FILENO : -1, POLLIN, 0}}};
  if (::poll(ready.data(), ready.size(), timeout_ms) > 0 && ready[1].revents != 0) read_typed();
}

void Terminal::read_typed() {
  std::array<char, 4096> piece;
  const ssize_t got = read(STDIN_FILENO, piece.data(), piece.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got > 0) return typed_.read({piece.data(), static_cast<std::size_t>(got)});
  typed_.end();
  input_ended_ = true;
}

int Terminal::leave() {
  const auto left = node_.leave(Monotonic::now() + longest_leave);
  if (!left) return complain(left.error());
  say("left");
  return output_lost_ ? 1 : 0;
}

int Terminal::run() {
  say(fmt::format("{} runs over {}: {}", node_.view()->members[node_.rank()].name, node_.fabric(),
                  node_.timing().text()));
  say(bench::shown(*node_.view()));
  for (;;) {
    bool worked = true;
    for (unsigned turn = 0; worked && turn < turns_at_once; ++turn) worked = node_.poll();
    if (const auto error = node_.stopped()) return complain(*error);
    if (auto sent = send_typed(); !sent) return complain(sent.error());
    if (bench::interrupted() || output_lost_ || (input_ended_ && typed_.empty())) return leave();
    wait(worked);
  }
}

}  // namespace

int run_by_hand(const Options& options) {
  auto config = settle(options);
  if (!config) return complain(config.error());
  if (config->start == Start::join) {
    std::vector<std::string> contacts;
    for (const Contact& contact : config->contacts)
      if (contact.name != config->name)
        contacts.push_back(fmt::format("{}@{}", contact.name, contact.address));
    fmt::print("{} asks to join: {}\n", config->name, fmt::join(contacts, ", "));
    std::fflush(stdout);
  }
  auto node = Node::start(*config);
  if (!node) return complain(node.error());
  // Until here there was nothing to leave: a signal ended it as usual.
  bench::catch_interrupts();
  return Terminal(**node, *config, typed_group(options, *config)).run();
}

}  // namespace squall::terminal
