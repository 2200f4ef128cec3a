#pragma once
// A file that is being received. It lies under a name of its own until it is whole, and gets the
// name that it was sent under only then; if it goes before that, nothing is left. One thread at a
// time.

#include <cstdint>
#include <string>

#include "core/base/bytes.h"
#include "core/base/digest.h"
#include "core/base/error.h"
#include "groups/files/file_descriptor.h"
#include "groups/files/folder.h"

namespace squall::files {

class PartialFile {
 public:
  struct Description {
    std::string path;  ///< below the folder; checked
    std::uint32_t mode = 0;
    std::uint64_t total = 0;
  };
  /// Makes `name` in the open folder `directory`, in place of what a killed process has left there,
  /// and asks for the file's room on the disk. Both folders outlive it.
  static Result<PartialFile> create(int directory, std::string name, Folder& folder,
                                    Description description);
  PartialFile(PartialFile&&) noexcept = default;
  PartialFile& operator=(PartialFile&&) = delete;
  ~PartialFile();

  /// Appends; no more than is left.
  Result<> write(Bytes bytes);
  /// All has been written: gives it its name, in place of what has it, if the digest is right.
  Result<> finish(const Digest::Value& digest);

  const Description& description() const { return description_; }
  std::uint64_t written() const { return written_; }
  std::uint64_t left() const { return description_.total - written_; }
  /// The same open file once more.
  Result<FileDescriptor> duplicate() const;

 private:
  PartialFile(int directory, std::string name, Folder& folder, Description description,
              FileDescriptor fd);
  Result<> ask_for_room() const;
  tl::unexpected<Error> cannot(std::string_view verb, int error) const {
    return folder_->cannot(verb, description_.path, error);
  }

  int directory_;
  std::string name_;
  Folder* folder_;
  Description description_;
  FileDescriptor fd_;  // none: it has its name, or has moved
  Digest digest_;
  std::uint64_t written_ = 0;
};

}  // namespace squall::files
