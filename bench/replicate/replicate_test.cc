// `squall replicate` as people run it: the real binary, real processes, real folders.

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "core/base/time.h"
#include "groups/files/scratch.h"

namespace squall::replicate {

namespace fs = files::fs;
using files::picture;
using files::Scratch;
using files::write_file;

namespace {

/// For anything that must happen at all, under whatever load.
constexpr Duration patience = 60s;

/// What a process is started under.
struct Limits {
  rlim_t file_bytes = RLIM_INFINITY;
  std::string small_disk;  ///< a folder that is, for this process alone, a disk of 2 MiB
};

/// In a mount namespace of this process's own (mount_namespaces(7)).
bool mount_small_disk(const std::string& folder) {
  const std::string identity = fmt::format("0 {} 1", geteuid());
  if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  if (identity != "0 0 1") std::ofstream("/proc/self/uid_map") << identity << std::flush;
  return mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=2m") == 0;
}

/// The tool, started; standard output and error come back together.
class Squall {
 public:
  static constexpr int no_small_disk = 77;  ///< the exit status where that may not be made

  explicit Squall(const std::vector<std::string>& words, const Limits& limits = {}) {
    static const std::string program = fs::absolute("bench/squall");
    std::array<int, 2> ends{};
    REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
    std::vector<char*> arguments{const_cast<char*>("squall")};
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      const rlimit limit{limits.file_bytes, limits.file_bytes};
      if (limits.file_bytes != RLIM_INFINITY) setrlimit(RLIMIT_FSIZE, &limit);
      if (!limits.small_disk.empty() && !mount_small_disk(limits.small_disk)) _exit(no_small_disk);
      dup2(ends[1], STDOUT_FILENO);
      dup2(ends[1], STDERR_FILENO);
      execv(program.c_str(), arguments.data());
      _exit(126);
    }
    close(ends[1]);
    output_fd_ = ends[0];
  }
  ~Squall() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(output_fd_);
  }
  Squall(const Squall&) = delete;
  Squall& operator=(const Squall&) = delete;

  pid_t pid() const { return pid_; }
  const std::string& output() const { return output_; }

