#pragma once
// Where a node's upcalls run: where it turns, or on an executor of the application's, one after the
// other in one order, each with its own copy of the message. Private to groups/, but for Executor
// (config.h).
//
// `call` and `deliver` come from where the node turns; upcalls run on whatever thread the executor
// runs them on, never two at once. What one of them throws is logged, and the next one follows.

#include <cstddef>
#include <functional>
#include <memory>

#include "core/engine/state.h"
#include "core/multicast/delivery.h"
#include "groups/config.h"

namespace squall {

class Upcalls {
 public:
  /// Waiting for the executor: beyond that, rings push back.
  static constexpr std::size_t most_waiting_bytes = std::size_t{16} << 20;

  /// `room` is called, on the executor, when much that waited is done.
  Upcalls(Executor executor, std::function<void()> room);
  /// After `close`.
  ~Upcalls();

  /// There is no executor: `call` and `deliver` are calls.
  bool direct() const { return state_ == nullptr; }
  void call(std::function<void()> upcall);
  void deliver(const std::shared_ptr<const multicast::DeliverFunction>& upcall,
               const multicast::Delivery& message);
  /// Hooks that call the application's in their place among the upcalls. The state for a joiner is
  /// taken there, too: until it is, the source says Code::would_block. What `load` refuses is told
  /// to `failed`, on the executor.
  engine::StateHooks in_order(engine::StateHooks hooks, std::function<void(Error)> failed);

  /// Too much waits: deliver nothing for now. Stays so until half of it is done.
  bool full();

  /// Nothing waits, and none runs. Any thread.
  bool quiet() const;
  /// What has not begun never does; waits for the upcall that runs. Not from an upcall.
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;
  bool full_ = false;
};

}  // namespace squall
