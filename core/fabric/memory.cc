#include "core/fabric/memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/ring_math.h"

// Debian 12's glibc headers have it; older ones do not.
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace squall::fabric {

/// Whatever of it is there goes with it.
struct Memory::Pages {
  Pages() = default;
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages() {
    if (data != nullptr) munmap(data, bytes);
    if (fd >= 0) close(fd);
  }
  std::byte* data = nullptr;
  std::size_t bytes = 0;
  int fd = -1;
};

Result<Memory> Memory::create(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const auto pages = std::make_shared<Pages>();
  const std::size_t size = round_up(bytes == 0 ? 1 : bytes, page);
  pages->fd = memfd_create("squall", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (pages->fd < 0) return fail_errno("memfd_create", errno);
  if (ftruncate(pages->fd, static_cast<off_t>(size)) != 0)
    return fail_errno(fmt::format("cannot size a region of {} bytes", size), errno);
  void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, pages->fd, 0);
  if (mapped == MAP_FAILED)
    return fail_errno(fmt::format("cannot map a region of {} bytes", size), errno);
  pages->data = static_cast<std::byte*>(mapped);
  pages->bytes = size;
  // FUTURE_WRITE leaves the mapping above writable and refuses every later one.
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
  if (fcntl(pages->fd, F_ADD_SEALS, seals) != 0)
    return fail_errno("cannot seal a region", errno, "Linux 5.1 or later is needed");
  Memory memory;
  memory.data_ = pages->data;
  memory.size_ = size;
  memory.pages_ = pages;
  return memory;
}

Memory Memory::lent(MutableBytes bytes) {
  Memory memory;
  memory.data_ = bytes.data();
  memory.size_ = bytes.size();
  return memory;
}

Memory& Memory::operator=(Memory&& other) noexcept {
  std::swap(pages_, other.pages_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

int Memory::fd() const {
  return pages_ ? pages_->fd : -1;
}

}  // namespace squall::fabric
