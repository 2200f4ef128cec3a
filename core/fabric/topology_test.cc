#include "core/fabric/topology.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "core/fabric/rendezvous_wire.h"

namespace squall::fabric {
namespace {

TEST_CASE("the usable cores are those of the affinity, before and after pinning") {
  const auto cores = usable_cores();
  REQUIRE_FALSE(cores.empty());
  CHECK(std::is_sorted(cores.begin(), cores.end()));
  // On a thread of its own, so that this one may still go everywhere.
  std::thread([&] {
    const Core last = cores.back();
    CHECK(pin_this_thread(last));
    CHECK(static_cast<Core>(sched_getcpu()) == last);
    CHECK(usable_cores() == std::vector<Core>{last});
    if (cores.size() > 1) CHECK_FALSE(pin_this_thread(cores.front()));
  }).join();
  CHECK(usable_cores() == cores);
}

TEST_CASE("a core that is not there is refused with those that are") {
  const auto pinned = pin_this_thread(100'000);
  REQUIRE_FALSE(pinned);
  CHECK(pinned.error().code == Code::invalid);
  CHECK(pinned.error().remedy.find(std::to_string(usable_cores().front())) != std::string::npos);
}

TEST_CASE("the host has NUMA nodes and caches of a plausible size") {
  CHECK(numa_nodes() >= 1);
  CHECK(numa_nodes() <= 1024);
  const std::size_t cache = shared_cache_bytes();
  if (cache != 0) {  // some virtual machines hide theirs
    CHECK(cache >= 4096);
    CHECK(cache <= (std::size_t{1} << 34));
  }
}

TEST_CASE("no core is near a device that is not there") {
  CHECK(cores_near("no-such-device").empty());
  CHECK(cores_near("ffff:ff:1f.7").empty());
  CHECK(cores_near("").empty());
}

TEST_CASE("what is near a device is usable") {
  const auto usable = usable_cores();
  for (const char* device : {"eth0", "lo", "0000:00:00.0"})
    for (const Core core : cores_near(device))
      CHECK(std::find(usable.begin(), usable.end(), core) != usable.end());
}

TEST_CASE("the host's identity is the same in another process, and fits into an introduction") {
  const std::string here = host_identity();
  CHECK(here.size() <= Limits::host_bytes);
  CHECK(here == host_identity());
  const pid_t child = fork();
  if (child == 0) _exit(host_identity() == here ? 0 : 1);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("another user is another host, as far as sharing memory goes") {
  const std::string here = host_identity();
  const pid_t child = fork();
  if (child == 0) {
    // Only the end differs: the boot and the network are the same.
    if (seteuid(65534) != 0) _exit(2);
    const std::string there = host_identity();
    const auto network = [](const std::string& id) { return id.substr(0, id.rfind(' ')); };
    _exit(there != here && network(there) == network(here) ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
    MESSAGE("skipped: this process may not change its user (not root, or in a sandbox)");
    return;
  }
  CHECK(status == 0);
}

}  // namespace
}  // namespace squall::fabric
