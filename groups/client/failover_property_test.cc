// A client's machine, desks and tables of sessions together, over an order that members execute at
// their own pace: lines end, members die with what they had not ordered, words wait. Every update
// is executed once, in order, and reads do not go back. One seed, one run.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "groups/client/caller.h"
#include "groups/client/desk.h"
#include "groups/object/sessions.h"

namespace squall::clients {
namespace {

using objects::Sessions;

struct Ordered {
  std::size_t member = 0;
  Tag tag = 0;
  std::optional<std::uint64_t> secret;  // of what opens a session
  objects::SessionHeader session{};
  std::uint64_t value = 0;  // of an update
  bool read = false;
};

std::uint64_t number_in(Bytes bytes) {
  return Reader(bytes).get<std::uint64_t>();
}

/// A replica of a list of numbers.
class Replica final : public Service {
 public:
  explicit Replica(std::size_t self) : self_(self) {}

  std::optional<Away> client_opens(const Opening&, Answers& desk) override {
    desk_ = &desk;
    return std::nullopt;
  }
  std::uint64_t client_version() const override { return version_; }
  Result<> client_session(Tag tag, std::uint64_t secret) override {
    return put({self_, tag, secret, {}, 0, false});
  }
  Result<> client_update(Tag tag, const objects::SessionHeader& session, std::uint64_t,
                         Bytes arguments) override {
    return put({self_, tag, {}, session, number_in(arguments), false});
  }
  Result<> client_refuses(Tag, const objects::SessionHeader&, const Error&) override { return {}; }
  void client_read(Tag tag, std::uint64_t, Bytes) override { answer_read(tag); }
  Result<> client_read_in_order(Tag tag, std::uint64_t, Bytes) override {
    return put({self_, tag, {}, {}, 0, true});
  }

  void execute(const Ordered& call, std::uint64_t position) {
    const bool own = call.member == self_ && desk_ != nullptr;
    if (call.read) {
      if (own) answer_read(call.tag);
    } else if (call.secret) {
      sessions_.open(position, *call.secret);
      if (own) desk_->answer(call.tag, {Answer::Kind::session, Effect::no, position, {}});
    } else {
      if (sessions_.judge(call.session).verdict == Sessions::Verdict::execute) {
        list.push_back(call.value);
        version_ = position + 1;
        Writer result;
        result.put(static_cast<std::uint64_t>(list.size()));
        sessions_.record(call.session.session,
                         {call.session.sequence, position, false, Effect::yes, result.take()});
      }
      if (own) answer(call.tag, sessions_.judge(call.session));
    }
  }

  std::vector<std::uint64_t> list;
  std::deque<Ordered> put_here;  // and not ordered yet
  bool full = false;
  std::size_t executed = 0;

 private:
  Result<> put(Ordered call) {
    if (full) return fail(Code::would_block, {});
    put_here.push_back(std::move(call));
    return {};
  }
  void answer_read(Tag tag) {
    Writer result;
    result.put(static_cast<std::uint64_t>(list.size()));
    desk_->answer(tag, {Answer::Kind::value, Effect::no, version_, result.bytes()});
  }
  void answer(Tag tag, const Sessions::Judged& judged) {
    if (judged.verdict == Sessions::Verdict::answered)
      desk_->answer(
          tag, {Answer::Kind::value, Effect::yes, judged.reply->version + 1, judged.reply->bytes});
    else if (judged.verdict == Sessions::Verdict::unknown)
      desk_->answer(tag, {Answer::Kind::expired});
    else if (judged.verdict == Sessions::Verdict::early)
      desk_->answer(tag, {Answer::Kind::gap});
  }

  const std::size_t self_;
  Answers* desk_ = nullptr;
  std::uint64_t version_ = 0;
  // Few enough that others push this client's session out, in some seeds.
  Sessions sessions_{{.sessions = 4}};
};

struct Member {
  explicit Member(std::size_t self)
      : replica(self), desk([this](std::string_view) { return &replica; }) {}
  Replica replica;
  Desk desk;
  bool dead = false;
};

/// A word on its way, in the order of its line.
struct Word {
  std::vector<std::byte> bytes;
  std::optional<Error> end;
};
struct Line {
  std::size_t member = 0;
  std::deque<Word> there, back;
  bool over = false;  // at the member's end
  bool welcomed = false;
};

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed) {
    for (std::size_t at = 0; at < 3; ++at) members_.push_back(std::make_unique<Member>(at));
    target_ = caller_.open({"list", 0, 0, "List"}, now_);
    forgetful_ = random_.one_in(3);
  }