  /// Its exit status, or 128 and more for a signal; fails the test when it hangs.
  int wait() {
    const Time deadline = Monotonic::now() + patience;
    for (std::array<char, 4096> piece;;) {
      pollfd entry{output_fd_, POLLIN, 0};
      REQUIRE_MESSAGE(Monotonic::now() < deadline, "squall hangs; it said: " << output_);
      if (poll(&entry, 1, 100) <= 0) continue;
      const ssize_t got = read(output_fd_, piece.data(), piece.size());
      if (got <= 0) break;
      output_.append(piece.data(), static_cast<std::size_t>(got));
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  /// The members it started, once there are that many.
  std::vector<pid_t> members(std::size_t count) const {
    const Time deadline = Monotonic::now() + patience;
    for (;;) {
      std::vector<pid_t> found;
      std::ifstream children(fmt::format("/proc/{}/task/{}/children", pid_, pid_));
      for (pid_t child = 0; children >> child;) found.push_back(child);
      if (found.size() >= count) return found;
      REQUIRE(Monotonic::now() < deadline);
      usleep(1000);  // sleep-ok: between two looks, up to a deadline
    }
  }

 private:
  pid_t pid_ = -1;
  int output_fd_ = -1;
  std::string output_;
};

void make_tree(const fs::path& root) {
  fs::create_directories(root / "sub" / "empty");
  write_file(root / "a name\nwith a newline", "1");
  write_file(root / "nothing", "");
  write_file(root / "sub" / "larger than a ring", std::string(5'000'003, 'r'));
  for (int i = 0; i < 300; ++i)
    write_file(root / "sub" / fmt::format("{}", i), std::string(i, 's'));
  fs::create_symlink("sub/0", root / "link");
  fs::permissions(root / "sub" / "1", fs::perms(0751));
}

void write_large(const fs::path& path, std::size_t bytes) {
  std::ofstream file(path, std::ios::binary);
  const std::string block(1 << 20, 'l');
  for (std::size_t at = 0; at < bytes; at += block.size()) file << block;
}

/// Nothing that was not finished is left, under no name.
bool no_partial(const fs::path& out) {
  for (const auto& entry : fs::directory_iterator(out))
    if (entry.path().string().ends_with(".partial")) return false;
  return true;
}

/// Until `done` holds.
template <class Done>
void await(Done done) {
  const Time deadline = Monotonic::now() + patience;
  while (!done()) {
    REQUIRE(Monotonic::now() < deadline);
    usleep(1000);  // sleep-ok: between two looks, up to a deadline
  }
}

TEST_CASE("every member gets the same tree, over every local fabric and number of members") {
  const Scratch scratch;
  make_tree(scratch / "in");
  const auto expected = picture(scratch / "in");
  struct Group {
    std::string fabric;
    unsigned members;
  };
  for (const auto& [fabric, members] :
       {Group{"shm", 1}, Group{"shm", 2}, Group{"shm", 4}, Group{"tcp", 3}}) {
    CAPTURE(fabric);
    CAPTURE(members);
    const fs::path out = scratch / fmt::format("out-{}-{}", fabric, members);
    Squall squall({"replicate", scratch / "in", "--members", fmt::format("{}", members), "--fabric",
                   fabric, "--out", out});
    const int status = squall.wait();
    REQUIRE_MESSAGE(status == 0, squall.output());
    CHECK(squall.output().find("303 files") != std::string::npos);
    for (unsigned i = 0; i < members; ++i)
      CHECK(picture(out / std::string(1, static_cast<char>('a' + i))) == expected);
    CHECK(no_partial(out));
  }
}

TEST_CASE("a member whose folder cannot be used is named, and everybody stops") {
  const Scratch scratch;
  make_tree(scratch / "in");
  fs::create_directories(scratch / "out");
  write_file(scratch / "out" / "b", "in the way");
  Squall squall({"replicate", scratch / "in", "--out", scratch / "out"});
  CHECK(squall.wait() == 1);
  CHECK_MESSAGE(
      squall.output().find("member b: cannot use the output directory") != std::string::npos,
      squall.output());
  CHECK(squall.output().find("digest") == std::string::npos);
}

TEST_CASE("a full disk is told, and leaves no part of a file") {
  const Scratch scratch;
  make_tree(scratch / "in");
  Squall squall({"replicate", scratch / "in", "--out", scratch / "out"},
                {.file_bytes = 4'000'000, .small_disk = {}});
  CHECK(squall.wait() == 1);
  CHECK_MESSAGE(squall.output().find("larger than a ring: File too large") != std::string::npos,
                squall.output());
  for (const char* member : {"a", "b", "c"})
    CHECK_FALSE(fs::exists(scratch / "out" / member / "sub" / "larger than a ring"));
  CHECK(no_partial(scratch / "out"));
}

TEST_CASE("a file that changes while it is read ends the run, without it anywhere") {
  const Scratch scratch;
  fs::create_directories(scratch / "in");
  const fs::path victim = scratch / "in" / "victim";
  write_large(victim, 64 << 20);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    std::ofstream file(victim, std::ios::app);
    while (!done) {
      file << "more" << std::flush;
      usleep(100);  // sleep-ok: between two looks, up to a deadline
    }
  });
  Squall squall({"replicate", scratch / "in", "--out", scratch / "out"});
  const int status = squall.wait();
  done = true;
  writer.join();
  CHECK(status == 1);
  CHECK_MESSAGE(squall.output().find("victim changed while it was read") != std::string::npos,
                squall.output());
  for (const char* member : {"a", "b", "c"})
    CHECK_FALSE(fs::exists(scratch / "out" / member / "victim"));
  CHECK(no_partial(scratch / "out"));
}

/// A folder that takes some time.
void make_large_tree(const fs::path& root) {
  make_tree(root);
  for (const char* name : {"large", "larger", "largest"}) write_large(root / name, 64 << 20);
}

