#include "test/groups/member.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "core/base/digest.h"
#include "groups/fabrics.h"
#include "test/checker/checker.h"

namespace squall::group_tests {

std::string fabric_under_test() {
  const char* asked = std::getenv("SQUALL_TEST_FABRIC");
  return asked != nullptr ? asked : "shm";
}

bool emulated() {
  return std::getenv("SQUALL_TEST_EMULATED") != nullptr;
}

namespace {

/// Shares its address with others that are bound so, of which one may listen.
int bound_to(sockaddr_in& address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  REQUIRE(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0);
  socklen_t size = sizeof(address);
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return fd;
}

}  // namespace

Listener listen_somewhere() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = bound_to(address);
  const int keeper = bound_to(address);
  REQUIRE(listen(fd, 64) == 0);
  return {fd, keeper, fmt::format("127.0.0.1:{}", ntohs(address.sin_port))};
}

Seats::Seats(std::size_t members, const std::string& fabric) : configs(members) {
  std::vector<Contact> contacts;
  for (Config& config : configs) {
    auto [fd, keeper, address] = listen_somewhere();
    config.listen_fd = fd;
    keepers_.push_back(keeper);
    config.name = std::string(1, static_cast<char>('a' + contacts.size()));
    contacts.push_back({config.name, address});
    addresses.push_back(address);
  }
  each([&](Config& config) {
    config.contacts = contacts;
    config.provider = fabric;
    config.start_timeout = patience;
    // A busy machine is no reason to suspect anyone; deaths are told by their links.
    config.failure_timeout = std::chrono::seconds(emulated() ? 10 : 2);
    config.groups = {{.name = "test"}};
  });
}

Seats::~Seats() {
  close_all();
  for (const int keeper : keepers_) close(keeper);
}

void Seats::close_all() {
  each([](Config& config) {
    if (config.listen_fd >= 0) close(config.listen_fd);
    config.listen_fd = -1;
  });
}

void Seats::take(std::size_t seat) {
  for (std::size_t i = 0; i < configs.size(); ++i) {
    if (i == seat || configs[i].listen_fd < 0) continue;
    close(configs[i].listen_fd);
    configs[i].listen_fd = -1;
  }
}

namespace {

/// When libfabric looks for its providers first it reads all symbols of the kernel, twice (verbs
/// asks whether it can register what is not its own): a tenth of a second of every process. Who is
/// forked from one that has looked need not. Nothing is open by that, except for verbs, whose
/// devices it keeps open: processes that share one do not get through to each other.
void look_at_fabrics_once() {
  static const auto seen = fabrics_on_host();
}

}  // namespace

std::vector<std::unique_ptr<Process>> start_members(Seats& seats, const Play& play) {
  const std::string& provider = seats.configs.front().provider;
  if (provider != "shm" && provider.find("verbs") == provider.npos) look_at_fabrics_once();
  std::vector<std::unique_ptr<Process>> members;
  for (std::size_t seat = 0; seat < seats.configs.size(); ++seat)
    members.push_back(std::make_unique<Process>([&](Line& line) {
      seats.take(seat);
      const Config config = seats.configs[seat];
      seats.configs[seat].listen_fd = -1;  // the node's from here on
      play(line, config);
    }));
  seats.close_all();
  return members;
}

std::unique_ptr<Node> started(const Config& config) {
  auto node = Node::start(config);
  expect(node.has_value(), node ? "" : config.name + " does not start: " + node.error().text());
  return std::move(*node);
}

void fill_payload(Rank sender, MessageNumber number, MutableBytes bytes) {
  std::uint64_t state = (std::uint64_t{sender} + 1) << 40 ^ (number + 1) * 0x9e3779b97f4a7c15;
  for (std::size_t at = 0; at < bytes.size(); at += sizeof state) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    std::memcpy(bytes.data() + at, &state, std::min(sizeof state, bytes.size() - at));
  }
}

std::vector<std::byte> payload(Rank sender, MessageNumber number, std::size_t bytes) {
  std::vector<std::byte> filled(bytes);
  fill_payload(sender, number, filled);
  return filled;
}

std::vector<std::byte> streamed(Rank seat, MessageNumber number) {
  return payload(seat, number, 100 + number % 900);
}

std::vector<std::byte> mixed(Rank seat, MessageNumber number) {
  const std::size_t large = number % 8 == 0 ? 100'000 : 20'000;
  return number % 4 == 0 ? payload(seat, number, large + number % 5000) : streamed(seat, number);
}

std::vector<std::byte> flooded(Rank seat, MessageNumber number) {
  return payload(seat, number, 8192);
}

Recorder::Recorder(Node& node, Group& group, Upcall also, ViewUpcall also_view)
    : also_(std::move(also)), also_view_(std::move(also_view)) {
  install(*node.view());
  self_ = members_[node.rank()];
  add(checker::install(self_, view_, members_));
  node.on_view([this](const ViewChange& change) {
    install(*change.view);
    add(checker::install(self_, view_, members_));
    if (also_view_) also_view_(change);
  });
  group.on_deliver([this](const Delivery& message) {
    add(checker::deliver(self_, view_, message.position, members_[message.sender], message.number,
                         digest(message.bytes)));
    if (also_) also_(message);
  });
}

