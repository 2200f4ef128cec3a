#pragma once
// What the fuzzer and a unit test do with hostile bytes: parsed, said by a client to a member, and
// said by a member to a client. Nothing of it is believed before it is checked, whoever says too
// much is left, and nothing grows without bound.

#include <algorithm>
#include <string>
#include <vector>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "groups/client/caller.h"
#include "groups/client/desk.h"
#include "groups/client/desk_test_kit.h"
#include "groups/client/wire.h"

namespace squall::clients {

inline void fuzz_parsers(Bytes input) {
  Stream stream(1024);
  stream.feed(input);
  std::size_t taken = 0;
  while (const auto record = stream.next()) {
    taken += sizeof(RecordHeader) + record->body.size();
    if (const auto opening = decode_opening(record->body))
      SQUALL_ASSERT(decode_opening(encode(*opening)) == opening, "an opening comes back");
    static_cast<void>(decode_away(record->body));
  }
  SQUALL_ASSERT(taken <= input.size(), "records lie within what came");
  if (const auto away = decode_away(input)) {
    const auto once = encode(*away);
    const auto again = decode_away(once);
    SQUALL_ASSERT(again && encode(*again) == once, "its texts are printable already");
  }
  static_cast<void>(begins_client(input));
}

/// Behind a greeting, and with an object open.
inline void fuzz_desk(Bytes input) {
  using namespace desk_story;
  Story story;
  story.comes(1);
  story.comes(2);
  story.opens(1, 0, "store");
  story.step(1);
  for (int ms = 2; ms < 6 && story.desk.has(1); ++ms) {
    story.desk.said(1, input, story.now);
    story.step(ms);
    for (Tag tag = 1; tag < 8; ++tag)
      story.desk.answer(tag, {Answer::Kind::value, Effect::yes, 1, input});
  }
  story.desk.notify(story.service, input);
  story.step(10);
  SQUALL_ASSERT(story.desk.has(2), "another client is not harmed");
  SQUALL_ASSERT(story.desk.has(1) != story.dismissed.contains(1), "whoever is left is told");
}

inline void fuzz_caller(Bytes input) {
  Caller caller({{"a", "b"}, 0, std::chrono::seconds(1), std::chrono::seconds(10), 1}, Time{});
  const TargetId target = caller.open({"store", 0, 0, "Inventory"}, Time{});
  caller.listen(target);
  std::size_t calls = 0;
  for (; calls < 3; ++calls) caller.begin(target, Caller::What::update, 1, {}, Time{});
  for (; calls < 6; ++calls) caller.begin(target, Caller::What::read, 1, {}, Time{});
  fabric::LineId lines = 0;
  std::size_t done = 0;
  Time now{};
  const auto step = [&] {
    now += std::chrono::milliseconds(1);
    caller.step(now);
    for (const auto& action : caller.take_actions()) {
      if (action.kind != Caller::Action::Kind::visit) continue;
      caller.visiting(action.contact, ++lines);
      caller.welcomed(lines, now);
    }
    done += caller.take_done().size();
    static_cast<void>(caller.take_notices());
  };
  for (int times = 0; times < 4; ++times) {
    step();
    RecordHeader header;
    header.kind = RecordHeader::Kind::ready;
    std::vector<std::byte> word;
    append(word, header);
    header.kind = RecordHeader::Kind::opened;
    header.target = target;
    append(word, header);
    header.kind = RecordHeader::Kind::session;
    append(word, header);
    step();
    // A member that was greeted is ready once; another one, or the same again, is not.
    if (times == 0) caller.said(lines, word, now);
    step();
    caller.said(lines, input, now);
    step();
  }
  SQUALL_ASSERT(done + caller.calls() == calls, "every call ends once");
}

inline void fuzz_client_wire(Bytes input) {
  fuzz_parsers(input);
  fuzz_desk(input);
  fuzz_caller(input);
}

}  // namespace squall::clients
