// Each property: a trace that keeps it, and the same trace broken, which must be found out and
// named. What is expected is the exact set of properties that are reported.

#include "test/checker/checker.h"

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "doctest/doctest.h"
#include "test/checker/trace.h"

namespace squall::checker {
namespace {

// Causal order apart: what breaks another property often breaks it, too.
constexpr Guarantees everything{.stable = true, .causal = false, .quiesced = true};
constexpr Guarantees ordered{.stable = true, .causal = false, .quiesced = false};
constexpr Guarantees stable_only{.total = false, .stable = true, .causal = false, .quiesced = true};
constexpr Guarantees causal_only{.total = false, .stable = true, .quiesced = true};
constexpr Guarantees fifo_only{.total = false, .stable = false, .quiesced = true};

// Three members; the third crashes behind, and comes back in the next view.
const std::string correct = R"(
install 1.1 1 1.1,2.1,3.1
install 2.1 1 1.1,2.1,3.1
install 3.1 1 1.1,2.1,3.1
send 1.1 0 a0
send 2.1 0 b0
deliver 1.1 1 0 1.1 0 a0
deliver 1.1 1 1 2.1 0 b0
send 1.1 1 a1
send 3.1 0 c0
deliver 2.1 1 0 1.1 0 a0
deliver 3.1 1 0 1.1 0 a0
deliver 1.1 1 2 1.1 1 a1
deliver 2.1 1 1 2.1 0 b0
deliver 3.1 1 1 2.1 0 b0
deliver 2.1 1 2 1.1 1 a1
crash 3.1
install 1.1 2 1.1,2.1,3.2
install 2.1 2 1.1,2.1,3.2
install 3.2 2 1.1,2.1,3.2
send 3.2 0 d0
send 2.1 1 b1
deliver 1.1 2 3 3.2 0 d0
deliver 2.1 2 3 3.2 0 d0
deliver 3.2 2 3 3.2 0 d0
deliver 1.1 2 4 2.1 1 b1
deliver 2.1 2 4 2.1 1 b1
deliver 3.2 2 4 2.1 1 b1
)";

std::vector<Violation> violations(std::string_view text, const Guarantees& guarantees) {
  Checker checker;
  const auto events = parse(text).value();
  for (const Event& event : events) checker.add(event);
  return checker.check(guarantees);
}

/// Names of properties, which doctest can print.
struct Names : std::set<std::string> {
  using std::set<std::string>::set;
};
doctest::String toString(const Names& names) {
  std::string text;
  for (const std::string& each : names) text += (text.empty() ? "" : ", ") + each;
  return text.c_str();
}

Names broken(std::string_view text, const Guarantees& guarantees = everything) {
  Names names;
  for (const Violation& violation : violations(text, guarantees)) {
    const std::string property(name(violation.property));
    CHECK(violation.text.find(property + ": ") == 0);
    names.insert(property);
  }
  return names;
}

/// `correct` with every occurrence of a part replaced; the part must be there.
std::string with(std::string_view part, std::string_view replacement, std::string text = correct) {
  std::size_t at = text.find(part);
  REQUIRE(at != text.npos);
  for (; at != text.npos; at = text.find(part, at + replacement.size()))
    text.replace(at, part.size(), replacement);
  return text;
}

std::string without(std::string_view line) {
  return with(std::string(line) + "\n", "");
}

TEST_CASE("a correct trace breaks nothing, under any guarantees") {
  for (const Guarantees& guarantees :
       {everything, ordered, stable_only, causal_only, fifo_only, Guarantees{}})
    CHECK(broken(correct, guarantees) == Names{});
  CHECK(broken("") == Names{});
}

TEST_CASE("well-formed: nothing after a crash, no number twice, no empty view") {
  CHECK(broken(correct + "send 3.1 1 c1\n") == Names{"well-formed trace"});
  CHECK(broken(with("send 2.1 1 b1", "send 2.1 1 b1\nsend 2.1 1 b2")) ==
        Names{"well-formed trace"});
  Checker checker;
  checker.add(install({NodeId{1}, Incarnation{1}}, ViewId{1}, {}));
  REQUIRE_FALSE(checker.check(everything).empty());
  CHECK(checker.check(everything)[0].property == Property::well_formed);
}

TEST_CASE("self-inclusion: who installs a view is in it") {
  CHECK(broken(with(" 2 1.1,2.1,3.2", " 2 1.1,2.1")) == Names{"self-inclusion"});
  // Another incarnation of the same node is not it.
  CHECK(broken(with(" 2 1.1,2.1,3.2", " 2 1.1,2.1,3.1")) == Names{"self-inclusion"});
}

TEST_CASE("monotone views: ids grow at a process, and across its restarts") {
  CHECK(broken(correct + "install 1.1 2 1.1,2.1,3.2\n") == Names{"monotone views"});
  CHECK(broken("install 1.1 5 1.1\ncrash 1.1\ninstall 1.2 6 1.2\n") == Names{});
  CHECK(broken("install 1.1 5 1.1\ncrash 1.1\ninstall 1.2 4 1.2\n") == Names{"monotone views"});
  CHECK(broken("install 1.1 5 1.1,1.2\ncrash 1.1\ninstall 1.2 5 1.1,1.2\n") ==
        Names{"monotone views"});
  // Started at once, the earlier run may be in later; each by itself moves on all the same.
  Guarantees at_once = everything;
  at_once.runs_in_turn = false;
  CHECK(broken("install 1.2 4 1.2\ncrash 1.2\ninstall 1.1 5 1.1\n", at_once) == Names{});
  CHECK(broken(correct + "install 1.1 2 1.1,2.1,3.2\n", at_once) == Names{"monotone views"});
}

TEST_CASE("view agreement: one id, one list of members in one order") {
  CHECK(broken(with("install 2.1 2 1.1,2.1,3.2", "install 2.1 2 2.1,1.1,3.2")) ==
        Names{"view agreement"});
  CHECK(broken(with("install 2.1 2 1.1,2.1,3.2", "install 2.1 2 1.1,2.1,3.2,4.1")) ==
        Names{"view agreement"});
}

TEST_CASE("initial view event: nothing before it, and deliveries in the view that is installed") {
  CHECK(broken(without("install 3.2 2 1.1,2.1,3.2")) == Names{"initial view event"});
  CHECK(broken("send 1.1 0 a0\ninstall 1.1 1 1.1\n", ordered) == Names{"initial view event"});
  CHECK(broken(with("deliver 2.1 2 3", "deliver 2.1 1 3"), fifo_only) ==
        Names{"initial view event"});
}

TEST_CASE("primary uniqueness: on a view follows one view") {
  const std::string alone =
      "install 1.1 1 1.1,2.1\ninstall 2.1 1 1.1,2.1\ninstall 1.1 2 1.1,2.1\n"
      "install 2.1 2 1.1,2.1\n";
  CHECK(broken(alone) == Names{});
  // The second goes from 1 to 3, without 2; the half with rank 0 had not followed it there.
  CHECK(broken(with("install 2.1 2 1.1,2.1", "install 2.1 3 2.1", alone)) ==
        Names{"primary uniqueness", "primary continuity"});
  // A joiner begins anywhere.
  CHECK(broken(alone + "install 1.1 3 1.1,2.1,3.1\ninstall 2.1 3 1.1,2.1,3.1\n"
                       "install 3.1 3 1.1,2.1,3.1\n") == Names{});
}

TEST_CASE("primary continuity: a majority of the view before has accepted the next") {
  const std::string begin =
      "install 1.1 1 1.1,2.1,3.1\ninstall 2.1 1 1.1,2.1,3.1\ninstall 3.1 1 1.1,2.1,3.1\n";
  Guarantees told = everything;
  told.acceptances = true;
  // Two sides of a split each go on; only one of them may.
  const std::string split =
      begin + "install 1.1 2 1.1\ninstall 2.1 2 2.1,3.1\ninstall 3.1 2 2.1,3.1\n";
  CHECK(broken(split) == Names{"view agreement", "primary continuity"});
  // What became of the others is not known: they may have voted, unless the trace would tell.
  const std::string minority = begin + "crash 2.1\ncrash 3.1\ninstall 1.1 2 1.1\n";
  CHECK(broken(minority) == Names{});
  CHECK(broken(minority, told) == Names{"primary continuity"});
  // A vote and then a crash; a vote that comes too late; a vote for something else.
  const std::string voted = with("crash 2.1", "accept 2.1 2 1.1\ncrash 2.1", minority);
  CHECK(broken(voted, told) == Names{});
  CHECK(broken(with("crash 2.1\n", "", minority) + "accept 2.1 2 1.1\ncrash 2.1\n", told) ==
        Names{"primary continuity"});
  CHECK(broken(with("accept 2.1 2 1.1", "accept 2.1 2 1.1,2.1", voted), told) ==
        Names{"primary continuity"});
  // Of an even split, the half with rank 0.
  CHECK(broken("install 1.1 1 1.1,2.1\ncrash 2.1\ninstall 1.1 2 1.1\n", told) == Names{});
  CHECK(broken("install 2.1 1 1.1,2.1\ncrash 1.1\ninstall 2.1 2 2.1\n", told) ==
        Names{"primary continuity"});
}

TEST_CASE("integrity: what is delivered was sent, earlier, with these bytes") {
  CHECK(broken(without("send 2.1 1 b1")) == Names{"integrity"});
  CHECK(broken(with("deliver 3.1 1 1 2.1 0 b0", "deliver 3.1 1 1 2.1 0 b1")) == Names{"integrity"});
  const std::string late = without("send 2.1 1 b1") + "send 2.1 1 b1\n";
  CHECK(broken(late) == Names{"integrity"});
  Guarantees merged = everything;
  merged.merged = true;
  CHECK(broken(late, merged) == Names{});
  CHECK(broken(without("send 2.1 1 b1"), merged) == Names{"integrity"});
}

TEST_CASE("no duplication: once at each process") {
  const std::string twice = "deliver 2.1 2 5 2.1 1 b1\n";
  CHECK(broken(correct + twice, fifo_only) == Names{"no duplication"});
  CHECK(broken(correct + twice) == Names{"no duplication", "total order"});
  CHECK(broken(with("deliver 2.1 2 3 3.2 0 d0", "deliver 2.1 2 3 1.1 1 a1"), fifo_only) ==
        Names{"no duplication"});
}

TEST_CASE("same-view delivery: a message belongs to one view") {
  const std::string joiner_too = with("send 3.2 0 d0", "deliver 3.2 2 2 1.1 1 a1\nsend 3.2 0 d0");
  CHECK(broken(joiner_too, stable_only) == Names{"same-view delivery"});
  CHECK(broken(joiner_too, fifo_only) == Names{});
}

TEST_CASE("virtual synchrony: who goes together has delivered together") {
  const std::string behind = without("deliver 2.1 1 2 1.1 1 a1");
  CHECK(broken(behind, stable_only) == Names{"virtual synchrony", "safe delivery"});
  CHECK(broken(behind, fifo_only) == Names{});
  const std::string later = with("install 2.1 2 1.1,2.1,3.2\n",
                                 "install 2.1 2 1.1,2.1,3.2\ndeliver 2.1 2 2 1.1 1 a1\n", behind);
  CHECK(broken(later, stable_only) ==
        Names{"virtual synchrony", "same-view delivery", "safe delivery"});
  // The first of the two is the one that lacks it.
  CHECK(broken(without("deliver 1.1 1 2 1.1 1 a1"), stable_only) ==
        Names{"virtual synchrony", "safe delivery", "self-delivery"});
  // One that crashed in the old view may lack it: 3.1 never delivers a1.
  CHECK(broken(correct).empty());
}

TEST_CASE("self-delivery: a sender that lives delivers its own, once all is quiet") {
  const std::string nobody =
      without("deliver 1.1 2 4 2.1 1 b1\ndeliver 2.1 2 4 2.1 1 b1\ndeliver 3.2 2 4 2.1 1 b1");
  CHECK(broken(nobody) == Names{"self-delivery"});
  CHECK(broken(nobody, ordered) == Names{});
  CHECK(broken(nobody + "crash 2.1\n") == Names{});
  CHECK(broken(nobody + "install 1.1 3 1.1,3.2\ninstall 3.2 3 1.1,3.2\n") == Names{});
}

TEST_CASE("FIFO: a sender's messages in its order, and none left out") {
  CHECK(broken(with("deliver 2.1 1 0 1.1 0 a0", "deliver 2.1 1 0 1.1 1 a1",
                    with("deliver 2.1 1 2 1.1 1 a1", "deliver 2.1 1 2 1.1 0 a0")),
               fifo_only) == Names{"FIFO"});
  // The sender's first is left out.
  CHECK(broken(without("deliver 2.1 1 0 1.1 0 a0"), fifo_only) == Names{"FIFO"});
  const std::string three = R"(
install 1.1 1 1.1,2.1
install 2.1 1 1.1,2.1
send 1.1 0 a0
send 1.1 1 a1
send 1.1 2 a2
deliver 1.1 1 0 1.1 0 a0
deliver 1.1 1 1 1.1 1 a1
deliver 1.1 1 2 1.1 2 a2
deliver 2.1 1 0 1.1 0 a0
deliver 2.1 1 1 1.1 1 a1
deliver 2.1 1 2 1.1 2 a2
)";
  CHECK(broken(three, fifo_only) == Names{});
  CHECK(broken(with("deliver 2.1 1 1 1.1 1 a1\n", "", three), fifo_only) == Names{"FIFO"});
  // A joiner may start anywhere, and then goes on in order.
  CHECK(broken("install 1.1 1 1.1\nsend 1.1 0 a0\nsend 1.1 1 a1\ndeliver 1.1 1 0 1.1 0 a0\n"
               "deliver 1.1 1 1 1.1 1 a1\ninstall 1.1 2 1.1,2.1\ninstall 2.1 2 1.1,2.1\n"
               "deliver 2.1 2 0 1.1 1 a1\ndeliver 2.1 2 1 1.1 0 a0\n",
               fifo_only) == Names{"FIFO"});
  // The tail may be missing, and a joiner starts where it starts.
  CHECK(broken(with("deliver 2.1 1 2 1.1 2 a2\n", "", three), fifo_only) == Names{});
  CHECK(broken(with("deliver 2.1 2 0 1.1 0 a0\n", "",
                    with("install 2.1 1 1.1,2.1\n", "install 2.1 2 1.1,2.1\n",
                         with("deliver 2.1 1", "deliver 2.1 2", three))),
               fifo_only) == Names{});
}

