#pragma once
// A folder into which others put files: nothing lands outside of it, and no symbolic link below it
// is followed. One thread at a time.

#include <string>
#include <string_view>

#include "core/base/error.h"
#include "groups/files/file_descriptor.h"

namespace squall::files {

class Folder {
 public:
  /// Code::io with why it cannot be written to. `shown` is what people are told.
  static Result<Folder> open(int parent, const std::string& name, std::string shown);

  /// An open folder and a name in it.
  struct Place {
    int directory;  ///< valid until the next call
    std::string name;
  };
  /// Where a path, which is checked, lies. Code::refused if there is something else than a folder
  /// on the way. `make`: folders that are not there are made.
  Result<Place> place_of(std::string_view path, bool make = false);

  int fd() const { return fd_.get(); }
  const std::string& shown() const { return shown_; }
  /// "cannot write FOLDER/PATH: No space left on device (make room ...)"
  tl::unexpected<Error> cannot(std::string_view verb, std::string_view path, int error) const;

 private:
  Folder(FileDescriptor fd, std::string shown) : fd_(std::move(fd)), shown_(std::move(shown)) {}
  Result<> make(std::string_view path);

  FileDescriptor fd_;
  std::string shown_;
  FileDescriptor parent_;    // the folder that was asked for last
  std::string parent_path_;  // which that is
};

}  // namespace squall::files
