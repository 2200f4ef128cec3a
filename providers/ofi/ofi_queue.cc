#include "providers/ofi/ofi_queue.h"

#include <fmt/format.h>
#include <rdma/fi_errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/log.h"
#include "providers/ofi/ofi_limits.h"

namespace squall::ofi {
namespace {

// Outstanding work is bounded by us per lane; this is for many peers.
constexpr std::size_t queue_entries = 4096;

/// A muted queue's list begins with two signals of libfabric's own, that the list has changed and
/// that something has completed. In their place we put what else there is to sleep on.
constexpr std::size_t changed_at = 0, completed_at = 1, first_socket = 2;
constexpr std::size_t wake_at = 0, events_at = 1;

/// Where nothing would end a sleep: the longer nothing has come, the longer. A nap costs some 100
/// us of processor time where the core had to wake up for it.
Duration nap_after(Duration quiet) {
  return quiet < 100ms ? 1ms : quiet < 1s ? 10ms : 20ms;
}

bool watch(int epoll, int fd, short events, int operation) {
  epoll_event event{};
  event.events = static_cast<std::uint32_t>(events);  // the same bits: see epoll_ctl(2)
  event.data.fd = fd;
  return epoll_ctl(epoll, operation, fd, &event) == 0;
}

}  // namespace

Result<std::unique_ptr<Queue>> Queue::open(Domain& domain, bool with_events, bool quiet) {
  std::unique_ptr<Queue> queue(new Queue);
  queue->fabric_ = domain.fabric();
  queue->epoll_ = epoll_create1(EPOLL_CLOEXEC);
  queue->wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (queue->epoll_ < 0 || queue->wake_ < 0) return fail_errno("epoll or eventfd", errno);
  if (!watch(queue->epoll_, queue->wake_, POLLIN, EPOLL_CTL_ADD))
    return fail_errno("epoll_ctl", errno);

  if (auto opened = queue->open_completions(domain, quiet); !opened)
    return tl::unexpected(opened.error());
  if (with_events) {
    fi_eq_attr events{};
    events.wait_obj = FI_WAIT_FD;
    fid_eq* eq = nullptr;
    if (const int failed = fi_eq_open(domain.fabric(), &events, &eq, nullptr); failed != 0)
      return fail(Code::unavailable, fi_text("fi_eq_open", failed));
    queue->eq_.reset(eq);
    if (fi_control(&eq->fid, FI_GETWAIT, &queue->events_fd_) != 0) queue->can_wait_ = false;
  }
  for (const int fd : {queue->completions_fd_, queue->events_fd_})
    if (queue->can_wait_ && fd >= 0)
      queue->can_wait_ = watch(queue->epoll_, fd, POLLIN, EPOLL_CTL_ADD);
  return queue;
}

/// Muted if it is to be quiet and can be; else with a descriptor if it has one.
Result<> Queue::open_completions(Domain& domain, bool quiet) {
  const auto open = [&](fi_wait_obj kind) {
    fi_cq_attr attributes{};
    attributes.format = FI_CQ_FORMAT_MSG;
    attributes.size = queue_entries;
    attributes.wait_obj = kind;
    fid_cq* cq = nullptr;
    const int failed = fi_cq_open(domain.domain(), &attributes, &cq, nullptr);
    if (failed == 0) cq_.reset(cq);
    return failed;
  };
  if (quiet && domain.signals_itself()) {
    muted_ = open(FI_WAIT_POLLFD) == 0 && mute();
    log(Level::debug, "the completion queue {}", muted_ ? "is muted" : "signals every completion");
    can_wait_ = muted_;
    if (muted_) return {};
    cq_.reset();
  }
  can_wait_ = open(FI_WAIT_FD) == 0 && fi_control(&cq_->fid, FI_GETWAIT, &completions_fd_) == 0;
  if (can_wait_) return {};
  cq_.reset();
  if (const int failed = open(FI_WAIT_NONE); failed != 0)
    return fail(Code::unavailable, fi_text("fi_cq_open", failed));
  return {};
}

Queue::~Queue() {
  if (wake_ >= 0) close(wake_);
  if (epoll_ >= 0) close(epoll_);
}

std::size_t Queue::read(std::span<Completion> completions) {
  std::array<fi_cq_msg_entry, most_completions> entries;
  const std::size_t room = std::min(completions.size(), entries.size());
  if (room == 0) return 0;
  const ssize_t count = fi_cq_read(cq_.get(), entries.data(), room);
  if (count > 0) {
    busy_ = true;
    for (ssize_t i = 0; i < count; ++i)
      completions[i] = {static_cast<Op*>(entries[i].op_context), entries[i].len, 0};
    return static_cast<std::size_t>(count);
  }
  if (count != -FI_EAVAIL) return 0;
  fi_cq_err_entry failed{};
  if (fi_cq_readerr(cq_.get(), &failed, 0) <= 0) return 0;
  completions[0] = {static_cast<Op*>(failed.op_context), 0, failed.err == 0 ? FI_EIO : failed.err};
  return 1;
}

bool Queue::read_event(ConnectionEvent& event) {
  if (!eq_) return false;
  alignas(fi_eq_cm_entry) std::array<std::byte, sizeof(fi_eq_cm_entry) + 512> buffer;
  std::uint32_t kind = 0;
  // A connection that ends before its request has come makes the tcp provider look at errno
  // without an error having set it; a stale EAGAIN there leaves the dead socket readable for ever.
  errno = 0;
  const ssize_t bytes = fi_eq_read(eq_.get(), &kind, buffer.data(), buffer.size(), 0);
  event = {};
  if (bytes == -FI_EAVAIL) {
    fi_eq_err_entry failed{};
    if (fi_eq_readerr(eq_.get(), &failed, 0) <= 0) return false;
    event.kind = ConnectionEvent::Kind::failed;
    event.fid = failed.fid;
    event.error = failed.err == 0 ? FI_EIO : failed.err;
    return true;
  }
  if (bytes < static_cast<ssize_t>(sizeof(fi_eq_cm_entry))) return false;
  const auto* entry = reinterpret_cast<const fi_eq_cm_entry*>(buffer.data());
  event.fid = entry->fid;
  switch (kind) {
    case FI_CONNREQ: {
      event.kind = ConnectionEvent::Kind::request;
      event.info.reset(entry->info);
      event.data.assign(buffer.data() + sizeof(fi_eq_cm_entry), buffer.data() + bytes);
      return true;
    }
    case FI_CONNECTED:
      event.kind = ConnectionEvent::Kind::connected;
      return true;
    case FI_SHUTDOWN:
      event.kind = ConnectionEvent::Kind::shutdown;
      return true;
    default:
      log(Level::debug, "libfabric event {} ignored", kind);
      return read_event(event);
  }
}

bool Queue::mute() {
  // Nothing is connected yet, so there are the two signals alone, once a look has made them so.
  fi_cq_msg_entry none;
  fi_cq_read(cq_.get(), &none, 0);
  std::array<pollfd, first_socket> signals{};
  fi_wait_pollfd list{};
  list.nfds = signals.size();
  list.fd = signals.data();
  if (fi_control(&cq_->fid, FI_GETWAIT, &list) != 0 || list.nfds != signals.size()) return false;
  if (fi_cq_signal(cq_.get()) != 0) return false;
  char byte;
  // Its change is nothing to us, who read the list before every sleep.
  static_cast<void>(recv(signals[changed_at].fd, &byte, 1, MSG_DONTWAIT));
  return recv(signals[completed_at].fd, &byte, 1, MSG_DONTWAIT) == 1;
}

/// What to sleep on, as of the last look. `descriptor`: that too, if it is one.
void Queue::list_sleepers(int descriptor) {
  if (muted_) {
    fi_wait_pollfd list{};
    for (int tries = 0; tries < 2; ++tries) {
      list.nfds = sleepers_.size();
      list.fd = sleepers_.data();
      if (fi_control(&cq_->fid, FI_GETWAIT, &list) == 0) break;
      sleepers_.resize(list.nfds);
    }
    sleepers_.resize(list.nfds);
    list_index_ = list.change_index;
  } else {
    sleepers_.resize(first_socket);
    sleepers_.push_back({completions_fd_, POLLIN, 0});
  }
  sleepers_[wake_at] = {wake_, POLLIN, 0};
  sleepers_[events_at] = {events_fd_, POLLIN, 0};
  if (descriptor >= 0) sleepers_.push_back({descriptor, POLLIN, 0});
}

std::span<const pollfd> Queue::sockets() {
  if (!muted_) return {};
  list_sleepers(-1);
  return std::span(sleepers_).subspan(first_socket);
}

/// Brings the epoll set up to date with what there is to sleep on.
void Queue::show_sockets() {
  const auto sockets = this->sockets();
  const auto same = [](const pollfd& a, const pollfd& b) {
    return a.fd == b.fd && a.events == b.events;
  };
  if (shown_index_ == list_index_ && std::ranges::equal(shown_, sleepers_, same)) return;
  // Those that were closed have left the set by themselves, and others may have their numbers.
  for (const pollfd& gone : shown_)
    if (std::ranges::find(sleepers_, gone.fd, &pollfd::fd) == sleepers_.end())
      epoll_ctl(epoll_, EPOLL_CTL_DEL, gone.fd, nullptr);
  for (const pollfd& socket : sockets)
    if (!watch(epoll_, socket.fd, socket.events, EPOLL_CTL_MOD) &&
        !watch(epoll_, socket.fd, socket.events, EPOLL_CTL_ADD))
      wake();  // better no sleep than one that nothing ends
  shown_ = sleepers_;
  shown_index_ = list_index_;
}

bool Queue::may_sleep() {
  if (muted_) {
    // Asking for no entries makes progress, and says whether there are any. fi_trywait would look
    // for the byte that `mute` took.
    fi_cq_msg_entry none;
    if (fi_cq_read(cq_.get(), &none, 0) != -FI_EAGAIN) return false;
    fid_t events = eq_ ? &eq_->fid : nullptr;
    return events == nullptr || fi_trywait(fabric_, &events, 1) == 0;
  }
  std::array<fid_t, 2> fids{&cq_->fid, eq_ ? &eq_->fid : nullptr};
  return fi_trywait(fabric_, fids.data(), eq_ ? 2 : 1) == 0;
}

void Queue::arm() {
  stage_ = Stage::armed;
  if (can_wait_ && !may_sleep()) wake();
}

void Queue::polled() {
  if (stage_ == Stage::armed) {
    stage_ = Stage::looked;
    if (!can_wait_) return;
    if (!may_sleep()) wake();
    if (asked_) show_sockets();
  } else {
    stage_ = Stage::awake;
    // Without descriptors nobody but `wait` looks at the eventfd.
    if (can_wait_ && drain_wake()) woken_ = true;
  }
}

int Queue::fd() {
  if (!can_wait_) return -1;
  if (muted_ && !std::exchange(asked_, true)) show_sockets();
  return epoll_;
}

bool Queue::wait_beside(int descriptor, Time until) {
  constexpr Duration longest = 10s;
  const Time now = Monotonic::now();
  const Duration left = until - now;
  if (std::exchange(busy_, false)) last_busy_ = now;
  // Whoever slept on the descriptor takes note: what woke it must not stay readable.
  if (std::exchange(woken_, false) || left <= Duration::zero()) {
    drain_wake();
    return false;
  }
  const Duration at_most = can_wait_ ? longest : nap_after(now - last_busy_);
  if (can_wait_ && !may_sleep()) return false;
  list_sleepers(descriptor);
  const Duration span = std::min(left, at_most);
  const timespec timeout{span.count() / 1'000'000'000, span.count() % 1'000'000'000};
  if (ppoll(sleepers_.data(), sleepers_.size(), &timeout, nullptr) <= 0) return false;
  if (sleepers_[wake_at].revents != 0) drain_wake();
  return descriptor >= 0 && sleepers_.back().revents != 0;
}

void Queue::wake() {
  const std::uint64_t one = 1;
  // A full counter is as readable as can be.
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
}

bool Queue::drain_wake() {
  std::uint64_t count;
  return ::read(wake_, &count, sizeof count) > 0;
}

}  // namespace squall::ofi
