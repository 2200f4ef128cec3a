#include "providers/shm/shm_region.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <limits>
#include <utility>

#include "core/base/assert.h"
#include "core/base/ring_math.h"

namespace squall::shm {
namespace {

using Word = std::uint64_t;

Word load(const std::byte* at) {
  return std::atomic_ref(*reinterpret_cast<Word*>(const_cast<std::byte*>(at)))
      .load(std::memory_order_acquire);
}

/// Word by word, so that no counter is torn. True if the destination held the same before.
bool copy_words(std::byte* to, const std::byte* from, std::size_t bytes) {
  bool same = true;
  for (std::size_t i = 0; i < bytes; i += sizeof(Word)) {
    const Word seen = load(from + i);
    auto& kept = *reinterpret_cast<Word*>(to + i);
    if (kept == seen) continue;  // also keeps untouched pages of the copy unallocated
    kept = seen;
    same = false;
  }
  return same;
}

}  // namespace

Result<> check_memory(const Fd& fd, std::size_t bytes, std::size_t* actual_bytes) {
  const int seals = fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0) return fail(Code::refused, "what the peer handed over is not sealable memory");
  constexpr int needed = F_SEAL_SHRINK | F_SEAL_GROW;
  if ((seals & needed) != needed)
    return fail(Code::refused, "the peer's memory is not sealed against shrinking and growing");
  struct stat facts {};
  if (fstat(fd.get(), &facts) != 0) return fail_errno("fstat of the peer's memory", errno);
  const auto actual = static_cast<std::size_t>(facts.st_size);
  if (actual_bytes != nullptr) *actual_bytes = actual;
  if (actual < bytes)
    return fail(Code::refused,
                fmt::format("the peer's memory has {} bytes, {} are needed", actual, bytes));
  return {};
}

Result<Replica> Replica::reserve(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  if (bytes == 0 || bytes > std::numeric_limits<std::size_t>::max() / 2)
    return fail(Code::invalid, fmt::format("a replica of {} bytes", bytes));
  Replica replica;
  replica.asked_bytes_ = bytes;
  const std::size_t whole = round_up(bytes, page);
  void* at = mmap(nullptr, whole, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED)
    return fail_errno(fmt::format("cannot reserve {} bytes of address space", whole), errno);
  replica.data_ = static_cast<std::byte*>(at);
  replica.bytes_ = whole;
  return replica;
}

Result<> Replica::map(const Fd& fd, bool once) {
  SQUALL_ASSERT(data_ != nullptr && !mapped_, "a replica is mapped once");
  if (auto checked = check_memory(fd, asked_bytes_); !checked) return checked;
  void* at = mmap(data_, bytes_, PROT_READ, MAP_SHARED | MAP_FIXED, fd.get(), 0);
  if (at == MAP_FAILED)
    return fail_errno(fmt::format("cannot map {} bytes of a peer's memory", bytes_), errno);
  mapped_ = true;
  // Populating costs as much as the faults that it saves, and all at once. Unmapping is cheaper
  // where pages need not be marked as used. Advice: nothing depends on it.
  if (once) madvise(data_, bytes_, MADV_SEQUENTIAL);
  return {};
}

bool Replica::freeze() {
  if (!mapped_) return true;
  void* at = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  // Going on without the copy would let an expelled peer change what we read.
  SQUALL_ASSERT(at != MAP_FAILED, "a fence needs memory for the copy of what it fences");
  auto* copy = static_cast<std::byte*>(at);
  bool settled = copy_words(copy, data_, bytes_);
  if (bytes_ > instant_bytes) {
    settled = true;
  } else {
    // When two passes in a row see the same, that is what it was between them.
    // Time alone would not do: it also passes while this thread does not run.
    const Time end = Monotonic::now() + instant_patience;
    for (int pass = 0; !settled && (pass < min_passes || Monotonic::now() < end); ++pass)
      settled = copy_words(copy, data_, bytes_);
  }
  SQUALL_ASSERT(mprotect(copy, bytes_, PROT_READ) == 0, "protecting one's own memory");
  // One step for every reader: they see the owner's memory before it, the copy after.
  void* moved = mremap(copy, bytes_, bytes_, MREMAP_MAYMOVE | MREMAP_FIXED, data_);
  SQUALL_ASSERT(moved == data_, "moving the copy over the replica");
  mapped_ = false;
  return settled;
}

Replica& Replica::operator=(Replica&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(asked_bytes_, other.asked_bytes_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

Replica::~Replica() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

}  // namespace squall::shm
