// What is said of devices and their ports, with a made-up host and made-up answers of libfabric.
#include "providers/ofi/ofi_port.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <rdma/fabric.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/fabric/device.h"
#include "providers/ofi/libfabric.h"
#include "providers/ofi/ofi_domain.h"
#include "providers/ofi/ofi_survey.h"
#include "providers/ofi/ofi_wire.h"

namespace squall::ofi {
namespace {

using fabric::Device;
using fabric::PortState;
namespace fs = std::filesystem;

constexpr unsigned lower_up = 1U << 16;

/// Files as /sys has them, in a folder of this test's own.
class MadeUpHost {
 public:
  MadeUpHost() {
    const char* scratch = std::getenv("TEST_TMPDIR");
    host.sys = fs::path(scratch != nullptr ? scratch : "/tmp") / fmt::format("sys-{}", getpid());
    fs::remove_all(host.sys);
    fs::create_directories(host.sys / "class");
  }
  ~MadeUpHost() { fs::remove_all(host.sys); }
  MadeUpHost(const MadeUpHost&) = delete;
  MadeUpHost& operator=(const MadeUpHost&) = delete;

  void file(const fs::path& path, std::string_view line) const {
    fs::create_directories((host.sys / path).parent_path());
    std::ofstream(host.sys / path) << line << '\n';
  }
  void interface(std::string name, std::string address, unsigned index, unsigned flags) {
    const Port port = port_of_flags(flags);
    file(fs::path("class/net") / name / "ifindex", std::to_string(index));
    host.interfaces.push_back({std::move(name), std::move(address), index, port.state, port.why});
  }
  void rdma(const std::string& name, std::string_view state, std::string_view physical) const {
    const fs::path files = fs::path("class/infiniband") / name;
    file(files / "ports/1/state", state);
    file(files / "ports/1/phys_state", physical);
    file(files / "ports/1/rate", "100 Gb/sec (4X EDR)");
    file(files / "device/numa_node", "1");
  }
  Host host;
};

/// What fi_getinfo might find.
class MadeUpInfo {
 public:
  fi_info& add(const char* provider, const char* domain, const char* address) {
    REQUIRE(libfabric::load());
    fi_info* made = libfabric::dupinfo(nullptr);
    made->domain_attr->name = strdup(domain);
    made->fabric_attr->prov_name = strdup(provider);
    made->ep_attr->type = FI_EP_MSG;
    made->addr_format = FI_SOCKADDR_IN;
    if (address != nullptr) {
      auto* ip = static_cast<sockaddr_in*>(std::calloc(1, sizeof(sockaddr_in)));
      ip->sin_family = AF_INET;
      inet_pton(AF_INET, address, &ip->sin_addr);
      made->src_addr = ip;
      made->src_addrlen = sizeof *ip;
    }
    if (last_ == nullptr)
      list_.reset(made);
    else
      last_->next = made;
    last_ = made;
    return *made;
  }
  /// With a NIC as providers of real ones describe it.
  void add_nic(fi_info& info, fi_link_state state, std::size_t speed) {
    Nic& nic = nics_.emplace_back();
    nic.link.state = state;
    nic.link.speed = speed;
    nic.bus.bus_type = FI_BUS_PCI;
    nic.bus.attr.pci = {0, 0x3b, 0, 1};
    nic.nic.link_attr = &nic.link;
    nic.nic.bus_attr = &nic.bus;
    info.nic = &nic.nic;
    described_.push_back(&info);
  }
  ~MadeUpInfo() {
    for (fi_info* info : described_) info->nic = nullptr;  // not libfabric's to free
  }
  const fi_info* list() const { return list_.get(); }

