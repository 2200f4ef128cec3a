#include "providers/shm/shm_region.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "core/base/time.h"
#include "core/fabric/memory.h"

namespace squall::shm {
namespace {

Fd duplicate(int fd) {
  return Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

TEST_CASE("a replica is zeros, then the owner's memory, then a copy, at one address") {
  auto memory = fabric::Memory::create(10000);
  REQUIRE(memory);
  auto replica = Replica::reserve(9000);
  REQUIRE(replica);
  const std::byte* at = replica->data();
  CHECK(at[8999] == std::byte{0});
  memory->data()[8999] = std::byte{1};
  REQUIRE(replica->map(duplicate(memory->fd())));
  CHECK(replica->data() == at);
  CHECK(at[8999] == std::byte{1});
  memory->data()[8999] = std::byte{2};
  CHECK(at[8999] == std::byte{2});
  replica->freeze();
  memory->data()[8999] = std::byte{3};
  CHECK(replica->data() == at);
  CHECK(at[8999] == std::byte{2});
}

TEST_CASE("memory that could kill its reader is refused") {
  auto replica = Replica::reserve(4096);
  REQUIRE(replica);
  SUBCASE("not sealed") {
    Fd fd(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(ftruncate(fd.get(), 8192) == 0);
    CHECK_FALSE(replica->map(fd));
  }
  SUBCASE("too short") {
    Fd fd(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(ftruncate(fd.get(), 4095) == 0);
    REQUIRE(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    const auto mapped = replica->map(fd);
    REQUIRE_FALSE(mapped);
    CHECK(mapped.error().what.find("4095") != std::string::npos);
  }
  SUBCASE("no memory at all") {
    CHECK_FALSE(replica->map(Fd(open("/dev/null", O_RDONLY | O_CLOEXEC))));
  }
  CHECK(replica->data()[0] == std::byte{0});
}

TEST_CASE("a small replica is frozen as it was at one instant, while its owner writes on") {
  using Word = std::atomic<std::uint64_t>;
  auto memory = fabric::Memory::create(8192);
  REQUIRE(memory);
  // The low word is always stored before the high one, so high <= low at every instant; a copy
  // from the lowest address up, without the second pass, breaks that.
  auto* low = reinterpret_cast<Word*>(memory->data());
  auto* high = reinterpret_cast<Word*>(memory->data() + 8000);
  std::atomic<bool> stop{false};
  std::thread owner([&] {
    for (std::uint64_t i = 1; !stop.load(std::memory_order_relaxed); ++i) {
      low->store(i, std::memory_order_release);
      high->store(i, std::memory_order_release);
      // Far longer than a pass takes, in every build: most passes meet no write, some do.
      const Time next = Monotonic::now() + 200us;
      while (Monotonic::now() < next) std::this_thread::yield();
    }
  });
  while (high->load() == 0) std::this_thread::yield();
  bool held = true;
  for (int round = 0; round < 1000; ++round) {
    auto replica = Replica::reserve(8192);
    if (!replica || !replica->map(duplicate(memory->fd()))) {
      held = false;
      break;
    }
    held = held && replica->freeze();
    const auto frozen_low = reinterpret_cast<const Word*>(replica->data())->load();
    const auto frozen_high = reinterpret_cast<const Word*>(replica->data() + 8000)->load();
    held = held && frozen_high <= frozen_low;
  }
  stop = true;
  owner.join();
  CHECK(held);
}

}  // namespace
}  // namespace squall::shm