TEST_CASE("a receiver that is killed is named, and the others end with everything") {
  const Scratch scratch;
  make_large_tree(scratch / "in");
  Squall squall({"replicate", scratch / "in", "--out", scratch / "out"});
  const auto members = squall.members(3);
  await([&] { return fs::exists(scratch / "out" / ".c.partial"); });
  kill(members[1], SIGKILL);
  CHECK(squall.wait() == 1);  // not all that were asked for
  const std::string& said = squall.output();
  CHECK_MESSAGE(
      said.find("member b: it ended unexpectedly (killed by signal 9)") != std::string::npos, said);
  CHECK_MESSAGE(said.find(": a, c; gone: b: ") != std::string::npos, said);
  CHECK_MESSAGE(said.find("2 of 3 members hold everything") != std::string::npos, said);
  const auto expected = picture(scratch / "in");
  CHECK(picture(scratch / "out" / "a") == expected);
  CHECK(picture(scratch / "out" / "c") == expected);
  CHECK_FALSE(fs::exists(scratch / "out" / ".a.partial"));
  CHECK_FALSE(fs::exists(scratch / "out" / ".c.partial"));
}

TEST_CASE("the sender is killed: the others stop, say so, and leave no part of a file") {
  const Scratch scratch;
  fs::create_directories(scratch / "in");
  write_large(scratch / "in" / "large", 256 << 20);
  Squall squall({"replicate", scratch / "in", "--out", scratch / "out"});
  const auto members = squall.members(3);
  await([&] { return fs::exists(scratch / "out" / ".c.partial"); });
  kill(members[0], SIGKILL);
  CHECK(squall.wait() == 1);
  const std::string& said = squall.output();
  CHECK_MESSAGE(said.find("the sender is lost: a: ") != std::string::npos, said);
  for (const char* member : {"b", "c"}) {
    CHECK_FALSE(fs::exists(scratch / "out" / member / "large"));
    CHECK_FALSE(fs::exists(scratch / "out" / fmt::format(".{}.partial", member)));
  }
}

TEST_CASE("one of three is killed in the middle, one more joins, and all have the same bytes") {
  for (const std::string fabric : {"shm", "tcp"}) {
    CAPTURE(fabric);
    const Scratch scratch;
    make_large_tree(scratch / "in");
    // On a busy machine who joins may be late.
    Squall squall({"replicate", scratch / "in", "--fabric", fabric, "--kill", "b", "--join",
                   "--node-failure-timeout", "20000", "--out", scratch / "out"});
    const int status = squall.wait();
    const std::string& said = squall.output();
    REQUIRE_MESSAGE(status == 0, said);
    CHECK_MESSAGE(said.find(": a, c; gone: b: ") != std::string::npos, said);
    CHECK_MESSAGE(said.find(": a, c, d; came: d") != std::string::npos, said);
    CHECK_MESSAGE(said.find("to 3 members") != std::string::npos, said);
    const auto expected = picture(scratch / "in");
    for (const char* member : {"a", "c", "d"}) CHECK(picture(scratch / "out" / member) == expected);
  }
}

TEST_CASE("who joins is waited for, however soon all is done") {
  const Scratch scratch;
  make_tree(scratch / "in");
  Squall squall({"replicate", scratch / "in", "--fabric", "tcp", "--kill", "b", "--join",
                 "--node-failure-timeout", "20000", "--out", scratch / "out"});
  const int status = squall.wait();
  const std::string& said = squall.output();
  REQUIRE_MESSAGE(status == 0, said);
  CHECK_MESSAGE(said.find(": a, c, d; came: d") != std::string::npos, said);
  CHECK_MESSAGE(said.find("to 3 members") != std::string::npos, said);
  CHECK(picture(scratch / "out" / "d") == picture(scratch / "in"));
}

