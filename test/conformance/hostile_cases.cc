// Strangers at the door: garbage, silence and crowds on the raw socket that an address names.
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>

#include "test/conformance/child.h"
#include "test/conformance/world.h"

namespace squall::conformance {
namespace {

// A stranger's socket; shut when it goes.
class Stranger {
 public:
  explicit Stranger(const std::string& address) : fd_(subject().dial(address)) {}
  ~Stranger() {
    if (fd_ >= 0) close(fd_);
  }
  Stranger(Stranger&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  /// A door that is full may also not open at all.
  bool came_in() const { return fd_ >= 0; }
  void write(std::string_view bytes) {
    (void)!::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  bool dropped() {
    if (fd_ < 0) return true;
    char byte[256];
    ssize_t got = 0;
    while ((got = recv(fd_, byte, sizeof byte, MSG_DONTWAIT)) > 0) {
    }
    return got == 0 || (errno != EAGAIN && errno != EINTR);
  }

 private:
  int fd_;
};

struct ConnectedPair {
  std::unique_ptr<World> world = subject().make_world();
  Node& a = world->add("a");
  Node& b = world->add("b");
  Pair pair = connect(*world, a, b);
  std::size_t sent = 0;

  // The connection of those who belong here works, and so does a new one.
  void still_works() {
    for (const Lane lane : {Lane::urgent, Lane::bulk}) {
      must(a->send(pair.first_to_second, lane, as_bytes("well")), "send");
      ++sent;
    }
    CHECK(world->until([&] { return b.count(Kind::message, pair.second_to_first) == sent; }));
    CHECK(a.count(Kind::lost) == 0);
    CHECK(b.count(Kind::lost) == 0);
    CHECK(a.count(Kind::message) == 0);
  }
};

TEST_CASE("garbage where a handshake was expected is dropped, and disturbs nobody" *
          doctest::skip(!subject().dial)) {
  ConnectedPair scene;
  const std::string garbage[] = {
      std::string(1, '\0'),    std::string(4, '\xff'),   std::string(64, '\xff'),
      std::string(4096, '\0'), content(1, 64),           content(2, 65536),
      std::string(8, '\x7f'),  "GET / HTTP/1.1\r\n\r\n", content(3, 1 << 20),
  };
  std::vector<Stranger> strangers;
  for (const std::string& bytes : garbage) {
    Stranger(scene.a->address()).write(bytes);  // and gone at once
    strangers.emplace_back(scene.a->address()).write(bytes);
    CHECK(strangers.back().came_in());
    scene.world->pass_time(5ms);
  }
  scene.still_works();
  for (std::size_t i = 0; i < strangers.size(); ++i) {
    CAPTURE(i);
    CHECK(scene.world->until([&] { return strangers[i].dropped(); }));
  }
  scene.still_works();
  Node& c = scene.world->add("c");
  connect(*scene.world, scene.a, c);
}

TEST_CASE("a stranger that says nothing is dropped, and a crowd of them keeps nobody out" *
          doctest::skip(!subject().dial)) {
  ConnectedPair scene;
  std::vector<Stranger> crowd;
  for (int i = 0; i < 200; ++i) {
    crowd.emplace_back(scene.a->address());
    if (i % 10 == 0) scene.world->turn();
  }
  scene.still_works();
  Node& c = scene.world->add("c");
  connect(*scene.world, scene.a, c);
  if (!subject().keeps_silent_strangers.empty()) {
    std::printf("SKIPPED: %s: that silent strangers are dropped: %s\n",
                std::string(subject().name).c_str(),
                std::string(subject().keeps_silent_strangers).c_str());
    crowd.clear();  // while somebody still turns, or what is held for them leaks
    scene.world->pass_time(100ms);
    scene.still_works();
    return;
  }
  std::ptrdiff_t left = 0;
  scene.world->until([&] {
    left = std::ranges::count_if(crowd, [](Stranger& stranger) { return !stranger.dropped(); });
    return left == 0;
  });
  CHECK(left == 0);
  scene.still_works();
}

}  // namespace
}  // namespace squall::conformance
