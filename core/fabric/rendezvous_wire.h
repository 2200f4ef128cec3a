#pragma once
// What the rendezvous says on the wire, and what is checked before any of it is believed. Pure.
//
// A frame is a header (magic, version, kind, length; 20 bytes) and a body. Four of them introduce
// two members; the one with the higher rank calls:
//
//   caller                              called
//   hello (who, whom, nonce)     →
//                                ←      answer (who, whom, nonce)   or refusal
//   confirm (proof)              →                                  or refusal
//                                ←      welcome (proof)             or refusal
//
// A guest calls in the same way, with `guest_rank` for both ranks; afterwards words go either way.
// Ticket and proofs are digests over both nonces, so a recording of either end convinces nobody.
// In every wire version, past and future: the header is the same, a hello starts with the name,
// and a refusal is a code, a text and a remedy. That is how two versions can tell each other.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/fabric/rendezvous.h"

namespace squall::fabric {

/// Grows with every change of anything that members say to each other, on any floor.
inline constexpr std::uint32_t wire_version = 10;

struct Limits {
  static constexpr std::size_t name_bytes = 255;
  static constexpr std::size_t group_text_bytes = 4096;
  static constexpr std::size_t host_bytes = 256;
  static constexpr std::size_t provider_bytes = 64;
  static constexpr std::size_t address_bytes = 512;
  static constexpr std::size_t fabrics = 16;
  static constexpr std::size_t refusal_bytes = 1024;  ///< text and remedy each
  static constexpr std::size_t goodbye_bytes = 256;
  /// The body of any frame; a full hello has about 15,000.
  static constexpr std::size_t frame_bytes = 16384;
  /// From connecting to being introduced.
  static constexpr Duration handshake = std::chrono::seconds(2);
  /// Connections not yet introduced; one more costs the oldest that said nothing.
  static constexpr std::size_t strangers = 64;
  /// Received guests at a time; one more is asked to come again.
  static constexpr std::size_t guests = 256;
  /// The body of a word, from a guest to a member; back, a view of many members is longer.
  static constexpr std::size_t guest_word_bytes = frame_bytes;
  static constexpr std::size_t word_bytes = std::size_t{1} << 19;
  static constexpr Duration first_retry = std::chrono::milliseconds(10);
  static constexpr Duration last_retry = std::chrono::milliseconds(500);
};

enum class FrameKind : std::uint32_t {
  hello = 1,
  answer,
  confirm,
  welcome,
  refusal,
  goodbye,
  word
};

/// The rank that a guest gives itself and whom it visits: ranks are of the roster.
inline constexpr Rank guest_rank = Rendezvous::unknown_rank;

using Nonce = std::array<std::byte, 16>;
using Proof = std::array<std::byte, 16>;

/// The body of hello and of answer.
struct Hello {
  Introduction who;
  Rank rank = 0;       ///< the sender's own
  Rank peer_rank = 0;  ///< whom the sender believes to speak to
  std::string peer_name;
  Nonce nonce{};
};

inline constexpr std::size_t frame_header_bytes = 20;

struct Frame {
  std::uint32_t version = wire_version;
  FrameKind kind{};
  std::vector<std::byte> body;
};

std::vector<std::byte> encode_frame(FrameKind kind, Bytes body,
                                    std::uint32_t version = wire_version);
std::vector<std::byte> encode_hello(FrameKind kind, const Hello& hello);
std::vector<std::byte> encode_proof(FrameKind kind, const Proof& proof);
/// Texts over their limit are cut.
std::vector<std::byte> encode_refusal(const Error& error);
std::vector<std::byte> encode_goodbye(std::string_view text);

/// Takes the first whole frame off `buffer`; nothing while it is incomplete. Fails as soon as the
/// bytes cannot become a frame: wrong magic, or a body of more than `limit`.
Result<std::optional<Frame>> take_frame(std::vector<std::byte>& buffer,
                                        std::size_t limit = Limits::frame_bytes);

/// nullopt: not well-formed, or over a limit.
std::optional<Hello> decode_hello(Bytes body);
std::optional<Proof> decode_proof(Bytes body);
/// Texts are made printable.
std::optional<Error> decode_refusal(Bytes body);
std::optional<std::string> decode_goodbye(Bytes body);
/// The sender's name in a hello of any version, printable; may be empty.
std::string decode_hello_name(Bytes body);

/// Code::too_large or Code::invalid if it could not be sent.
Result<> check_introduction(const Introduction& introduction);

/// A peer's text as it may be shown to people: no control characters, at most `limit` bytes.
std::string printable(std::string_view text, std::size_t limit);

/// Why `hello` does not fit, if it does not. `me` is this node's rank in `roster`.
std::optional<Error> judge(const Roster& roster, const Introduction& self, Rank me,
                           const Hello& hello);
/// The same of a guest's hello, or of the answer to one: `self` says what it shows to such.
std::optional<Error> judge_guest(const Introduction& self, const Hello& hello);
/// `peer` is printable or empty; says who should upgrade.
Error version_error(std::string_view self, std::string_view peer, std::uint32_t peer_version);
/// The first line in which two group texts differ, in words that hold at both ends.
std::string first_difference(std::string_view name_a, std::string_view text_a,
                             std::string_view name_b, std::string_view text_b);

/// From both hellos, the caller's first.
Ticket make_ticket(const Hello& caller, const Hello& called);
Proof make_proof(FrameKind kind, const Ticket& ticket);

}  // namespace squall::fabric