  void run() {
    const std::uint64_t total = 100;
    std::uint64_t begun = 0;
    for (int step = 0; step < 60'000 && (begun < total || caller_.calls() > 0); ++step) {
      if (begun < total && caller_.calls() < 40 && random_.one_in(4)) begin(begun);
      if (random_.one_in(150)) end_a_line();
      if (random_.one_in(600)) kill();
      if (forgetful_ && random_.one_in(400)) crowd_out();
      order();
      execute();
      carry();
      turn();
    }
    CHECK(begun == total);
    CHECK(caller_.calls() == 0);
    judge();
  }

  std::size_t lines() const { return lines_.size(); }
  std::size_t unknown() const { return unknown_.size(); }

 private:
  void begin(std::uint64_t& begun) {
    if (random_.one_in(3)) {
      const auto what = random_.one_in(2) ? Caller::What::read : Caller::What::read_in_order;
      reads_[caller_.begin(target_, what, 2, {}, now_)] = seen_;
      return;
    }
    Writer value;
    value.put(begun);
    updates_[caller_.begin(target_, Caller::What::update, 1, value.take(), now_)] = begun;
    ++begun;
  }

  void end_a_line() {
    if (lines_.empty()) return;
    Line& line = lines_.rbegin()->second;
    if (line.over) return;
    line.over = true;
    members_[line.member]->desk.ended(lines_.rbegin()->first);
    line.there.clear();
    // What was said before may still come, or not.
    if (random_.one_in(2)) line.back.clear();
    line.back.push_back({{}, Error{Code::lost, "closed the connection", ""}});
  }

  /// Two of three stay; another run takes its place, with the state.
  void kill() {
    const std::size_t victim = random_.below(3);
    Member& dead = *members_[victim];
    for (auto& [id, line] : lines_) {
      if (line.member != victim || line.over) continue;
      line.over = true;
      line.there.clear();
      line.back.push_back({{}, Error{Code::lost, "closed the connection", ""}});
    }
    // Of what it had put, a part may be in the order.
    while (!dead.replica.put_here.empty() && random_.one_in(2)) {
      order_.push_back(dead.replica.put_here.front());
      dead.replica.put_here.pop_front();
    }
    auto next = std::make_unique<Member>(victim);
    // What it missed it executes in one go: nothing of its former run is its own.
    for (std::size_t at = 0; at < order_.size(); ++at) {
      Ordered call = order_[at];
      call.member = SIZE_MAX;
      next->replica.execute(call, at);
    }
    next->replica.executed = order_.size();
    members_[victim] = std::move(next);
  }

  /// Other clients' sessions push this one's out.
  void crowd_out() {
    for (std::uint64_t other = 0; other < 5; ++other)
      order_.push_back({SIZE_MAX, 0, other, {}, 0, false});
  }

  void order() {
    auto& from = members_[random_.below(3)]->replica;
    from.full = random_.one_in(20);
    if (from.put_here.empty()) return;
    order_.push_back(std::move(from.put_here.front()));
    from.put_here.pop_front();
  }

  void execute() {
    Replica& replica = members_[random_.below(3)]->replica;
    for (auto left = random_.below(4); left > 0 && replica.executed < order_.size(); --left) {
      replica.execute(order_[replica.executed], replica.executed);
      ++replica.executed;
    }
  }

  void carry() {
    for (auto& [id, line] : lines_) {
      if (!random_.one_in(2)) continue;
      if (!line.welcomed && !line.over) {
        line.welcomed = true;
        caller_.welcomed(id, now_);
        continue;
      }
      if (!line.there.empty() && !line.over) {
        members_[line.member]->desk.said(id, line.there.front().bytes, now_);
        line.there.pop_front();
      }
      if (line.back.empty()) continue;
      const Word word = std::move(line.back.front());
      line.back.pop_front();
      if (word.end)
        caller_.ended(id, *word.end, now_);
      else
        caller_.said(id, word.bytes, now_);
    }
  }

