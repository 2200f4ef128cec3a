#pragma once
// A file to everyone in a group, of any size, in its place among its sender's other messages: it
// goes as pieces, each a message, read from the disk straight into the memory that the others are
// shown. So no more of it is in memory than there is room for on the way, and the next piece is
// read while the last ones travel. FileSink (sink.h) is the other end.
//
// The file's pieces are spread over its sender's messages: what else is sent meanwhile comes in
// between. If it cannot be read to its end, or has changed by then, nobody gets it.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "groups/files/piece_reader.h"
#include "groups/node.h"

namespace squall {

struct FileSending {
  /// Code::too_large over it, before anything is sent. Sinks have a limit of their own.
  std::uint64_t max_file_bytes = std::uint64_t{16} << 30;
  /// Of a message, header included; at most a quarter of the group's large_memory, so that some are
  /// always under way. README.md says where the figure comes from.
  std::size_t piece_bytes = std::size_t{1} << 20;
};

/// One file, one piece at a time: for who has other things to do, and turns the node himself. One
/// thread at a time, which may be any that may send in the group; also in upcalls.
class FileSender {
 public:
  /// `name` is what it is to be called, relative: "a/b". Code::io if it cannot be opened or is no
  /// regular file, Code::refused for a name that cannot be. A symbolic link is followed.
  static Result<FileSender> open(Group& group, const std::string& path, std::string_view name,
                                 const FileSending& options = {});
  /// A file that is open; see PieceReader::open. The group outlives its sender.
  static Result<FileSender> create(Group& group, files::PieceReader file,
                                   const FileSending& options = {});
  FileSender(FileSender&& other) noexcept;
  FileSender& operator=(FileSender&&) = delete;
  /// A file that is under way is given up: the others are told, as long as there is room for that.
  ~FileSender();

  enum class Step : std::uint8_t {
    sent,   ///< one message has gone
    waits,  ///< there is no room: come again when the node has turned
    done,   ///< all has gone; it is delivered when its turn comes, as all messages are
  };
  /// Reads and sends at most one piece. An error is final, and the others have been told by then:
  /// Code::io with the file, or what `Group::send` has.
  Result<Step> advance() { return step(false); }
  /// All that is left, waiting for room as `Group::send` does. Inside an upcall it cannot wait and
  /// gives the file up with Code::would_block.
  Result<> finish();

  /// Of the file, sent so far.
  std::uint64_t bytes() const { return file_.bytes(); }
  std::uint64_t total() const { return file_.total(); }

 private:
  FileSender(Group& group, files::PieceReader file, std::size_t most);
  Result<Step> step(bool wait);
  Result<Step> through_ring(std::size_t bytes, bool wait);
  Result<Step> as_object(std::size_t bytes, bool wait);
  Result<Step> tell_of_failure(bool wait);

  Group* group_;  // nullptr: moved away
  files::PieceReader file_;
  std::size_t most_;  // of a message
  Buffer filled_;     // read, and not sent yet
  bool begun_ = false;
  std::unique_ptr<Error> failed_;  // to be told
};

/// `FileSender::open` and `finish` in one call.
Result<> send_file(Group& group, const std::string& path, std::string_view name,
                   const FileSending& options = {});

}  // namespace squall
