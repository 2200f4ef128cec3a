// This test is its own member program: with a first argument "member" it acts as one.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <nlohmann/json.hpp>

#include "bench/launch/channel.h"
#include "bench/launch/crew.h"
#include "bench/launch/gather.h"
#include "bench/launch/link.h"

namespace squall::bench {
namespace {

using nlohmann::json;

/// Says what it was given, then does what it is told.
int act_as_member() {
  auto link = Link::open();
  if (!link) return 9;
  int listening = 0;
  socklen_t length = sizeof(listening);
  getsockopt(link->config().listen_fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length);
  int death = 0;
  prctl(PR_GET_PDEATHSIG, &death);
  static_cast<void>(link->channel().send({{"name", link->config().name},
                                          {"contacts", link->config().contacts.size()},
                                          {"task", link->task()},
                                          {"listening", listening != 0},
                                          {"death", death}}));
  const std::string act = link->task().value("act", "stop");
  if (act == "exit") return link->task().value("status", 0);
  if (act == "die late" || act == "fail late") usleep(50'000);  // sleep-ok: any order is right
  if (act == "fail" || act == "fail late")
    static_cast<void>(link->channel().send(
        {{"failed", act}, {"lost_another", link->task().value("lost_another", false)}}));
  if (act.starts_with("fail")) return 1;
  if (act.starts_with("die")) raise(SIGKILL);
  if (act == "deaf")
    for (;;) pause();
  while (!link->told_to_stop()) usleep(1000);  // sleep-ok: between two looks
  return 0;
}

Crew start(unsigned members, const std::function<json(unsigned)>& task) {
  Config config;
  config.provider = "shm";
  auto crew = Crew::start({{"member"}, members, config, task});
  REQUIRE_MESSAGE(crew, crew.error().text());
  return *std::move(crew);
}

Crew::News expect_news(Crew& crew) {
  auto news = crew.next(Monotonic::now() + 20s);
  REQUIRE(news);
  return *news;
}

TEST_CASE("every member gets its name, its task, its listening socket and all contacts") {
  Crew crew = start(3, [](unsigned index) { return json{{"index", index}}; });
  for (int i = 0; i < 3; ++i) {
    const auto news = expect_news(crew);
    REQUIRE(news.message);
    CHECK((*news.message)["name"] == member_name(news.member));
    CHECK((*news.message)["contacts"] == 3);
    CHECK((*news.message)["task"]["index"] == news.member);
    CHECK((*news.message)["listening"] == true);
    CHECK((*news.message)["death"] == SIGKILL);
  }
  crew.dismiss();
  for (int i = 0; i < 3; ++i) {
    const auto news = expect_news(crew);
    CHECK_FALSE(news.message);
    CHECK(news.clean_exit);
  }
  CHECK(crew.running() == 0);
}

TEST_CASE("how a member ended is told after what it said") {
  Crew crew = start(2, [](unsigned index) {
    return index == 0 ? json{{"act", "exit"}, {"status", 3}} : json{{"act", "die"}};
  });
  unsigned ended = 0;
  std::array<unsigned, 2> said{};
  while (ended < 2) {
    const auto news = expect_news(crew);
    if (news.message) {
      ++said[news.member];
      continue;
    }
    ++ended;
    CHECK(said[news.member] == 1);
    CHECK_FALSE(news.clean_exit);
    CHECK(news.how == (news.member == 0 ? "exit status 3" : "killed by signal 9"));
  }
}

TEST_CASE("a member that does not listen does not outlive its crew") {
  pid_t pid = 0;
  {
    Crew crew = start(1, [](unsigned) { return json{{"act", "deaf"}}; });
    expect_news(crew);
    pid = crew.pid(0);
    CHECK(kill(pid, 0) == 0);
  }
  CHECK(kill(pid, 0) == -1);
}

TEST_CASE("a deadline passes without news") {
  Crew crew = start(1, [](unsigned) { return json::object(); });
  expect_news(crew);
  CHECK_FALSE(crew.next(Monotonic::now() + 5ms));
  CHECK(crew.running() == 1);
}

TEST_CASE("of members that fail, the one that lost nobody is the cause, in whatever order") {
  const auto gathered = [](const json& first, const json& second, const json& third) {
    Crew crew = start(3, [&](unsigned index) { return std::array{first, second, third}[index]; });
    const auto done = gather(crew, "result", Monotonic::now() + 20s, [](const json&) {});
    return done ? std::string() : done.error().what;
  };
  const json lost{{"act", "fail"}, {"lost_another", true}};
  const json cause{{"act", "fail late"}};
  CHECK(gathered(lost, cause, lost) == "member b: fail late");
  CHECK(gathered(cause, lost, lost) == "member a: fail late");
  CHECK(gathered(lost, lost, {{"act", "die late"}}) ==
        "member c ended unexpectedly (killed by signal 9)");
  // Nobody says why: whoever was first. One that says nothing is waited for, but not for long.
  CHECK(gathered(lost, lost, lost).ends_with(": fail"));
  CHECK(gathered(lost, lost, json::object()).ends_with(": fail"));
}

TEST_CASE("a configuration crosses whole") {
  Config config;
  config.name = "b";
  config.listen = "h:1";
  config.contacts = {{"a", "h:2"}, {"b", "h:1"}};
  config.start = Start::automatic;
  config.start_timeout = 123ms;
  config.failure_timeout = 456ms;
  config.survive_losses = false;
  config.engine_thread = true;
  config.listen_fd = 7;
  config.provider = "ofi:shm";
  config.fabric_address = "::1";
  config.groups = {{"g", "fifo", {"a"}, 8192}};
  const auto back = config_from_json(to_json(config));
  REQUIRE(back);
  CHECK(to_json(*back) == to_json(config));
  CHECK(back->start == Start::automatic);
  CHECK(back->groups[0].senders == std::vector<std::string>{"a"});
  CHECK_FALSE(config_from_json(json::object()));
}

TEST_CASE("messages of any size cross a channel, and its end is told after them") {
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
  Channel reader(ends[1]);
  {
    Channel writer(ends[0]);
    REQUIRE(writer.send({{"n", 1}, {"text", "line\nbreak \xff"}}));
    REQUIRE(writer.send({{"n", 2}, {"text", std::string(50'000, 'x')}}));
  }
  CHECK((*reader.receive_until(Monotonic::now() + 1s))["n"] == 1);
  CHECK((*reader.receive_until(Monotonic::now() + 1s))["n"] == 2);
  CHECK(reader.receive_until(Monotonic::now() + 1s).error().code == Code::closed);
  CHECK(reader.closed());
}

}  // namespace
}  // namespace squall::bench

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "member") return squall::bench::act_as_member();
  return doctest::Context(argc, argv).run();
}