TEST_CASE("causal order: after all that its sender had delivered when it sent it") {
  const std::string answer = R"(
install 1.1 1 1.1,2.1,3.1
install 2.1 1 1.1,2.1,3.1
install 3.1 1 1.1,2.1,3.1
send 1.1 0 a0
deliver 1.1 1 0 1.1 0 a0
deliver 2.1 1 0 1.1 0 a0
send 2.1 0 b0
deliver 2.1 1 1 2.1 0 b0
deliver 1.1 1 1 2.1 0 b0
deliver 3.1 1 0 1.1 0 a0
deliver 3.1 1 1 2.1 0 b0
)";
  CHECK(broken(answer, causal_only) == Names{});
  const std::string swapped = with("deliver 3.1 1 0 1.1 0 a0\ndeliver 3.1 1 1 2.1 0 b0\n",
                                   "deliver 3.1 1 0 2.1 0 b0\ndeliver 3.1 1 1 1.1 0 a0\n", answer);
  CHECK(broken(swapped, causal_only) == Names{"causal order"});
  CHECK(broken(swapped, stable_only) == Names{});
  CHECK(broken(swapped, fifo_only) == Names{});
  // It had not delivered it yet: the two are concurrent.
  const std::string concurrent = with("deliver 2.1 1 0 1.1 0 a0\nsend 2.1 0 b0\n",
                                      "send 2.1 0 b0\ndeliver 2.1 1 0 1.1 0 a0\n", swapped);
  CHECK(broken(concurrent, causal_only) == Names{});
  // Who lives on must not lack it; who joins later has it from its state.
  const std::string joins = with("install 3.1 1 1.1,2.1\n", "",
                                 with(" 1 1.1,2.1,3.1", " 1 1.1,2.1",
                                      with("send 2.1 0 b0\n",
                                           "install 1.1 2 1.1,2.1,3.1\ninstall 2.1 2 1.1,2.1,3.1\n"
                                           "install 3.1 2 1.1,2.1,3.1\nsend 2.1 0 b0\n",
                                           with("deliver 3.1 1 0 1.1 0 a0\n", "",
                                                with(" 1 1 2.1 0 b0", " 2 1 2.1 0 b0", answer)))));
  CHECK(broken(joins, causal_only) == Names{});
}

