#pragma once
// Records to folders, at every receiver. What comes is hostile: no symbolic link is followed below
// the root, nothing lands outside of it, and a record out of turn is refused. A file is written
// beside the root under a temporary name, and renamed when it is whole and its digest is right;
// whatever ends a Store early removes that temporary. One thread at a time.

#include <cstdint>
#include <optional>
#include <string>

#include "bench/replicate/file_descriptor.h"
#include "bench/replicate/record.h"
#include "core/base/digest.h"
#include "core/base/error.h"

namespace squall::replicate {

class Store {
 public:
  /// Makes `out` and `out`/`member` where they are not there yet; what is there already stays,
  /// but for the names that are replicated.
  static Result<Store> open(const std::string& out, const std::string& member);
  Store(Store&&) = default;
  Store& operator=(Store&&) = delete;
  ~Store();

  /// After an error nothing more is applied: call it no more.
  Result<> apply(const Record& record);
  /// What has been written so far, for reading: the root, and the file that is being written, if
  /// one is. Goes on to give the same while more is applied, and when the store is gone.
  struct Reading {
    FileDescriptor root;
    FileDescriptor partial;
    std::uint64_t partial_bytes = 0;
  };
  Result<Reading> reading() const;

  /// End has come.
  bool ended() const { return ended_; }
  std::uint64_t files() const { return files_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Open {
    std::string path;
    std::uint32_t mode = 0;
    std::uint64_t size = 0;
    std::uint64_t left = 0;
    FileDescriptor fd;
  };
  /// An open folder and a name in it.
  struct Place {
    int directory;
    std::string name;
  };
  Store(std::string shown_root, std::string temporary, FileDescriptor out, FileDescriptor root);

  Result<> on(const DirectoryBegin& record);
  Result<> on(const DirectoryEnd& record);
  Result<> on(const FileBegin& record);
  Result<> on(const FileData& record);
  Result<> on(const FileEnd& record);
  Result<> on(const SymbolicLink& record);
  Result<> on(const Padding& record);
  Result<> on(const End& record);

  Result<Place> place_of(std::string_view path);
  Result<> take_name(std::string_view path);
  tl::unexpected<Error> cannot(std::string_view verb, std::string_view path, int error) const;

  std::string shown_root_;
  std::string temporary_;
  FileDescriptor out_;
  FileDescriptor root_;
  FileDescriptor parent_;
  std::string parent_path_;  ///< what `parent_` is, when it is open
  std::optional<Open> file_;
  Digest digest_;  ///< of the open file
  std::uint64_t files_ = 0;
  std::uint64_t bytes_ = 0;
  bool ended_ = false;
};

}  // namespace squall::replicate
