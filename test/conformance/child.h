#pragma once
// Real processes. A child is this same binary, started anew (so that it opens its fabric after the
// fork, whatever the parent has open), playing a named role and talking with the case that started
// it through lines on a socket. A child dies with its Child object, and with its parent.

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "test/conformance/world.h"

namespace squall::conformance {

/// One end of the line between a case and a child.
class Link {
 public:
  explicit Link(int fd) : fd_(fd) {}
  ~Link();
  Link(Link&& other) noexcept;
  Link(const Link&) = delete;

  void say(std::string_view line);
  /// A line that has come, if one has. Fails the case when the other end is gone.
  std::optional<std::string> try_hear();
  /// Turns `world` until the next line; fails the case if it does not come.
  std::string hear(World& world, Duration limit = patience);
  /// The other end is gone.
  bool closed() const { return closed_; }

 private:
  void read_some();

  int fd_;
  std::string unread_;
  bool closed_ = false;
};

class Child {
 public:
  /// Starts this binary in the role, with a word for it.
  explicit Child(std::string_view role, std::string_view argument = "-");
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  Link& link() { return link_; }
  /// SIGKILL, SIGSTOP, SIGCONT. After SIGKILL or SIGSTOP it has taken effect on return.
  void signal(int number);

 private:
  pid_t pid_ = -1;
  Link link_;
};

/// What a child does; its end is the child's. Register with a static object of the case's file.
struct Role {
  using Play = void (*)(Link& link, const std::string& argument);
  Role(std::string_view name, Play play);
};

/// In a child: plays the role that the arguments name, and returns true. In a parent: false.
bool play_role(int argc, char** argv);

/// In a child: a world with one node, connected to the parent's.
struct Joined {
  std::unique_ptr<World> world;
  Node* node = nullptr;
  PeerId parent{};
};
Joined join(Link& link);
/// In the case: the other half of `join`; the child's id at `node`.
PeerId admit(World& world, Node& node, Child& child);

std::string hex(std::string_view bytes);
std::string unhex(std::string_view text);

}  // namespace squall::conformance
