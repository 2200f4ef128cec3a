#pragma once
// What a replication has done so far, without the bytes of files: every record, and one for every
// file that has come, in order, in a file without a name, and their digest. Files are in it with
// the digests of their contents, which every member compares with what it wrote, so equal journals
// mean equal folders. One thread at a time.

#include <cstdint>
#include <string>

#include "core/base/bytes.h"
#include "core/base/digest.h"
#include "core/base/error.h"
#include "groups/files/file_descriptor.h"

namespace squall::replicate {

using files::FileDescriptor;

class Journal {
 public:
  /// The file lies in `folder`, and is gone with the Journal.
  static Result<Journal> open(const std::string& folder);

  /// A record, encoded.
  Result<> append(Bytes record);
  /// Of all records.
  Digest::Value digest() const { return digest_.value(); }

  /// The same file, and how much of it is written. Reading it from the beginning gives each record
  /// behind its length (32 bits), whatever is appended meanwhile.
  struct Reading {
    FileDescriptor fd;
    std::uint64_t bytes = 0;
  };
  Result<Reading> reading() const;

 private:
  explicit Journal(FileDescriptor fd) : fd_(std::move(fd)) {}

  FileDescriptor fd_;
  std::uint64_t bytes_ = 0;
  Digest digest_;
};

}  // namespace squall::replicate
