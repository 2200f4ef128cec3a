#pragma once
// A replication's state for one who joins: the records of the journal, in place of those of files
// their pieces, read from the folder of the member that hands it out while that goes on writing;
// and what has come of the file that is under way. Who joins takes them like messages of the
// sender. Equal members give equal bytes.
//
// Wire: each record or piece behind its length (32 bits, little-endian).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "bench/replicate/journal.h"
#include "bench/replicate/store.h"
#include "core/base/bytes.h"
#include "core/base/error.h"

namespace squall::replicate {

/// Fills the span with the next bytes and gives how many; 0: that was all. What is read was there
/// when it was made; it may outlive the store and the journal.
std::function<Result<std::size_t>(MutableBytes)> hand_out(Journal::Reading journal,
                                                          Store::Reading store);

/// Of a file's pieces.
inline constexpr std::size_t max_state_piece_bytes = std::size_t{64} << 10;

/// Messages out of what comes, however that was cut. It is hostile: a message longer than any is
/// refused before it is kept.
class StateReader {
 public:
  using Take = std::function<Result<>(Bytes message)>;
  Result<> read(Bytes piece, const Take& take);
  /// Nothing is left of a message that was cut off.
  bool whole() const { return open_.empty(); }

 private:
  std::vector<std::byte> open_;  // a length and what there is of its message
};

}  // namespace squall::replicate