TEST_CASE("total order: one message a position, one position a message") {
  const std::string swapped =
      with("deliver 2.1 2 3 3.2 0 d0\n", "deliver 2.1 2 3 2.1 1 b1\n",
           with("deliver 2.1 2 4 2.1 1 b1\n", "deliver 2.1 2 4 3.2 0 d0\n"));
  CHECK(broken(swapped) == Names{"total order"});
  CHECK(broken(swapped, ordered) == Names{"total order"});
  CHECK(broken(swapped, stable_only) == Names{});
}

TEST_CASE("total order: those that crash later are included") {
  CHECK(broken(with("deliver 3.1 1 0 1.1 0 a0", "deliver 3.1 1 0 2.1 0 b0",
                    with("deliver 3.1 1 1 2.1 0 b0", "deliver 3.1 1 1 1.1 0 a0"))) ==
        Names{"total order"});
  // It delivers, in the place of a0, what nobody else does and has the same number.
  CHECK(broken(with("deliver 3.1 1 0 1.1 0 a0", "deliver 3.1 1 0 3.1 0 c0")) ==
        Names{"total order", "safe delivery"});
}

TEST_CASE("total order: no holes, within a view, at its start or at the group's") {
  CHECK(broken(with("deliver 3.1 1 1 2.1 0 b0", "deliver 3.1 1 2 2.1 0 b0")) ==
        Names{"total order"});
  // Skips the first message that the others deliver, and counts on.
  CHECK(broken(without("deliver 3.1 1 0 1.1 0 a0")) == Names{"total order"});
  CHECK(broken(without("deliver 3.2 2 3 3.2 0 d0"), ordered) == Names{"total order"});
  // Everyone agrees on a hole between two views.
  CHECK(broken(with(" 2 4 2.1 1 b1", " 2 5 2.1 1 b1", with(" 2 3 3.2 0 d0", " 2 4 3.2 0 d0"))) ==
        Names{"total order"});
  CHECK(broken("install 1.1 1 1.1\nsend 1.1 0 a0\ndeliver 1.1 1 1 1.1 0 a0\n") ==
        Names{"total order"});
}

