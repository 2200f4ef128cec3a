#pragma once
// The wire: one message is a header, a list of entries and their payloads. An entry is a range
// of a region, an application's message, or a word about an import. Payloads come in two runs,
// the ones copied beside the entries and then the ones sent from where they lie, so that a
// sender needs one small block and a few references. Pure; everything is read as hostile.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/fabric/fabric.h"

namespace squall::ofi {

using fabric::Lane;
using fabric::RegionId;

inline constexpr std::uint32_t wire_magic = 0x6f'4c'51'53;
inline constexpr std::uint8_t wire_version = 2;
/// Promise 2 and the copying of sources hold up to here.
inline constexpr std::size_t inline_bytes = 256;
inline constexpr std::size_t max_message_bytes = std::size_t{256} << 10;
/// Header, entries and copied payloads of a message that refers to its long payloads.
inline constexpr std::size_t max_block_bytes = std::size_t{16} << 10;
inline constexpr std::size_t max_wire_bytes = max_block_bytes + max_message_bytes;
/// Ranges up to here land in words of 8 bytes, each stored whole; longer ones with memcpy.
inline constexpr std::size_t word_store_bytes = 4096;

struct WireHeader {
  std::uint32_t magic = wire_magic;
  std::uint8_t version = wire_version;
  std::uint8_t lane = 0;
  std::uint16_t entry_count = 0;
  std::uint32_t copied_bytes = 0;
  std::uint32_t referred_bytes = 0;
  std::uint64_t session = 0;  ///< names the link where one endpoint serves many; else 0
  std::uint32_t credits = 0;  ///< receive buffers given back since the last message
  /// Counts the messages of a lane where they may complete out of order; else 0.
  std::uint32_t sequence = 0;
};
static_assert(sizeof(WireHeader) == 32);

enum class EntryKind : std::uint8_t {
  range = 1,  ///< region, offset, payload
  message,    ///< payload
  import,     ///< region; offset: how many bytes of it the importer wants; payload: none, or where
              ///< they may be written to (WriteTarget)
  refused,    ///< region; offset: how many bytes it has
  release,    ///< region: the importer wants no more of it
};

struct WireEntry {
  std::uint64_t region = 0;
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
  EntryKind kind = EntryKind::range;
  std::uint8_t referred = 0;  ///< 1: the payload is in the second run
  std::uint16_t zero = 0;
};
static_assert(sizeof(WireEntry) == 24);

/// Registered memory of an importer's, which the owner of the region writes by RMA (fi_rma(3)).
struct WriteTarget {
  std::uint64_t address = 0;  ///< of the region's first byte, as the provider counts
  std::uint64_t key = 0;
};
static_assert(sizeof(WriteTarget) == 16);

/// Copied payloads start at multiples of 8.
constexpr std::size_t padded(std::size_t bytes) {
  return (bytes + 7) & ~std::size_t{7};
}

/// Where a peer's message goes.
class Receiver {
 public:
  /// My replica of that region of the peer; empty if I never imported it.
  virtual MutableBytes replica(RegionId region) = 0;
  /// `message` points into the wire bytes.
  virtual void on_message(Bytes message) = 0;
  virtual void on_import(RegionId region, std::uint64_t bytes,
                         const std::optional<WriteTarget>& target) = 0;
  virtual void on_refused(RegionId region, std::uint64_t region_bytes) = 0;
  virtual void on_release(RegionId region) = 0;

 protected:
  ~Receiver() = default;
};

/// The header of `wire`, or what is wrong with it (Code::lost, as everything here).
Result<WireHeader> read_header(Bytes wire);

/// Checks the whole message, then applies it entry by entry, in order; on an error nothing has
/// been applied.
Result<> apply_message(Bytes wire, Lane lane, Receiver& receiver);

/// Copies to memory that other threads read: every aligned 8-byte word of at most
/// `word_store_bytes` with one release store.
void land(std::byte* to, Bytes from);

}  // namespace squall::ofi