 private:
  struct Nic {
    fi_link_attr link{};
    fi_bus_attr bus{};
    fid_nic nic{};
  };
  std::deque<Nic> nics_;
  std::vector<fi_info*> described_;
  Info list_;
  fi_info* last_ = nullptr;
};

TEST_CASE("an interface is up when it is meant to be and has a carrier") {
  CHECK(port_of_flags(IFF_UP | lower_up).state == PortState::up);
  CHECK(port_of_flags(IFF_UP).state == PortState::down);
  CHECK(port_of_flags(IFF_UP).why == "no carrier");
  CHECK(port_of_flags(lower_up).state == PortState::down);
  CHECK(port_of_flags(0).why == "not up");
}

TEST_CASE("an interface's speed and NUMA node are what the kernel says, in this namespace only") {
  MadeUpHost made;
  made.interface("eth0", "10.0.0.1", 2, IFF_UP | lower_up);
  made.interface("eth1", "10.0.1.1", 3, IFF_UP | lower_up);
  made.file("class/net/eth0/speed", "25000");
  // A device on a bus on a bus: the nearest that says so.
  made.file("devices/pci0/numa_node", "1");
  made.file("devices/pci0/virtio2/name", "");
  fs::create_directory_symlink(made.host.sys / "devices/pci0/virtio2",
                               made.host.sys / "class/net/eth0/device");
  made.file("class/net/eth1/speed", "-1");
  MadeUpInfo found;
  const Port known = port_of(found.add("tcp", "eth0", "10.0.0.1"), made.host);
  CHECK(known.state == PortState::up);
  CHECK(known.speed == "25 Gb/s");
  CHECK(known.numa_node == 1);
  const Port unsaid = port_of(found.add("tcp", "eth1", "10.0.1.1"), made.host);
  CHECK(unsaid.speed == "unknown");
  CHECK(unsaid.numa_node == -1);
  made.file("class/net/eth0/ifindex", "7");
  CHECK(port_of(found.add("tcp", "eth0", "10.0.0.1"), made.host).speed == "unknown");
}

TEST_CASE("what libfabric says of a NIC counts more than what the kernel does") {
  MadeUpHost made;
  made.file("bus/pci/devices/0000:3b:00.1/numa_node", "3");
  MadeUpInfo found;
  fi_info& info = found.add("verbs", "mlx5_0", "10.0.0.1");
  found.add_nic(info, FI_LINK_UP, 200'000'000'000);
  const Port up = port_of(info, made.host);
  CHECK(up.state == PortState::up);
  CHECK(up.speed == "200 Gb/s");
  CHECK(up.numa_node == 3);
  found.add_nic(info, FI_LINK_DOWN, 0);
  CHECK(port_of(info, made.host).state == PortState::down);
  CHECK(port_of(info, made.host).why == "no link");
  found.add_nic(info, FI_LINK_UNKNOWN, 0);
  CHECK(port_of(info, made.host).state == PortState::unknown);
  // Such as the kernel knows, too.
  made.rdma("mlx5_0", "4: ACTIVE", "5: LinkUp");
  CHECK(port_of(info, made.host).state == PortState::up);
  CHECK(port_of(info, made.host).speed == "100 Gb/s");
}

TEST_CASE("a device whose port is down is passed over, and named where it is all there is") {
  MadeUpHost made;
  MadeUpInfo found;
  found.add_nic(found.add("verbs", "mlx5_0", "10.0.0.1"), FI_LINK_DOWN, 0);
  const auto none = choose_device("verbs", found.list(), made.host);
  REQUIRE(!none);
  CHECK(none.error().code == Code::unavailable);
  CHECK(none.error().what == "verbs: the port of mlx5_0 is down (no link)");
  CHECK(!none.error().remedy.empty());
  found.add("verbs", "mlx5_1", nullptr);
  CHECK(std::string_view((*choose_device("verbs", found.list(), made.host))->domain_attr->name) ==
        "mlx5_1");
  found.add("verbs", "mlx5_2", "10.0.2.1");
  CHECK(std::string_view((*choose_device("verbs", found.list(), made.host))->domain_attr->name) ==
        "mlx5_2");
}

TEST_CASE("ports that are down are shown, as not usable") {
  MadeUpHost made;
  made.interface("lo", "127.0.0.1", 1, IFF_UP | lower_up);
  made.interface("eth0", "10.0.0.1", 2, IFF_UP | lower_up);
  made.interface("eth1", "10.0.1.1", 3, IFF_UP);
  made.interface("eth2", "10.0.2.1", 4, 0);
  made.rdma("mlx5_0", "4: ACTIVE", "5: LinkUp");
  made.rdma("mlx5_1", "1: DOWN", "2: Polling");
  MadeUpInfo found;
  found.add("tcp", "lo", "127.0.0.1");
  found.add("tcp", "eth0", "10.0.0.1");
  const auto tcp = survey("tcp", "tcp", found.list(), made.host);
  REQUIRE(tcp.size() == 4);
  CHECK(tcp[0].speed == "loopback");
  CHECK(tcp[1].usable);
  for (const std::size_t at : {2U, 3U}) {
    CHECK(tcp[at].port == PortState::down);
    CHECK(!tcp[at].usable);
  }
  CHECK(tcp[2].device == "eth1");
  CHECK(tcp[2].address == "10.0.1.1");
  CHECK(tcp[2].reason == "its port is down: no carrier");
  CHECK(tcp[3].reason == "its port is down: not up");

  MadeUpInfo devices;
  devices.add("verbs", "mlx5_0", "10.0.0.1");
  const auto verbs = survey("verbs", "verbs", devices.list(), made.host);
  REQUIRE(verbs.size() == 2);
  CHECK(verbs[0].usable);
  CHECK(verbs[0].numa_node == 1);
  CHECK(verbs[1].device == "mlx5_1");
  CHECK(verbs[1].port == PortState::down);
  CHECK(verbs[1].reason == "its port is down: port 1: DOWN, Polling");
  // Up, and still not found.
  const auto unfound = survey("verbs", "verbs", nullptr, made.host);
  REQUIRE(unfound.size() == 2);
  CHECK(unfound[0].port == PortState::up);
  CHECK(!unfound[0].usable);
  CHECK(unfound[0].reason.find("driver") != std::string::npos);
}

TEST_CASE("without any device there is one row that says so") {
  MadeUpHost made;
  const auto verbs = survey("verbs", "verbs", nullptr, made.host);
  REQUIRE(verbs.size() == 1);
  CHECK(verbs[0].reason.find("no RDMA device") != std::string::npos);
  CHECK(survey("ofi:warp", "warp", nullptr, made.host)[0].reason.find("warp") != std::string::npos);
}

TEST_CASE("who asks for a port that is down learns which, why and what to do") {
  MadeUpHost made;
  made.interface("eth0", "10.0.0.1", 2, IFF_UP | lower_up);
  made.interface("eth1", "10.0.1.1", 3, IFF_UP);
  CHECK(check_local_address("10.0.0.1", made.host));
  const auto down = check_local_address("10.0.1.1", made.host);
  REQUIRE(!down);
  CHECK(down.error().code == Code::unavailable);
  CHECK(down.error().what == "10.0.1.1: the port of eth1 is down (no carrier)");
  CHECK(down.error().remedy.find("squall info") != std::string::npos);

  CHECK(check_ports("verbs", made.host));
  made.rdma("mlx5_0", "1: DOWN", "3: Disabled");
  const auto ports = check_ports("verbs", made.host);
  REQUIRE(!ports);
  CHECK(ports.error().what == "verbs: the port of mlx5_0 is down (port 1: DOWN, Disabled)");
  CHECK(check_ports("tcp", made.host));
  made.rdma("mlx5_1", "4: ACTIVE", "5: LinkUp");
  CHECK(check_ports("verbs", made.host));
}

TEST_CASE(
    "what is written is cut to what the device sends, which must be a whole message of ours") {
  MadeUpInfo found;
  fi_info& info = found.add("verbs", "mlx5_0", "10.0.0.1");
  constexpr std::size_t wanted = std::size_t{512} << 10;
  info.ep_attr->max_msg_size = std::size_t{8} << 20;
  CHECK(*largest_write(info, wanted) == wanted);
  info.ep_attr->max_msg_size = max_wire_bytes;
  CHECK(*largest_write(info, wanted) == max_wire_bytes);
  info.ep_attr->max_msg_size = max_wire_bytes - 1;
  const auto refused = largest_write(info, wanted);
  REQUIRE(!refused);
  CHECK(refused.error().code == Code::unavailable);
  CHECK(refused.error().text().find("mlx5_0 (verbs)") != std::string::npos);
  CHECK(refused.error().text().find(fmt::format("at most {} bytes", max_wire_bytes - 1)) !=
        std::string::npos);
}

}  // namespace
}  // namespace squall::ofi