TEST_CASE("who joins is let in by the others when the sender was killed behind the end") {
  const Scratch scratch;
  make_tree(scratch / "in");
  Squall squall({"replicate", scratch / "in", "--kill", "a", "--join", "--node-failure-timeout",
                 "20000", "--out", scratch / "out"});
  const int status = squall.wait();
  const std::string& said = squall.output();
  // Or before it: then it was in the middle, and all say so.
  if (said.find("the sender is lost: a: ") != said.npos) {
    CHECK(status == 1);
    return;
  }
  REQUIRE_MESSAGE(status == 0, said);
  CHECK_MESSAGE(said.find(": b, c, d; came: d") != std::string::npos, said);
  CHECK(picture(scratch / "out" / "d") == picture(scratch / "in"));
}

TEST_CASE("a joiner that nobody is left to let in does not wait") {
  const Scratch scratch;
  make_tree(scratch / "in");
  Squall squall({"replicate", scratch / "in", "--members", "1", "--kill", "a", "--join", "--out",
                 scratch / "out"});
  CHECK(squall.wait() == 1);
  CHECK_MESSAGE(squall.output().find("0 of 1 members hold everything") != std::string::npos,
                squall.output());
}

TEST_CASE("a joiner that dies before it is in is named, and waited for no longer") {
  const Scratch scratch;
  fs::create_directories(scratch / "in");
  write_large(scratch / "in" / "large", 64 << 20);  // it is called when a third of that is there
  Squall squall({"replicate", scratch / "in", "--join", "--out", scratch / "out"});
  kill(squall.members(4)[3], SIGKILL);
  CHECK(squall.wait() == 1);
  const std::string& said = squall.output();
  CHECK_MESSAGE(said.find("member d: it ended unexpectedly (killed by signal 9)") != said.npos,
                said);
  CHECK_MESSAGE(said.find("told to stop") == said.npos, said);
}

TEST_CASE("Ctrl-C ends members and command, and cleans up") {
  const Scratch scratch;
  fs::create_directories(scratch / "in");
  write_large(scratch / "in" / "large", 256 << 20);
  Squall squall({"replicate", scratch / "in", "--out", scratch / "out"});
  const auto members = squall.members(3);
  await([&] { return fs::exists(scratch / "out" / ".c.partial"); });
  kill(squall.pid(), SIGINT);
  CHECK(squall.wait() == 1);
  for (const pid_t member : members) CHECK(kill(member, 0) != 0);
  CHECK(no_partial(scratch / "out"));
}

TEST_CASE("no member outlives a command that is killed") {
  const Scratch scratch;
  fs::create_directories(scratch / "in");
  write_large(scratch / "in" / "large", 256 << 20);
  Squall squall({"replicate", scratch / "in", "--out", scratch / "out"});
  const auto members = squall.members(3);
  kill(squall.pid(), SIGKILL);
  squall.wait();
  // They are not ours to wait for: gone, or dead and waiting for whoever reaps orphans here.
  const auto dead = [](pid_t pid) {
    std::ifstream stat(fmt::format("/proc/{}/stat", pid));
    std::string number;
    std::string name;
    std::string state;
    return !(stat >> number >> name >> state) || state == "Z" || state == "X";
  };
  for (const pid_t member : members) await([&] { return dead(member); });
}

TEST_CASE("wrong arguments are told with status 2") {
  const Scratch scratch;
  make_tree(scratch / "in");
  Squall missing({"replicate", scratch / "none", "--out", scratch / "out"});
  CHECK(missing.wait() == 2);
  CHECK(missing.output().find("none: No such file") != std::string::npos);
  Squall inside({"replicate", scratch / "in", "--out", scratch / "in/sub/out"});
  CHECK(inside.wait() == 2);
  CHECK(inside.output().find("lies inside") != std::string::npos);
  Squall no_out({"replicate", scratch / "in"});
  CHECK(no_out.wait() == 2);
}

TEST_CASE("an unknown fabric is told at once, with those that are there") {
  const Scratch scratch;
  make_tree(scratch / "in");
  Squall squall(
      {"replicate", scratch / "in", "--fabric", "carrier pigeon", "--out", scratch / "out"});
  CHECK(squall.wait() == 2);
  CHECK_MESSAGE(squall.output().find("carrier pigeon") != std::string::npos, squall.output());
  CHECK(squall.output().find("shm") != std::string::npos);
}

