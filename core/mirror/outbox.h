#pragma once
// The large objects that one member sends through one ring, until everyone has consumed them. Like
// the ring's writer it outlives views: what a view leaves unfinished is begun again in the next.
//
// An object's frame is claimed in the ring when it is sent, so it keeps its place among its
// sender's messages; it is published when all members hold the object.

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/ring_math.h"
#include "core/mirror/buffer.h"
#include "core/mirror/ring_writer.h"

namespace squall::mirror {

/// What an object's frame in the ring says.
struct ObjectFrame {
  std::uint64_t number = 0;  ///< of its sender's objects, from 0, for good
  std::uint64_t bytes = 0;
  std::uint64_t region = 0;  ///< of the sender, in which it lies

  static constexpr std::size_t wire_bytes = 3 * sizeof(std::uint64_t);
};

class Outbox {
 public:
  struct Item {
    std::uint64_t number = 0;
    std::shared_ptr<const Buffer> buffer;
    Position frame = 0;
    Position end = 0;  ///< behind the frame
  };

  /// The writer outlives it.
  Outbox(RingWriter& writer, std::size_t limit_bytes, fabric::RegionId first_region)
      : writer_(writer), pool_(Pool::create(limit_bytes, first_region)) {}

  // --- any thread

  Pool& pool() { return *pool_; }
  /// Takes the buffer, or leaves it if the ring has no room (Code::would_block). `here`: this is
  /// the thread that turns the engine.
  Result<> send(Buffer& buffer, bool here);

  // --- the engine

  /// Something was sent since the last `collect`.
  bool news() const { return sent_.load(std::memory_order_acquire) != collected_; }
  void collect();
  /// In the order of their frames.
  std::deque<Item>& items() { return items_; }
  /// Those whose frames end there or before are done with.
  void consumed(Position by_all);
  /// A peer that maps their memory has been left behind and may be stopped in the middle of a
  /// delivery: what is under way now stays as it is for good, and goes when it is done with.
  void leave_as_they_are();

 private:
  RingWriter& writer_;
  std::shared_ptr<Pool> pool_;
  std::mutex mutex_;  // frames lie in the order of numbers
  std::vector<Item> fresh_;
  std::atomic<std::uint64_t> sent_{0};
  std::uint64_t collected_ = 0;
  std::deque<Item> items_;
};

}  // namespace squall::mirror
