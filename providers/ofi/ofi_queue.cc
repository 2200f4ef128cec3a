#include "providers/ofi/ofi_queue.h"

#include <fmt/format.h>
#include <rdma/fi_errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

#include "core/base/log.h"

namespace squall::ofi {
namespace {

constexpr std::size_t most_completions = 32;
// Outstanding work is bounded by us per lane; this is for many peers.
constexpr std::size_t queue_entries = 4096;

/// The only descriptor that an epoll descriptor watches; -1 if there are others, or none.
int only_watched(int epoll) {
  std::ifstream lines(fmt::format("/proc/self/fdinfo/{}", epoll));
  int found = -1;
  for (std::string line; std::getline(lines, line);) {
    int fd = -1;
    if (std::sscanf(line.c_str(), "tfd: %d", &fd) != 1) continue;
    if (found >= 0) return -1;
    found = fd;
  }
  return found;
}

}  // namespace

Result<std::unique_ptr<Queue>> Queue::open(Domain& domain, bool with_events, bool quiet) {
  std::unique_ptr<Queue> queue(new Queue);
  queue->fabric_ = domain.fabric();
  queue->epoll_ = epoll_create1(EPOLL_CLOEXEC);
  queue->wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (queue->epoll_ < 0 || queue->wake_ < 0) return fail_errno("epoll or eventfd", errno);

  const auto watch = [&](int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    return epoll_ctl(queue->epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
  };
  if (!watch(queue->wake_)) return fail_errno("epoll_ctl", errno);

  fi_cq_attr attributes{};
  attributes.format = FI_CQ_FORMAT_MSG;
  attributes.size = queue_entries;
  attributes.wait_obj = FI_WAIT_FD;
  fid_cq* cq = nullptr;
  queue->can_wait_ = fi_cq_open(domain.domain(), &attributes, &cq, nullptr) == 0;
  if (!queue->can_wait_) {
    attributes.wait_obj = FI_WAIT_NONE;
    if (const int failed = fi_cq_open(domain.domain(), &attributes, &cq, nullptr); failed != 0)
      return fail(Code::unavailable, fi_text("fi_cq_open", failed));
  }
  queue->cq_.reset(cq);

  if (with_events) {
    fi_eq_attr events{};
    events.wait_obj = FI_WAIT_FD;
    fid_eq* eq = nullptr;
    if (const int failed = fi_eq_open(domain.fabric(), &events, &eq, nullptr); failed != 0)
      return fail(Code::unavailable, fi_text("fi_eq_open", failed));
    queue->eq_.reset(eq);
  }
  const auto watch_fid = [&](fid_t fid) {
    int fd = -1;
    return fi_control(fid, FI_GETWAIT, &fd) == 0 && watch(fd);
  };
  if (queue->can_wait_)
    queue->can_wait_ = watch_fid(&cq->fid) && (!queue->eq_ || watch_fid(&queue->eq_->fid));
  if (queue->can_wait_ && quiet && domain.signals_itself()) queue->mute();
  return queue;
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

void Queue::mute() {
  int wait_fd = -1;
  if (fi_control(&cq_->fid, FI_GETWAIT, &wait_fd) != 0) return;
  // Nothing is connected yet: it watches its own end of the signal, and nothing else.
  const int signal = only_watched(wait_fd);
  if (signal < 0 || fi_cq_signal(cq_.get()) != 0) return;
  char byte;
  muted_ = recv(signal, &byte, 1, MSG_DONTWAIT) == 1;
  log(Level::debug, "the completion queue {}", muted_ ? "is muted" : "signals every completion");
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
    if (can_wait_ && !may_sleep()) wake();
  } else {
    stage_ = Stage::awake;
    // Without descriptors nobody but `wait` looks at the eventfd.
    if (can_wait_ && drain_wake()) woken_ = true;
  }
}

void Queue::wait(Time until) {
  constexpr Duration nap = 1ms, long_nap = 10ms, short_for = 100ms, longest = 10s;
  const Time now = Monotonic::now();
  const Duration left = until - now;
  if (std::exchange(busy_, false)) last_busy_ = now;
  if (std::exchange(woken_, false)) {
    drain_wake();
    return;
  }
  if (left <= Duration::zero()) {
    // Whoever slept on the descriptor takes note: what woke it must not stay readable.
    drain_wake();
    return;
  }
  const Duration at_most = can_wait_ ? longest : now - last_busy_ < short_for ? nap : long_nap;
  const Duration span = std::min(left, at_most);
  if (can_wait_ && !may_sleep()) return;
  // Without descriptors of libfabric's, epoll holds the eventfd alone: a nap that `wake` ends.
  timespec timeout{span.count() / 1'000'000'000, span.count() % 1'000'000'000};
  epoll_event event;
  if (epoll_pwait2(epoll_, &event, 1, &timeout, nullptr) > 0) drain_wake();
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
