#pragma once
// A block of page-aligned, zeroed memory that a node owns and its peers may see. It is a memfd,
// so that a peer on the same host can map it, sealed so that no peer can shrink it or write it
// (memfd_create(2), F_SEAL_FUTURE_WRITE in fcntl(2)). Movable, not copyable.

#include <cstddef>
#include <memory>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace squall::fabric {

class Memory {
 public:
  /// `bytes` is rounded up to whole pages. Fails with Code::io when the host has no memory.
  static Result<Memory> create(std::size_t bytes);

  /// Somebody else's memory, for `import_object` to land in: neither unmapped here nor exposed. It
  /// begins at a page and outlives this object.
  static Memory lent(MutableBytes bytes);

  Memory() = default;
  Memory(Memory&& other) noexcept { *this = std::move(other); }
  Memory& operator=(Memory&& other) noexcept;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  /// Valid as long as the pages; -1 if they are lent.
  int fd() const;
  /// Keeps the pages where they are, whatever becomes of this object. Null if they are lent.
  std::shared_ptr<const void> pages() const { return pages_; }

 private:
  struct Pages;
  std::shared_ptr<const Pages> pages_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace squall::fabric
