#pragma once
// A group as its node implements it: the sending side of one channel. Private to groups/; users see
// groups/node.h. Where the stack changes bytes it is the one in coded_group.h.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "core/base/ring_math.h"
#include "core/engine/loop.h"
#include "core/mirror/outbox.h"
#include "core/mirror/ring_writer.h"
#include "groups/node.h"
#include "groups/plan.h"
#include "groups/upcalls.h"

namespace squall {

/// What a group needs of its node.
class GroupHost {
 public:
  virtual ~GroupHost() = default;
  virtual std::shared_ptr<const View> host_view() const = 0;
  virtual Rank host_rank() const = 0;
  /// The same where the node turns.
  virtual const View& host_view_here() const = 0;
  virtual Rank host_rank_here() const = 0;
  /// Of the node's upcalls, which may be on an executor.
  virtual Upcalls& upcalls() = 0;
  /// `queued`: it is one of those, and is to rest while too many wait.
  virtual void deliver_to(std::size_t channel, multicast::DeliverFunction upcall, bool queued) = 0;
  virtual void hand_state(std::size_t channel, engine::StateHooks hooks) = 0;
  virtual std::vector<Laggard> laggards_of(std::size_t channel) = 0;
  /// False: not now, or there is no such other member.
  virtual bool post_to(std::size_t channel, Rank to, Bytes message) = 0;
  virtual std::size_t most_post_bytes() const = 0;  // always the same
  virtual void run_in_turn(std::function<void()> work) = 0;
  /// Where it turns.
  virtual void stop_node(Error error) = 0;
  virtual void hand_posts(std::size_t channel, std::function<void(Rank, Bytes)> upcall) = 0;
  /// Gives way until there may be room: turns the node, or lets its thread do so.
  virtual void wait_for_room() = 0;
  /// Why nothing can be sent any more.
  virtual Error why_closed() const = 0;
};

class GroupImpl : public Group {
 public:
  /// All of them outlive the group.
  /// `writer` is nullptr if this member is no sender, and `outbox` if it sends no large objects.
  GroupImpl(GroupHost& host, engine::Loop& loop, const GroupPlan& plan, mirror::RingWriter* writer,
            mirror::Outbox* outbox);

  std::string_view name() const override { return plan_.name; }
  std::shared_ptr<const View> view() const override { return host_.host_view(); }
  Rank rank() const override { return host_.host_rank(); }
  std::size_t max_message_bytes() const override { return max_bytes_; }
  std::size_t max_object_bytes() const override {
    return outbox_ != nullptr ? plan_.large_bytes : 0;
  }

  Result<Reservation> reserve(std::size_t bytes) override;
  void commit(const Reservation& reservation) override;
  void cancel(const Reservation& reservation) override;
  Result<> try_send(Bytes message) override;
  bool try_send_word(std::uint64_t head, Bytes tail) override;
  Result<> send(Bytes message) override;
  Result<Buffer> try_buffer(std::size_t bytes) override;
  Result<Buffer> buffer(std::size_t bytes) override;
  Result<> try_send(Buffer& object) override;
  Result<> send(Buffer object) override;
  void on_state(StateHooks hooks) override;
  void on_deliver(std::function<void(const Delivery&)> handler) override;
  std::vector<Laggard> laggards() const override;
  Membership membership() const override;
  Membership latest_membership() const override {
    return membership_in(host_.host_view(), host_.host_rank());
  }
  void on_membership(std::function<void(const Membership&)> handler) override;
  Result<> post(Rank to, Bytes message) override;
  std::size_t max_post_bytes() const override { return max_post_bytes_; }
  void on_post(std::function<void(Rank, Bytes)> handler) override;

  /// From now on its upcalls run where the node turns, executor or not. Any thread.
  void attached() { upcalls_ = &direct_; }
  /// From now on nothing can be sent. Any thread.
  void close() { shut_.fetch_or(closed, std::memory_order_relaxed); }

  const GroupPlan& plan() const { return plan_; }

  // --- where the node turns

  /// It is in this view now, and so is its application.
  void be_in(std::shared_ptr<const View> view, Rank self);
  /// The node is in this view; an application that is still to be told of earlier ones is not.
  /// Takes note if this member is in the group no more.
  void look_at(const std::shared_ptr<const View>& view, Rank self);

 protected:
  /// Why so many bytes, as they lie in the ring, did not get into it. Apart from the hot path, so
  /// that it costs a message from the turning thread nothing.
  [[gnu::noinline, gnu::cold]] Result<> refuse(std::size_t bytes) const;
  /// The same of a message, which goes another way if it is too long for the ring.
  [[gnu::noinline, gnu::cold]] Result<> otherwise(Bytes message);
  /// As it is: what changes bytes is for the ring.
  Result<> send_large(Bytes message);

 private:
  bool open() const { return writer_ != nullptr && shut_.load(std::memory_order_relaxed) == 0; }
  Membership membership_in(std::shared_ptr<const View> view, Rank self) const;
  /// The same; from now on it sends, or does not.
  Membership seat(std::shared_ptr<const View> view, Rank self);
  bool sent_at_once(Bytes message);
  void appended_here();
  /// Bytes that were appended here and are neither published nor pushed early.
  std::uint64_t unpushed() const {
    return writer_->end_here() - std::max(writer_->published(), pushed_to_);
  }
  // As `refuse`.
  [[gnu::noinline]] Result<> try_send_slowly(Bytes message);
  [[gnu::noinline]] Result<> send_slowly(Bytes message);
  [[gnu::noinline]] Result<> send_from_elsewhere(Bytes message);

  GroupHost& host_;
  engine::Loop& loop_;
  mirror::RingWriter* writer_;  // nullptr: this member is no sender
  mirror::Outbox* outbox_;
  static constexpr std::uint8_t closed = 1, unseated = 2;
  std::atomic<std::uint8_t> shut_{0};  // why nothing can be sent
  std::size_t piece_ = SIZE_MAX;  // bytes appended here that are pushed without waiting for a turn
  Position pushed_to_ = 0;        // by the last early push
  GroupPlan plan_;
  const std::size_t max_post_bytes_;
  Upcalls direct_{{}, {}};
  std::atomic<Upcalls*> upcalls_;
  mutable std::mutex membership_mutex_;
  Membership membership_;
  std::function<void(const Membership&)> membership_handler_;

 protected:
  std::size_t max_bytes_;
  std::size_t overhead_ = 0;  // what a message may be longer in the ring
};

}  // namespace squall