void Recorder::install(const View& view) {
  view_ = view.id;
  members_.clear();
  for (const Member& member : view.members) members_.push_back({member.id, member.incarnation});
}

void Recorder::add(checker::Event event) {
  const std::lock_guard lock(mutex_);
  delivered_ += event.kind == checker::Event::Kind::deliver ? 1 : 0;
  events_.push_back(std::move(event));
}

void Recorder::sending(Bytes message) {
  add(checker::send(self_, sent_++, digest(message)));
}

std::size_t Recorder::delivered() const {
  const std::lock_guard lock(mutex_);
  return delivered_;
}

std::string Recorder::trace() const {
  const std::lock_guard lock(mutex_);
  return checker::to_text(events_);
}

std::vector<checker::Event> events_of(const std::vector<std::string>& traces,
                                      const std::vector<Rank>& killed) {
  using Kind = checker::Event::Kind;
  std::vector<checker::Event> all;
  std::set<checker::Process> known;
  for (const std::string& trace : traces) {
    auto events = checker::parse(trace);
    REQUIRE_MESSAGE(events, (events ? "" : events.error().text()));
    for (checker::Event& event : *events) {
      known.insert(event.process);
      all.push_back(std::move(event));
    }
  }
  // Of whom there is no trace: its first view, and how much the others have delivered of it.
  std::map<checker::Process, std::pair<checker::Event, MessageNumber>> gone;
  for (const checker::Event& event : all) {
    if (event.kind == Kind::install)
      for (const checker::Process& member : event.members) {
        if (known.contains(member)) continue;
        auto& [first, sent] = gone[member];
        if (first.members.empty() || event.view < first.view)
          first = checker::install(member, event.view, event.members);
      }
    if (event.kind == Kind::deliver && !known.contains(event.sender)) {
      auto& sent = gone[event.sender].second;
      sent = std::max(sent, event.number + 1);
    }
  }
  REQUIRE(gone.size() <= killed.size());
  for (const auto& [process, what] : gone) {
    const auto seat = std::ranges::find_if(killed, [&, id = process.node](Rank each) {
      return NodeId{squall::digest(as_bytes(std::string(1, static_cast<char>('a' + each))))} == id;
    });
    REQUIRE(seat != killed.end());
    all.push_back(what.first);
    for (MessageNumber number = 0; number < what.second; ++number)
      all.push_back(checker::send(process, number, digest(streamed(*seat, number))));
    all.push_back(checker::crash(process));
  }
  return all;
}

void check_traces(const std::vector<std::string>& traces, std::string_view stack,
                  const Ends& ends) {
  using Kind = checker::Event::Kind;
  checker::Checker all;
  std::vector<std::size_t> delivered;
  std::size_t sent = 0;
  std::map<checker::Process, MessageNumber> known;  // of each sender: delivered anywhere below it
  std::vector<checker::Process> first_view;
  std::set<checker::Process> gone;
  for (std::size_t at = 0; at < traces.size(); ++at) {
    auto events = checker::parse(traces[at]);
    REQUIRE_MESSAGE(events, (events ? "" : events.error().text()));
    REQUIRE_FALSE(events->empty());
    const checker::Process self = events->front().process;
    const bool stopped = std::ranges::find(ends.stopped, at) != ends.stopped.end();
    delivered.push_back(0);
    for (checker::Event& event : *events) {
      if (event.kind == Kind::install && event.view == ViewId{1}) first_view = event.members;
      if (event.kind == Kind::deliver)
        known[event.sender] = std::max(known[event.sender], event.number + 1);
      sent += event.kind == Kind::send && !stopped ? 1 : 0;
      delivered.back() += event.kind == Kind::deliver ? 1 : 0;
      all.add(std::move(event));
    }
    if (!stopped) continue;
    all.add(checker::crash(self));
    gone.insert(self);
  }
  for (const Rank dead : ends.dead) {
    // Its own record died with it, but what it sent is known.
    const checker::Process process = first_view.at(dead);
    all.add(checker::install(process, ViewId{1}, first_view));
    for (MessageNumber number = 0; number < known[process]; ++number)
      all.add(checker::send(process, number, digest(ends.message(dead, number))));
    all.add(checker::crash(process));
    gone.insert(process);
  }
  for (const checker::Process& process : gone) sent += known[process];
  checker::Guarantees promised;
  promised.total = stack.find("total") != stack.npos;
  promised.stable = stack.find("stable") != stack.npos;
  promised.causal = promised.total || stack.find("causal") != stack.npos;
  promised.quiesced = true;
  promised.merged = true;
  const auto violations = all.check(promised);
  CHECK_MESSAGE(violations.empty(), checker::report(violations, all.events(), 40));
  // Who was there from beginning to end misses nothing, also without `stable`.
  REQUIRE(sent > 0);
  for (std::size_t at = 0; at < delivered.size(); ++at)
    if (at != ends.left && std::ranges::find(ends.stopped, at) == ends.stopped.end())
      CHECK(delivered[at] == sent);
}

}  // namespace squall::group_tests
