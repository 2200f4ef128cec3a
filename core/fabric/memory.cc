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

Result<Memory> Memory::create(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  Memory memory;
  memory.fd_ = memfd_create("squall", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (memory.fd_ < 0) return fail_errno("memfd_create", errno);
  const std::size_t size = round_up(bytes == 0 ? 1 : bytes, page);
  if (ftruncate(memory.fd_, static_cast<off_t>(size)) != 0)
    return fail_errno(fmt::format("cannot size a region of {} bytes", size), errno);
  void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd_, 0);
  if (mapped == MAP_FAILED)
    return fail_errno(fmt::format("cannot map a region of {} bytes", size), errno);
  memory.data_ = static_cast<std::byte*>(mapped);
  memory.size_ = size;
  // FUTURE_WRITE leaves the mapping above writable and refuses every later one.
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
  if (fcntl(memory.fd_, F_ADD_SEALS, seals) != 0)
    return fail_errno("cannot seal a region", errno, "Linux 5.1 or later is needed");
  return memory;
}

Memory Memory::lent(MutableBytes bytes) {
  Memory memory;
  memory.data_ = bytes.data();
  memory.size_ = bytes.size();
  return memory;
}

Memory& Memory::operator=(Memory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(fd_, other.fd_);
  return *this;
}

Memory::~Memory() {
  if (fd_ < 0) return;
  if (data_ != nullptr) munmap(data_, size_);
  close(fd_);
}

}  // namespace squall::fabric