/// Ports that were free just now.
std::vector<unsigned> free_ports(std::size_t count) {
  std::vector<unsigned> ports;
  std::vector<int> held;
  for (std::size_t i = 0; i < count; ++i) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    held.push_back(socket(AF_INET, SOCK_STREAM, 0));
    REQUIRE(bind(held.back(), reinterpret_cast<sockaddr*>(&address), length) == 0);
    REQUIRE(getsockname(held.back(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    ports.push_back(ntohs(address.sin_port));
  }
  for (const int fd : held) close(fd);
  return ports;
}

TEST_CASE("one member at a time, from one configuration for all; receivers need no PATH") {
  const Scratch scratch;
  make_tree(scratch / "in");
  const auto ports = free_ports(2);
  write_file(scratch / "group.toml",
             fmt::format("[node]\ncontacts = [\"one@127.0.0.1:{}\", \"two@127.0.0.1:{}\"]\n"
                         "[fabric]\nprovider = \"tcp\"\n[group.files]\nring_bytes = \"256 KiB\"\n",
                         ports[0], ports[1]));
  const std::string config = scratch / "group.toml";
  Squall two({"replicate", "--config", config, "--name", "two", "--out", scratch / "out"});
  Squall one(
      {"replicate", scratch / "in", "--config", config, "--name", "one", "--out", scratch / "out"});
  REQUIRE_MESSAGE(one.wait() == 0, one.output());
  REQUIRE_MESSAGE(two.wait() == 0, two.output());
  CHECK(picture(scratch / "out" / "one") == picture(scratch / "in"));
  CHECK(picture(scratch / "out" / "two") == picture(scratch / "in"));
}

TEST_CASE("a disk that is full at one member only is told there, and ends the others") {
  const Scratch scratch;
  make_tree(scratch / "in");
  fs::create_directories(scratch / "full");
  const auto ports = free_ports(2);
  write_file(scratch / "group.toml",
             fmt::format("[node]\ncontacts = [\"one@127.0.0.1:{}\", \"two@127.0.0.1:{}\"]\n"
                         "[fabric]\nprovider = \"tcp\"\n",
                         ports[0], ports[1]));
  const std::string config = scratch / "group.toml";
  Squall two({"replicate", "--config", config, "--name", "two", "--out", scratch / "full"},
             {.file_bytes = RLIM_INFINITY, .small_disk = scratch / "full"});
  Squall one(
      {"replicate", scratch / "in", "--config", config, "--name", "one", "--out", scratch / "out"});
  const int status = two.wait();
  if (status == Squall::no_small_disk) {
    kill(one.pid(), SIGTERM);
    one.wait();
    std::printf("SKIPPED: a full disk at one member: this user may not mount a small one\n");
    return;
  }
  CHECK(status == 1);
  CHECK_MESSAGE(two.output().find("larger than a ring: No space left") != std::string::npos,
                two.output());
  CHECK_MESSAGE(two.output().find("make room") != std::string::npos, two.output());
  CHECK(one.wait() == 1);
  CHECK_MESSAGE(one.output().find("two") != std::string::npos, one.output());
  CHECK(no_partial(scratch / "out"));
}

TEST_CASE("a peer that never comes is named, after the configured wait") {
  const Scratch scratch;
  make_tree(scratch / "in");
  const auto ports = free_ports(2);
  write_file(scratch / "group.toml",
             fmt::format("[node]\nstart_timeout_ms = 300\n"
                         "contacts = [\"one@127.0.0.1:{}\", \"two@127.0.0.1:{}\"]\n",
                         ports[0], ports[1]));
  Squall one({"replicate", scratch / "in", "--config", scratch / "group.toml", "--name", "one",
              "--out", scratch / "out"});
  CHECK(one.wait() == 1);
  CHECK_MESSAGE(one.output().find("two") != std::string::npos, one.output());
}

}  // namespace
}  // namespace squall::replicate
