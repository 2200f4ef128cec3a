#pragma once
// Replicas of a peer's memory. Address space is reserved first (it reads as zeros), the owner's
// memory takes its place when its descriptor arrives, and a fence puts a private copy there: the
// address stays the same through all of it. One thread.

#include <cstddef>

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/fabric/fabric.h"
#include "providers/shm/shm_socket.h"

namespace squall::shm {

/// Fails unless `fd` is memory of at least `bytes` that nobody can shrink: reading it can then
/// not end in SIGBUS. Sets `actual_bytes` if it is memory at all.
Result<> check_memory(const Fd& fd, std::size_t bytes, std::size_t* actual_bytes = nullptr);

/// Read-only memory of a peer at a fixed address.
class Replica {
 public:
  Replica() = default;
  Replica(Replica&& other) noexcept { *this = std::move(other); }
  Replica& operator=(Replica&& other) noexcept;
  ~Replica();

  /// Code::io when there is no address space left.
  static Result<Replica> reserve(std::size_t bytes);

  /// Puts the owner's memory here. Code::refused with the reason when it is not what was asked.
  /// `once`: it will be read from its beginning to its end, and only once.
  Result<> map(const Fd& fd, bool once = false);
  /// Puts a copy here; nothing that the owner does is seen any more.
  ///
  /// A live owner may be writing meanwhile. Memory of up to `instant_bytes` is copied until two
  /// passes agree, so that it is what it was at one instant; beyond that, word by word from the
  /// lowest address. So counters that publish what lies in other replicas stay true if they are
  /// small and frozen first. False if the owner wrote so busily that no two passes agreed in
  /// `instant_patience` and `min_passes`: the copy may then mix several instants.
  bool freeze();

  const std::byte* data() const { return data_; }
  std::size_t size() const { return bytes_; }
  bool mapped() const { return mapped_; }

  static constexpr std::size_t instant_bytes = std::size_t{64} << 10;
  static constexpr Duration instant_patience = 5ms;
  static constexpr int min_passes = 100;

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;  ///< whole pages
  std::size_t asked_bytes_ = 0;
  bool mapped_ = false;
};

}  // namespace squall::shm
