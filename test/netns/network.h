#pragma once
// Hosts of a test: network namespaces, each joined by a veth pair to a router between them, which
// forwards what it is not told to swallow. Made with unshare, setns and ip(8), so that it works in
// a sandbox too; root only. The test itself lives in the router while the object exists; a host is
// gone with the object and its last process.
//
// Whatever is cut loses packets without a word, as a dead switch does: nobody is refused, reset or
// told that a host cannot be reached.

#include <cstddef>
#include <string>
#include <vector>

namespace squall::netns_tests {

class Network {
 public:
  /// Why this process cannot make one; empty if it can.
  static std::string why_not();

  /// At most 200 hosts. One at a time. Fails the test if it cannot be made.
  explicit Network(std::size_t hosts);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// IPv4, without a port.
  std::string address(std::size_t host) const;
  /// The calling process is on that host from here on. In a process of its own, before it has a
  /// socket open.
  void enter(std::size_t host) const;

  /// The host's cable is pulled: its own interface loses the carrier.
  void link_down(std::size_t host);
  void link_up(std::size_t host);
  /// Nothing gets through from one to the other, in this direction.
  void blackhole(std::size_t from, std::size_t to);
  /// Nothing gets through between the two sides, in either direction.
  void partition(const std::vector<std::size_t>& left, const std::vector<std::size_t>& right);
  /// All blackholes end.
  void heal();

 private:
  struct Hole {
    std::size_t from;
    std::size_t to;
  };
  void rule(const char* verb, const Hole& hole) const;

  int router_ = -1;         // the router's namespace
  std::vector<int> hosts_;  // theirs
  std::vector<Hole> holes_;
};

}  // namespace squall::netns_tests
