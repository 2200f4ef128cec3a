#pragma once
// What a replication sends, to folders, at every receiver: records, and files in pieces. What comes
// is hostile: no symbolic link is followed below the root, nothing lands outside of it, and what is
// out of turn is refused. Files are the business of a FileSink (groups/files); here an error with
// one ends everything. One thread at a time.

#include <cstdint>
#include <string>
#include <vector>

#include "bench/replicate/record.h"
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "groups/files/file_descriptor.h"
#include "groups/files/folder.h"
#include "groups/files/sink.h"

namespace squall::replicate {

class Store {
 public:
  /// Makes `out` and `out`/`member` where they are not there yet; what is there already stays,
  /// but for the names that are replicated.
  static Result<Store> open(const std::string& out, const std::string& member);

  /// The next message, a record or a piece of a file. Gives what a journal notes of it: the record,
  /// or of the last piece of a file a record of that, and of others nothing. Valid until the next
  /// call. After an error nothing more is taken: call it no more.
  Result<Bytes> take(Bytes message);

  /// What has been written so far, for reading: the root, and the file that is being written, if
  /// one is. Goes on to give the same while more is taken, and when the store is gone.
  struct Reading {
    files::FileDescriptor root;
    std::vector<FileSink::UnderWay> partial;  ///< one at most
  };
  Result<Reading> reading() const;

  /// End has come.
  bool ended() const { return ended_; }
  std::uint64_t files() const { return files_; }
  std::uint64_t bytes() const { return bytes_ + partial_bytes_; }

 private:
  Store(files::FileDescriptor out, files::Folder folder, FileSink sink, std::string temporary);

  Result<Bytes> on_news(FileNews news);
  Result<> on(const DirectoryBegin& record);
  Result<> on(const DirectoryEnd& record);
  Result<> on(const File& record);
  Result<> on(const SymbolicLink& record);
  Result<> on(const End& record);

  files::FileDescriptor out_;
  files::Folder folder_;
  FileSink sink_;
  std::string temporary_;         ///< of links, and of the file that is not whole
  std::vector<std::byte> noted_;  ///< a record of the last file
  std::uint64_t files_ = 0;
  std::uint64_t bytes_ = 0;  ///< of those
  std::uint64_t partial_bytes_ = 0;
  bool ended_ = false;
};

}  // namespace squall::replicate
