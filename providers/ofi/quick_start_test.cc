// Its own program: libfabric is first used in a process once.

#include <doctest/doctest.h>
#include <fcntl.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

#include "providers/ofi/libfabric.h"

namespace squall::ofi {
namespace {

/// Bytes that this process has read so far, as the kernel counts them (proc(5), io).
std::uint64_t bytes_read() {
  std::ifstream io("/proc/self/io");
  std::string name;
  std::uint64_t bytes = 0;
  io >> name >> bytes;
  REQUIRE(name == "rchar:");
  return bytes;
}

std::uint64_t bytes_in(std::FILE* opened) {
  if (opened == nullptr) return 0;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(opened, std::fclose);
  std::uint64_t bytes = 0;
  char some[4096];
  while (const std::size_t got = std::fread(some, 1, sizeof some, file.get())) bytes += got;
  return bytes;
}

TEST_CASE("libfabric starts without the kernel's symbols, which all others may read") {
  REQUIRE(libfabric::load());
  const std::uint64_t before = bytes_read();
  fi_info* found = nullptr;
  REQUIRE(libfabric::getinfo(FI_VERSION(1, 17), nullptr, nullptr, 0, nullptr, &found) == 0);
  const std::uint64_t read = bytes_read() - before;
  libfabric::freeinfo(found);
  // Not by fopen: whether that lets this program through is a question of its own.
  const int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
  const std::uint64_t symbols = fd < 0 ? 0 : bytes_in(fdopen(fd, "r"));
  if (symbols == 0) return;  // nothing to spare here
  CHECK(read < symbols);
  CHECK(bytes_in(std::fopen("/proc/kallsyms", "r")) > 0);
}

}  // namespace
}  // namespace squall::ofi
