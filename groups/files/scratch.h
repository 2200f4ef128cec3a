#pragma once
// Folders for tests, and what is in them.

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/digest.h"

namespace squall::files {

namespace fs = std::filesystem;

/// A folder of the test's own.
class Scratch {
 public:
  Scratch() {
    const char* base = std::getenv("TEST_TMPDIR");
    std::string name = fmt::format("{}/squallXXXXXX", base != nullptr ? base : "/tmp");
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    fs::permissions(path_, fs::perms::owner_all, ignored);
    fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const fs::path& path() const { return path_; }
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

inline std::string read_file(const fs::path& path) {
  // In one piece: byte by byte takes minutes for the large ones under a sanitizer.
  std::ifstream file(path, std::ios::binary);
  std::string content(fs::file_size(path), '\0');
  file.read(content.data(), std::ssize(content));
  content.resize(static_cast<std::size_t>(file.gcount()));
  return content;
}

inline void write_file(const fs::path& path, std::string_view content, mode_t mode = 0644) {
  std::ofstream(path, std::ios::binary).write(content.data(), std::ssize(content));
  REQUIRE(chmod(path.c_str(), mode) == 0);
}

/// The whole of it if it is short, else what tells it from others.
inline std::string content_or_digest(const fs::path& path) {
  constexpr std::size_t most_shown = std::size_t{64} << 10;
  if (fs::file_size(path) <= most_shown) return read_file(path);
  Digest digest;
  std::ifstream file(path, std::ios::binary);
  std::vector<char> piece(std::size_t{256} << 10);
  std::size_t bytes = 0;
  while (file.read(piece.data(), std::ssize(piece)), file.gcount() != 0) {
    const std::string_view got(piece.data(), static_cast<std::size_t>(file.gcount()));
    digest.update(as_bytes(got));
    bytes += got.size();
  }
  return fmt::format("{} bytes of digest {}", bytes, to_hex(digest.value()));
}

/// Kind, mode, and content or target of everything below a folder.
inline std::map<std::string, std::string> picture(const fs::path& root) {
  std::map<std::string, std::string> seen;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    struct stat status {};
    REQUIRE(lstat(entry.path().c_str(), &status) == 0);
    std::string what = fmt::format("{:o} ", status.st_mode);
    if (entry.is_symlink())
      what += fs::read_symlink(entry.path()).string();
    else if (entry.is_regular_file())
      what += content_or_digest(entry.path());
    seen[fs::relative(entry.path(), root).string()] = what;
  }
  return seen;
}

}  // namespace squall::files
