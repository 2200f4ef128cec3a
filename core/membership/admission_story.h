#pragma once
// For the tests of admission: names and what is told of them.

#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/base/view.h"
#include "core/fabric/rendezvous.h"
#include "core/membership/admission_wire.h"
#include "core/membership/change.h"

namespace squall::membership::admission_story {

inline Member member(const std::string& name, std::uint64_t run = 1) {
  return {fabric::node_id(name), Incarnation{run}, name};
}

inline View view_of(std::uint64_t id, std::string_view names, std::uint64_t run = 1) {
  View view{ViewId{id}, {}};
  for (const char name : names) view.members.push_back(member(std::string(1, name), run));
  return view;
}

inline fabric::Introduction introduction(const std::string& name, std::uint64_t run = 1) {
  fabric::Introduction who;
  who.name = name;
  who.id = fabric::node_id(name);
  who.incarnation = Incarnation{run};
  who.host = "here";
  who.fabrics = {{"shm", "shm of " + name}, {"tcp", "tcp of " + name}};
  return who;
}

inline Secret secret(int value) {
  Secret filled;
  filled.fill(static_cast<std::byte>(value));
  return filled;
}

inline Word request(int value) {
  Word word;
  word.kind = Word::Kind::request;
  word.secret = secret(value);
  return word;
}

inline Word pending(std::string text = {}) {
  Word word;
  word.kind = Word::Kind::pending;
  word.text = std::move(text);
  return word;
}

/// Into `view`, of which everybody is reached at "tcp of NAME".
inline Word admitted(const View& view) {
  Word word;
  word.kind = Word::Kind::admitted;
  word.provider = "tcp";
  word.view = view;
  for (const Member& each : view.members)
    word.members.push_back({"tcp of " + each.name, "here", secret(9)});
  return word;
}

/// What asks for its admission here.
inline Joiner joiner(const std::string& name, int value, std::uint64_t run = 1) {
  return {member(name, run), "tcp of " + name, "here", secret(value)};
}

/// `ms` milliseconds after the beginning.
inline Time at(int ms) {
  return Time{} + std::chrono::milliseconds(ms);
}

}  // namespace squall::membership::admission_story
