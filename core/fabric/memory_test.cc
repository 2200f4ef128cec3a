#include "core/fabric/memory.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace squall::fabric {
namespace {

const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));

bool zeroed(const Memory& memory) {
  return std::all_of(memory.data(), memory.data() + memory.size(),
                     [](std::byte each) { return each == std::byte{0}; });
}

TEST_CASE("memory is whole pages of zeros") {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, page, page + 1, 5 * page}) {
    CAPTURE(bytes);
    const Memory memory = Memory::create(bytes).value();
    CHECK(memory.size() == (std::max<std::size_t>(bytes, 1) + page - 1) / page * page);
    CHECK(reinterpret_cast<std::uintptr_t>(memory.data()) % page == 0);
    CHECK(zeroed(memory));
    memory.data()[memory.size() - 1] = std::byte{1};
  }
}

TEST_CASE("others can map it to read it, and cannot write or shrink it") {
  const Memory memory = Memory::create(page).value();
  memory.data()[7] = std::byte{7};
  void* const mapped = mmap(nullptr, page, PROT_READ, MAP_SHARED, memory.fd(), 0);
  REQUIRE(mapped != MAP_FAILED);
  CHECK(static_cast<const std::byte*>(mapped)[7] == std::byte{7});
  munmap(mapped, page);
  CHECK(mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd(), 0) == MAP_FAILED);
  CHECK(ftruncate(memory.fd(), 0) == -1);
}

TEST_CASE("its pages stay for who holds them, and go with the last") {
  Memory memory = Memory::create(page).value();
  std::byte* const at = memory.data();
  at[page - 1] = std::byte{3};
  auto pages = memory.pages();
  memory = {};
  CHECK(at[page - 1] == std::byte{3});
  pages.reset();
  unsigned char resident = 0;
  CHECK(mincore(at, page, &resident) == -1);  // ENOMEM: nothing is mapped there
}

TEST_CASE("lent memory is the lender's: it has no pages and no descriptor") {
  std::byte bytes[16];
  const Memory memory = Memory::lent(bytes);
  CHECK(memory.data() == bytes);
  CHECK(memory.size() == 16);
  CHECK(memory.fd() == -1);
  CHECK(memory.pages() == nullptr);
}

}  // namespace
}  // namespace squall::fabric