  void turn() {
    now_ += std::chrono::microseconds(200);
    for (std::size_t at = 0; at < members_.size(); ++at) {
      members_[at]->desk.step(now_);
      for (auto& action : members_[at]->desk.take_actions()) {
        Line& line = lines_.at(action.line);
        if (line.over || line.member != at) continue;
        if (action.kind == Desk::Action::Kind::say) {
          line.back.push_back({std::move(action.bytes), {}});
        } else {
          line.over = true;
          line.back.push_back({{}, action.error});
        }
      }
    }
    caller_.step(now_);
    for (auto& action : caller_.take_actions()) {
      if (action.kind == Caller::Action::Kind::visit) {
        lines_[++last_line_].member = action.contact;
        caller_.visiting(action.contact, last_line_);
      } else if (action.kind == Caller::Action::Kind::say) {
        Line& line = lines_.at(action.line);
        if (!line.over) line.there.push_back({std::move(action.bytes), {}});
      } else {
        Line& line = lines_.at(action.line);
        if (!line.over) members_[line.member]->desk.ended(action.line);
        line.over = true;
        line.back.clear();
      }
    }
    for (const auto& done : caller_.take_done()) take(done);
  }

  void take(const Caller::Done& done) {
    if (const auto read = reads_.find(done.call); read != reads_.end()) {
      if (done.failed) {
        CHECK(objects::decode_error(done.bytes).code == Code::would_block);
        return;
      }
      const auto length = number_in(done.bytes);
      // What had been seen when it was begun is there.
      CHECK(length >= read->second);
      seen_ = std::max(seen_, length);
      return;
    }
    const std::uint64_t value = updates_.at(done.call);
    if (done.failed) {
      CHECK(forgetful_);
      CHECK(done.effect == Effect::unknown);
      unknown_.push_back(value);
      return;
    }
    const auto length = number_in(done.bytes);
    succeeded_[value] = length;
    seen_ = std::max(seen_, length);
  }

  void judge() {
    // Replicas that have executed all are equal.
    for (auto& member : members_) {
      for (; member->replica.executed < order_.size(); ++member->replica.executed)
        member->replica.execute(order_[member->replica.executed], member->replica.executed);
      CHECK(member->replica.list == members_[0]->replica.list);
    }
    const auto& list = members_[0]->replica.list;
    // Each at most once, and where its client was told that it is.
    std::vector<std::uint64_t> sorted = list;
    std::ranges::sort(sorted);
    CHECK(std::ranges::adjacent_find(sorted) == sorted.end());
    for (const auto& [value, length] : succeeded_) {
      REQUIRE(length <= list.size());
      CHECK(list[length - 1] == value);
    }
    CHECK(succeeded_.size() + unknown_.size() == 100);
    if (unknown_.empty()) CHECK(std::ranges::is_sorted(list));
    if (!forgetful_) CHECK(list.size() == 100);
  }

  Random random_;
  Time now_{};
  bool forgetful_ = false;
  std::vector<std::unique_ptr<Member>> members_;
  std::vector<Ordered> order_;
  std::map<fabric::LineId, Line> lines_;
  fabric::LineId last_line_ = 0;
  Caller caller_{{{"a", "b", "c"}, 0, std::chrono::seconds(1), std::chrono::seconds(600), 7},
                 Time{}};
  TargetId target_ = 0;
  std::map<CallNumber, std::uint64_t> updates_, reads_, succeeded_;
  std::vector<std::uint64_t> unknown_;
  std::uint64_t seen_ = 0;
};

TEST_CASE("property: whatever dies, each update of a client is executed once, in order") {
  std::size_t lines = 0, unknown = 0;
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    CAPTURE(seed);
    World world(seed);
    world.run();
    lines += world.lines();
    unknown += world.unknown();
  }
  // Something did happen to it.
  CHECK(lines > 3 * 2000);
  CHECK(unknown > 2000);
}

}  // namespace
}  // namespace squall::clients
