#pragma once
// Files as they come to a member: out of the pieces that FileSender sends, into a folder. It is
// handed deliveries, in their order, and says what became of each. Pieces are in one order at every
// member and files are finished by their last, so members that go on together hold all of a file or
// none of it, and none of it has its name before that.
//
// What comes is hostile: names stay below the folder and pass no symbolic link, a sender has a
// bounded number of files under way, each of a bounded size. What is wrong with one file (no room,
// an impossible name, bytes that do not fit) ends that file here, and nothing else.
//
// One thread at a time. It writes where it is called, straight out of the delivery: in an upcall of
// a node that takes disks into account with its failure_timeout, or on Config::executor.

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/digest.h"
#include "core/base/error.h"
#include "core/base/view.h"
#include "groups/files/file_descriptor.h"
#include "groups/files/folder.h"
#include "groups/files/partial_file.h"
#include "groups/files/piece.h"

namespace squall {

/// What became of a delivery.
struct FileNews {
  enum class What : std::uint8_t {
    not_a_piece,  ///< somebody else's message
    piece,        ///< some more of a file
    complete,     ///< the last of a file, which has its name now
    /// A file will not come; nothing is left of it. `why`: Code::io is this member's disk, else it
    /// is the sender's doing.
    abandoned,
    /// A piece of a file of which this member does not have what came before: it is abandoned, or
    /// began before this member came. Nothing is done with it.
    stray,
  };
  What what = What::not_a_piece;
  /// The file's, as its sender calls it; empty if nobody can say.
  std::string path = {};
  std::uint64_t bytes = 0;    ///< of the file so far
  std::uint64_t total = 0;    ///< of all of it
  std::uint32_t mode = 0;     ///< as it was sent; of what it has here, set-user-id is taken
  Digest::Value digest = {};  ///< when it is complete
  Error why = {};             ///< when it is abandoned
};

struct FileSinkOptions {
  std::uint64_t max_file_bytes = std::uint64_t{16} << 30;
  /// Under way from one sender; each is a descriptor and a file on the disk.
  std::size_t max_files = 4;
  /// Folders that a name has and that are not there are made.
  bool make_folders = true;
  /// What files are called that are not whole, and the folder in which they lie; it is on the same
  /// disk as where they go. Empty: that very folder, where no file may be called so. Nobody else
  /// uses that name there: what a killed process left under it is removed.
  std::string partial_name = ".squall-partial";
  std::string partial_folder = {};
};

class FileSink {
 public:
  /// Of whom messages are: a member of a view, or another source of the same pieces.
  struct From {
    NodeId node{};
    Incarnation incarnation{};
    friend bool operator==(const From&, const From&) = default;
  };

  /// Files come to lie below `folder`, which is there. Code::io if it cannot be written to.
  static Result<FileSink> open(const std::string& folder, FileSinkOptions options = {});
  FileSink(FileSink&&) noexcept;
  FileSink& operator=(FileSink&&) = delete;
  /// Removes what is not whole.
  ~FileSink();

  /// A message as it was delivered, of this member of the view in which it was.
  FileNews take(const Member& sender, Bytes message) {
    return take(From{sender.id, sender.incarnation}, message);
  }
  FileNews take(From from, Bytes message);
  /// To be called for every view (Node::on_view): those of whom it had files and who are in it no
  /// more will not finish them.
  std::vector<FileNews> on_view(const View& view);

  /// A file under way, for one who joins: see PieceReader::Known. The descriptor goes on to give
  /// the same bytes, whatever becomes of the file.
  struct UnderWay {
    From from;
    std::uint64_t number = 0;
    std::string path = {};
    std::uint32_t mode = 0;
    std::uint64_t total = 0;
    std::uint64_t received = 0;
    files::FileDescriptor fd = {};
  };
  Result<std::vector<UnderWay>> under_way() const;
  bool idle() const { return open_.empty(); }

 private:
  struct Open {
    From from;
    std::uint64_t number;
    std::size_t slot;  // of its partial's name
    files::PartialFile file;
  };
  using Place = std::list<Open>::iterator;
  struct Folders;
  FileSink(std::unique_ptr<Folders> folders, FileSinkOptions options);

  FileNews begin(From from, files::Piece& piece);
  FileNews append(Place at, const files::Piece& piece);
  FileNews abandon(Place at, Error why);
  Result<> check_first(From from, const files::Piece& piece) const;
  Place find(From from, std::uint64_t number);
  std::size_t free_slot() const;
  std::string partial_name(std::size_t slot) const;

  std::unique_ptr<Folders> folders_;  // files point to them
  FileSinkOptions options_;
  std::list<Open> open_;
};

}  // namespace squall
