#pragma once
// A file that is read piece by piece, each straight into the message that carries it. It is read
// with pread(2) and never mapped: a file that somebody cuts short is an error here, and no signal.
// One thread at a time.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/digest.h"
#include "core/base/error.h"
#include "groups/files/file_descriptor.h"
#include "groups/files/piece.h"

namespace squall::files {

class PieceReader {
 public:
  /// A file to be sent: open for reading, `shown` to people as that, named `path` where it goes.
  /// Its size, mode and time of change are those of now: whatever is not so at the end is an error.
  /// Code::io if it is no regular file, Code::refused for a path that `check_path` refuses.
  static Result<PieceReader> open(FileDescriptor fd, std::string_view shown, std::string_view path);

  /// What is known of a file that was received.
  struct Known {
    std::uint64_t number = 0;
    std::string path;
    std::uint32_t mode = 0;
    std::uint64_t total = 0;
    /// Of it, from the beginning: the rest will come from its sender.
    std::uint64_t received = 0;
    Digest::Value digest{};  ///< if all of it is
  };
  /// The pieces of such a file again, for one who joins: they say what is known, not what is found.
  PieceReader(FileDescriptor fd, Known known);

  /// `number` of the pieces to come.
  void set_number(std::uint64_t number) { piece_.number = number; }
  std::uint64_t number() const { return piece_.number; }
  std::uint64_t total() const { return piece_.total; }
  /// Of the pieces so far.
  std::uint64_t bytes() const { return piece_.offset; }
  const std::string& shown() const { return shown_; }
  bool done() const { return done_; }

  /// Of the next piece's message, if there is to be one of at most `most` (more than a header and
  /// one byte).
  std::size_t next_bytes(std::size_t most) const;
  /// Makes a message of exactly so many bytes of it. Code::io when the file cannot be read or has
  /// changed: it is no use then.
  Result<> next(MutableBytes message);

 private:
  struct Stamp {
    std::int64_t size = 0, seconds = 0, nanoseconds = 0;
  };
  PieceReader() = default;
  Result<> check_unchanged() const;

  FileDescriptor fd_;
  std::string shown_;
  Piece piece_;                 // the next
  std::uint64_t end_ = 0;       // of the pieces
  std::optional<Stamp> stamp_;  // of a file to be sent
  Digest digest_;               // of that
  Digest::Value known_{};       // of the other
  bool done_ = false;
};

}  // namespace squall::files
