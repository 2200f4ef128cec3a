#pragma once
// What the fuzzer and a unit test do with hostile bytes: decoded, said by a guest to a member, and
// said by a member to a joiner. Whatever is taken for a word is the same word after another trip
// over the wire, and nobody is let in, or taken for a member, that should not be.

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/membership/admission.h"
#include "core/membership/admission_story.h"
#include "core/membership/admission_wire.h"
#include "core/membership/joining.h"

namespace squall::membership {

inline void fuzz_member(Bytes input) {
  using namespace admission_story;
  Admission admission("tcp", 20ms);
  const View view = view_of(3, "ab");
  Time now = at(0);
  admission.guest(1, introduction("c"), now);
  admission.said(1, input, now);
  admission.step(view, {}, now);
  const std::size_t waiting = admission.waiting().size();
  SQUALL_ASSERT(waiting + admission.refused() == 1, "it is refused, or waits");
  for (const Joiner& each : admission.waiting())
    SQUALL_ASSERT(each.member.id == fabric::node_id("c"), "whoever asks is who it was received as");
  // Whatever it asked, the next view may have it.
  const Change change = make_change(view, RankSet::all(2), {}, admission.waiting(), {});
  if (waiting == 1)
    admission.step(change.next, {&change, false, std::vector<Access>(3)}, now + 20ms);
  admission.said(1, input, now);
  admission.step(change.next, {}, now + 40ms);
  SQUALL_ASSERT(admission.refused() == 1, "nobody asks twice");
}

inline void fuzz_joiner(Bytes input) {
  using namespace admission_story;
  Joining joining({"a", "b"}, {}, member("c"), request(1), 200ms, 0);
  Time now = at(0);
  joining.step(now);
  joining.visiting(1);
  joining.welcomed(1, now);
  joining.said(1, input, now);
  joining.step(now);
  if (const auto& word = joining.admitted()) {
    SQUALL_ASSERT(word->view.rank_of(fabric::node_id("c")), "who is admitted is in the view");
    SQUALL_ASSERT(word->members.size() == word->view.size(), "every member can be reached");
  }
  joining.said(1, input, now);
  joining.ended(1, {Code::lost, "gone", ""}, now);
  static_cast<void>(joining.heard());
}

/// Whether it was a word; for tests that want to know that some were.
inline bool fuzz_admission_wire(Bytes input) {
  fuzz_member(input);
  fuzz_joiner(input);
  const auto word = decode_word(input);
  if (!word) return false;
  const auto once = encode(*word);
  const auto again = decode_word(once);
  SQUALL_ASSERT(again, "what was a word is one");
  // Only a text for people may look different from what came in.
  SQUALL_ASSERT(encode(*again) == once, "a word has one wire form");
  SQUALL_ASSERT(word->kind == Word::Kind::pending || std::ranges::equal(once, input),
                "which is the one that it came in");
  return true;
}

}  // namespace squall::membership
