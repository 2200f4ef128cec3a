#include "core/fabric/topology.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hwloc.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

// Debian 12's headers have it; older ones do not.
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace squall::fabric {
namespace {

struct Destroy {
  void operator()(hwloc_topology_t topology) const { hwloc_topology_destroy(topology); }
};
using Topology = std::unique_ptr<hwloc_topology, Destroy>;
struct Free {
  void operator()(hwloc_bitmap_t bitmap) const { hwloc_bitmap_free(bitmap); }
};
using Bitmap = std::unique_ptr<hwloc_bitmap_s, Free>;

Topology discover() {
  hwloc_topology_t made = nullptr;
  if (hwloc_topology_init(&made) != 0) return nullptr;
  Topology topology(made);
  hwloc_topology_set_io_types_filter(made, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
  // Where they are installed (Open MPI brings them): they ask X servers and GPUs, which are nothing
  // to us, and libpciaccess, which leaks, for what the kernel's files say as well.
  for (const char* plugin : {"gl", "opencl", "pci"})
    static_cast<void>(
        hwloc_topology_set_components(made, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, plugin));
  if (hwloc_topology_load(made) != 0) return nullptr;
  return topology;
}

/// nullptr if the host cannot be discovered; read-only, and so shared by threads, once loaded.
hwloc_topology_t topology() {
  static const Topology loaded = discover();
  return loaded.get();
}

Bitmap bitmap_of(const std::vector<Core>& cores) {
  Bitmap bitmap(hwloc_bitmap_alloc());
  for (const Core core : cores) hwloc_bitmap_set(bitmap.get(), core);
  return bitmap;
}

/// An affinity mask that is large enough for this kernel.
std::vector<Core> read_affinity() {
  for (std::size_t cpus = CPU_SETSIZE; cpus <= (std::size_t{1} << 20); cpus *= 2) {
    std::vector<cpu_set_t> mask(CPU_ALLOC_SIZE(cpus) / sizeof(cpu_set_t));
    const std::size_t bytes = mask.size() * sizeof(cpu_set_t);
    if (sched_getaffinity(0, bytes, mask.data()) != 0) {
      if (errno == EINVAL) continue;
      break;
    }
    std::vector<Core> cores;
    for (Core core = 0; core < cpus; ++core)
      if (CPU_ISSET_S(core, bytes, mask.data())) cores.push_back(core);
    return cores;
  }
  return {};
}

hwloc_obj_t find_device(hwloc_topology_t host, std::string_view device) {
  const std::string wanted(device);
  if (hwloc_obj_t pci = hwloc_get_pcidev_by_busidstring(host, wanted.c_str())) return pci;
  for (hwloc_obj_t at = hwloc_get_next_osdev(host, nullptr); at != nullptr;
       at = hwloc_get_next_osdev(host, at))
    if (at->name != nullptr && wanted == at->name) return at;
  return nullptr;
}

std::optional<std::uint64_t> network_namespace() {
  // The cookie is readable also by a daemon that dropped its privileges, whose /proc is not.
  std::uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  const int any = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool has = getsockopt(any, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0;
  if (any >= 0) close(any);
  if (has) return cookie;
  struct stat inode {};  // Linux before 5.14
  if (stat("/proc/self/ns/net", &inode) != 0) return std::nullopt;
  return inode.st_ino;
}

}  // namespace

std::vector<Core> usable_cores() {
  auto cores = read_affinity();
  if (cores.empty()) cores.push_back(0);
  return cores;
}

std::size_t online_cores() {
  return static_cast<std::size_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
}

std::size_t shared_cache_bytes() {
  hwloc_topology_t host = topology();
  if (host == nullptr) return 0;
  const Bitmap usable = bitmap_of(usable_cores());
  std::size_t most = 0;
  for (const hwloc_obj_type_t type : {HWLOC_OBJ_L1CACHE, HWLOC_OBJ_L2CACHE, HWLOC_OBJ_L3CACHE,
                                      HWLOC_OBJ_L4CACHE, HWLOC_OBJ_L5CACHE}) {
    for (hwloc_obj_t at = hwloc_get_next_obj_by_type(host, type, nullptr); at != nullptr;
         at = hwloc_get_next_obj_by_type(host, type, at))
      if (hwloc_bitmap_isincluded(usable.get(), at->cpuset))
        most = std::max<std::size_t>(most, at->attr->cache.size);
  }
  return most;
}

std::size_t numa_nodes() {
  hwloc_topology_t host = topology();
  const int count = host == nullptr ? 1 : hwloc_get_nbobjs_by_type(host, HWLOC_OBJ_NUMANODE);
  return static_cast<std::size_t>(std::max(1, count));
}

std::vector<Core> cores_near(std::string_view device) {
  hwloc_topology_t host = topology();
  if (host == nullptr) return {};
  hwloc_obj_t found = find_device(host, device);
  if (found == nullptr) return {};
  const hwloc_obj_t place = hwloc_get_non_io_ancestor_obj(host, found);
  if (place == nullptr || place->cpuset == nullptr) return {};
  std::vector<Core> near;
  for (const Core core : usable_cores())
    if (hwloc_bitmap_isset(place->cpuset, core)) near.push_back(core);
  return near;
}

Result<> pin_this_thread(Core core) {
  // Not through hwloc: this needs no discovery.
  const std::vector<Core> usable = usable_cores();
  if (std::find(usable.begin(), usable.end(), core) == usable.end())
    return fail(Code::invalid, fmt::format("this thread may not run on core {}", core),
                fmt::format("choose one of {}, or widen its affinity", fmt::join(usable, ", ")));
  std::vector<cpu_set_t> mask(core / CPU_SETSIZE + 1);
  const std::size_t bytes = mask.size() * sizeof(cpu_set_t);
  CPU_ZERO_S(bytes, mask.data());
  CPU_SET_S(core, bytes, mask.data());
  const int error = pthread_setaffinity_np(pthread_self(), bytes, mask.data());
  if (error != 0) return fail_errno(fmt::format("cannot pin to core {}", core), error);
  return {};
}

std::string host_identity() {
  std::string boot = "unknown boot";
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  if (file) std::getline(file, boot);
  const auto network = network_namespace();
  // Equal to no other process, rather than to one that it cannot share with.
  if (!file || !network) return fmt::format("unknown {} {}", boot, getpid());
  return fmt::format("{} {} {}", boot, *network, geteuid());
}

}  // namespace squall::fabric