TEST_CASE("safe delivery: every member of the view delivers, crashes or is expelled") {
  const std::string behind = without(
      "deliver 2.1 2 3 3.2 0 d0\n"
      "deliver 3.2 2 3 3.2 0 d0\n"
      "deliver 1.1 2 4 2.1 1 b1\n"
      "deliver 2.1 2 4 2.1 1 b1\n"
      "deliver 3.2 2 4 2.1 1 b1");
  // Only 1.1 has d0; nobody has b1.
  const std::string done = with("send 2.1 1 b1\n", "", behind);
  CHECK(broken(with("3.2 0 d0", "1.1 2 d0", done)) == Names{"safe delivery"});
  CHECK(broken(done) == Names{"safe delivery", "self-delivery"});
  CHECK(broken(done, ordered) == Names{});  // it may still come
  CHECK(broken(done + "crash 2.1\ncrash 3.2\n") == Names{});
  CHECK(broken(done + "install 1.1 3 1.1\n") == Names{});  // both are expelled
  CHECK(broken(done + "install 1.1 3 1.1,2.1\ninstall 2.1 3 1.1,2.1\n", ordered) ==
        Names{"safe delivery", "virtual synchrony"});
  // A crash in a later view is no excuse.
  CHECK(broken(done + "install 2.1 3 1.1,2.1\ncrash 2.1\n", ordered) == Names{"safe delivery"});
  // A member of which there is no trace at all.
  CHECK(broken("install 1.1 1 1.1,2.1\nsend 1.1 0 a0\ndeliver 1.1 1 0 1.1 0 a0\n") ==
        Names{"safe delivery"});
}

TEST_CASE("a violation points to its event, and the report shows it and the trace") {
  const std::string text = with("deliver 3.1 1 1 2.1 0 b0", "deliver 3.1 1 1 2.1 0 b1");
  const auto events = parse(text).value();
  const auto found = violations(text, everything);
  REQUIRE(found.size() == 1);
  CHECK(to_text(events[found[0].event]) == "deliver 3.1 1 1 2.1 0 b1");
  const std::string shown = report(found, events, 5);
  CHECK(shown.find("integrity: 'deliver 3.1 1 1 2.1 0 b1'") != std::string::npos);
  CHECK(shown.find("the first 5 of 27 events") != std::string::npos);
}

TEST_CASE("of each property only the first few violations are reported") {
  std::string text = "install 1.1 1 1.1\n";
  for (int i = 0; i < 100; ++i)
    text += "deliver 1.1 1 " + std::to_string(i) + " 1.1 " + std::to_string(i) + " ff\n";
  CHECK(violations(text, everything).size() == 8);
}

}  // namespace
}  // namespace squall::checker
