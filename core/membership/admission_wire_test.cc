#include "core/membership/admission_wire.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/base/rank_set.h"
#include "core/fabric/rendezvous_wire.h"
#include "core/membership/admission_story.h"
#include "core/membership/admission_wire_fuzz.h"

namespace squall::membership {
namespace {

using namespace admission_story;

/// One of each kind, and those with nothing in them.
std::vector<Word> words() {
  Word credentials = request(7);
  credentials.credentials = {std::byte{1}, std::byte{0}, std::byte{255}};
  return {request(0), credentials, pending(), pending("a member named c is in the view already"),
          admitted(view_of(4, "abc"))};
}

TEST_CASE("every word comes back from the wire as it was, and nothing shorter or longer does") {
  for (const Word& word : words()) {
    auto bytes = encode(word);
    const auto back = decode_word(bytes);
    REQUIRE(back);
    CHECK(back->kind == word.kind);
    CHECK(back->secret == word.secret);
    CHECK(back->credentials == word.credentials);
    CHECK(back->text == word.text);
    CHECK(back->provider == word.provider);
    CHECK(back->view.id == word.view.id);
    CHECK(back->members == word.members);
    REQUIRE(back->view.size() == word.view.size());
    for (Rank rank = 0; rank < word.view.size(); ++rank)
      CHECK(back->view.members[rank].name == word.view.members[rank].name);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      CHECK_FALSE(decode_word(Bytes(bytes).first(size)));
    bytes.push_back({});
    CHECK_FALSE(decode_word(bytes));
  }
}

TEST_CASE("unknown kinds are refused") {
  for (const int kind : {0, 4, 255}) {
    auto bytes = encode(request(1));
    bytes[0] = static_cast<std::byte>(kind);
    CHECK_FALSE(decode_word(bytes));
  }
}

TEST_CASE("what is over its limit is refused, or cut where it is a text for people") {
  Word word = request(1);
  word.credentials.resize(AdmissionLimits::credentials_bytes);
  CHECK(decode_word(encode(word)));
  word.credentials.resize(AdmissionLimits::credentials_bytes + 1);
  CHECK_FALSE(decode_word(encode(word)));
  const auto cut = decode_word(encode(pending(std::string(AdmissionLimits::text_bytes + 1, 'x'))));
  REQUIRE(cut);
  CHECK(cut->text.size() == AdmissionLimits::text_bytes);
  word = admitted(view_of(1, "ab"));
  word.provider.assign(AdmissionLimits::provider_bytes + 1, 'x');
  CHECK_FALSE(decode_word(encode(word)));
}

TEST_CASE("hostile_bytes: a count of members is checked before anything is made of it") {
  Writer to;
  to.put(Word::Kind::admitted).put(std::string_view("tcp")).put(ViewId{1}).put(~Rank{0});
  CHECK_FALSE(decode_word(to.bytes()));
  // As many as there may be, and none of them.
  Writer most;
  most.put(Word::Kind::admitted).put(std::string_view("tcp")).put(ViewId{1}).put(max_members);
  CHECK_FALSE(decode_word(most.bytes()));
}

TEST_CASE("the largest word fits in a word of the rendezvous") {
  View view{ViewId{1}, {}};
  for (Rank rank = 0; rank < max_members; ++rank)
    view.members.push_back(member(std::string(ChangeLimits::name_bytes, 'n')));
  Word word = admitted(view);
  for (Access& access : word.members) {
    access.fabric_address.assign(ChangeLimits::address_bytes, 'a');
    access.host.assign(ChangeLimits::host_bytes, 'h');
  }
  word.provider.assign(AdmissionLimits::provider_bytes, 'p');
  CHECK(decode_word(encode(word)));
  CHECK(encode(word).size() <= fabric::Limits::word_bytes);
  word = request(1);
  word.credentials.resize(AdmissionLimits::credentials_bytes);
  CHECK(encode(word).size() <= fabric::Limits::guest_word_bytes);
}

TEST_CASE("no text of a member's writes on the joiner's terminal") {
  const auto back = decode_word(encode(pending("\x1b[2J\n")));
  REQUIRE(back);
  CHECK(back->text == "?[2J?");
}

TEST_CASE("hostile_bytes: no damage to a word does more than get it refused") {
  Random random(17);
  unsigned taken = 0;
  for (const Word& word : words()) {
    const auto whole = encode(word);
    for (int attempt = 0; attempt < 2000; ++attempt) {
      auto bytes = whole;
      for (auto edits = 1 + random.below(3); edits > 0; --edits) {
        const auto where = random.below(bytes.size());
        bytes[where] = random.one_in(3) ? std::byte{255} : static_cast<std::byte>(random.next());
      }
      if (random.one_in(4)) bytes.resize(random.below(bytes.size() + 9));
      taken += fuzz_admission_wire(bytes);
    }
  }
  CHECK(taken > 1000);
}

}  // namespace
}  // namespace squall::membership
