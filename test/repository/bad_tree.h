#pragma once
// A small tree of files in the test's scratch folder, to see a rule fail. Gone with its object.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace squall::repository {

class BadTree {
 public:
  BadTree() {
    const char* scratch = std::getenv("TEST_TMPDIR");
    root_ = std::filesystem::path(scratch != nullptr ? scratch : "/tmp") / "bad_tree";
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~BadTree() { std::filesystem::remove_all(root_); }
  BadTree(const BadTree&) = delete;
  BadTree& operator=(const BadTree&) = delete;

  BadTree& add(std::string_view path, std::string_view text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
    return *this;
  }
  const std::filesystem::path& root() const { return root_; }

 private:
  std::filesystem::path root_;
};

}  // namespace squall::repository
