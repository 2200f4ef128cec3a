#pragma once
// For what tests and fuzzes the desk: a service that does as it is told, and what clients hear.

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "groups/client/desk.h"

namespace squall::clients::desk_story {

using Kind = RecordHeader::Kind;
using Kinds = std::vector<Kind>;

/// `ms` milliseconds after the beginning.
inline Time at(int ms) {
  return Time{} + std::chrono::milliseconds(ms);
}

class Told final : public Service {
 public:
  std::optional<Away> client_opens(const Opening&, Answers& desk) override {
    answers = &desk;
    return away;
  }
  std::uint64_t client_version() const override { return version; }
  Result<> client_session(Tag, std::uint64_t secret) override {
    if (refusal) return tl::unexpected(*refusal);
    asked.push_back("session " + std::to_string(secret));
    return {};
  }
  Result<> client_update(Tag, const objects::SessionHeader& session, std::uint64_t,
                         Bytes) override {
    if (refusal) return tl::unexpected(*refusal);
    asked.push_back("update " + std::to_string(session.sequence) + " of " +
                    std::to_string(session.session));
    return {};
  }
  Result<> client_refuses(Tag, const objects::SessionHeader& session, const Error& why) override {
    asked.push_back("refused " + std::to_string(session.sequence) + ": " + why.what);
    return {};
  }
  void client_read(Tag tag, std::uint64_t method, Bytes) override {
    asked.push_back("read " + std::to_string(method));
    const std::string& text = reply.empty() ? asked.back() : reply;
    answers->answer(tag, {Answer::Kind::value, Effect::no, version, as_bytes(text)});
  }
  Result<> client_read_in_order(Tag, std::uint64_t method, Bytes) override {
    asked.push_back("in order " + std::to_string(method));
    return {};
  }

  std::vector<std::string> asked;
  std::optional<Error> refusal;
  std::optional<Away> away;
  std::uint64_t version = 0;
  std::string reply;
  Answers* answers = nullptr;
};

struct Heard {
  RecordHeader header;
  std::vector<std::byte> body;
};

struct Story {
  void step(int ms) {
    now = std::max(now, at(ms));
    desk.step(now);
    for (auto& action : desk.take_actions()) {
      if (action.kind == Desk::Action::Kind::dismiss) {
        dismissed[action.line] = action.error;
        continue;
      }
      said[action.line] += action.bytes.size();
      auto& stream = streams.try_emplace(action.line, std::size_t{2} << 20).first->second;
      stream.feed(action.bytes);
      while (const auto record = stream.next())
        records[action.line].push_back(
            {record->header, {record->body.begin(), record->body.end()}});
    }
  }
  void says(fabric::LineId line, Kind kind, TargetId target = 0, std::uint64_t number = 0,
            std::uint64_t what = 0, std::uint64_t more = 0, Bytes body = {}) {
    RecordHeader header;
    header.kind = kind;
    header.target = target;
    header.number = number;
    header.what = what;
    header.more = more;
    std::vector<std::byte> word;
    append(word, header, body);
    desk.said(line, word, now);
  }
  void comes(fabric::LineId line) {
    says(line, Kind::hello, 0, 0, magic);
    step(0);
  }
  void opens(fabric::LineId line, TargetId target, const std::string& group) {
    says(line, Kind::open, target, 0, 0, 0, encode(Opening{group, 0, 0, "Inventory"}));
  }
  /// In session 5.
  void updates(fabric::LineId line, TargetId target, std::uint64_t number) {
    Writer session;
    session.put(std::uint64_t{5}).put(std::uint64_t{77});
    says(line, Kind::update, target, number, 8, 0, session.bytes());
  }
  void takes(fabric::LineId line) {
    if (desk.has(line)) says(line, Kind::taken, 0, said[line]);
  }
  std::vector<Heard> heard(fabric::LineId line) { return std::exchange(records[line], {}); }
  Kinds kinds(fabric::LineId line) {
    Kinds all;
    for (const Heard& each : heard(line)) all.push_back(each.header.kind);
    return all;
  }

  Told service;
  Desk desk{[this](std::string_view group) { return group == "store" ? &service : nullptr; }};
  Time now{};
  std::map<fabric::LineId, Error> dismissed;
  std::map<fabric::LineId, Stream> streams;
  std::map<fabric::LineId, std::uint64_t> said;
  std::map<fabric::LineId, std::vector<Heard>> records;
};

}  // namespace squall::clients::desk_story
