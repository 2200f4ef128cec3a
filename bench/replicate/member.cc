#include "bench/replicate/member.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "bench/replicate/record.h"
#include "bench/replicate/status.h"
#include "bench/replicate/store.h"
#include "bench/samples/samples.h"
#include "core/base/digest.h"

namespace squall::replicate {
namespace {

constexpr Duration look_around_every = 100ms;
/// For the last words of one that failed, and for everyone to have heard them.
constexpr Duration farewell = 2s;
constexpr Duration good_order = 5s;
/// The sender turns the node after this much: often enough to keep everyone busy, seldom enough to
/// send in batches.
constexpr std::size_t turn_after_bytes = std::size_t{64} << 10;
constexpr unsigned turn_after_records = 32;
constexpr std::size_t status_ring_bytes = std::size_t{64} << 10;

class Member final : public RecordSink {
 public:
  Member(Node& node, const Job& job, Watcher& watcher)
      : node_(node),
        job_(job),
        watcher_(watcher),
        files_(*node.group(files_group)),
        status_(*node.group(status_group)),
        complete_(node.view()->size()) {}
  ~Member() override {
    files_.on_deliver(nullptr);
    status_.on_deliver(nullptr);
  }
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  tl::expected<Summary, Trouble> run();

  // --- RecordSink, at the sender: straight into the ring
  std::size_t max_bytes() const override { return files_.max_message_bytes(); }
  Result<MutableBytes> reserve(std::size_t bytes) override;
  void commit() override;

 private:
  Result<> step();
  Result<> replicate();
  Result<> agree();
  void on_record(const Delivery& delivery);
  void on_status(const Delivery& delivery);
  void give_up(Error error, std::string caused_by = {});
  Result<> check() const {
    return trouble_ ? Result<>(tl::unexpected(trouble_->error)) : Result<>{};
  }
  void say_why();
  Result<> tell(const Status& status, Time deadline);
  std::string name_of(Rank rank) const { return node_.view()->members[rank].name; }

  Node& node_;
  const Job& job_;
  Watcher& watcher_;
  Group& files_;
  Group& status_;

  std::optional<Store> store_;  // none: nothing more is written here
  Digest stream_;
  std::optional<Trouble> trouble_;
  std::vector<std::optional<Complete>> complete_;  // by rank
  Summary summary_;
  std::optional<Time> first_record_;
  Time look_around_{};

  // at the sender
  Reservation reservation_;
  std::deque<Time> committed_at_;
  bench::Samples latency_;
  std::size_t unturned_bytes_ = 0;
  unsigned unturned_records_ = 0;
};

void Member::give_up(Error error, std::string caused_by) {
  if (trouble_) return;  // the first is the cause
  trouble_ = Trouble{std::move(error), std::move(caused_by)};
  store_.reset();  // also removes what is half written
}

void Member::on_record(const Delivery& delivery) {
  const bool mine = delivery.sender == node_.rank();
  if (!first_record_ || mine) {
    const Time now = Monotonic::now();
    if (!first_record_) first_record_ = now;
    if (mine && !committed_at_.empty()) {
      latency_.add(now - committed_at_.front());
      committed_at_.pop_front();
    }
  }
  ++summary_.messages;
  if (!store_) return;  // given up: the rings must drain all the same
  const auto size = static_cast<std::uint64_t>(delivery.bytes.size());
  stream_.update(as_bytes({reinterpret_cast<const char*>(&size), sizeof(size)}));
  stream_.update(delivery.bytes);
  const auto record = decode(delivery.bytes);
  if (!record) return give_up(record.error());
  if (auto applied = store_->apply(*record); !applied) give_up(applied.error());
}

void Member::on_status(const Delivery& delivery) {
  const auto status = decode_status(delivery.bytes);
  const std::string& who = name_of(delivery.sender);
  if (!status) return give_up(status.error(), who);
  if (const auto* complete = std::get_if<Complete>(&*status)) {
    complete_[delivery.sender] = *complete;
  } else if (delivery.sender != node_.rank()) {
    const auto what = printable(std::get<Failed>(*status).what);
    give_up(Error{Code::lost, fmt::format("member {} failed: {}", who, what), {}}, who);
  }
}

/// One turn, and what must be noticed between turns.
Result<> Member::step() {
  unturned_bytes_ = 0;
  unturned_records_ = 0;
  const bool worked = node_.poll();
  if (const auto stopped = node_.stopped())
    give_up(*stopped, stopped->code == Code::lost ? "a lost member" : "");
  const Time now = Monotonic::now();
  if (now >= look_around_) {
    look_around_ = now + look_around_every;
    if (store_) watcher_.progress(store_->files(), store_->bytes());
    if (watcher_.cancelled()) give_up(Error{Code::closed, "it was told to stop", {}});
  }
  if (!worked && !trouble_) node_.idle(now + 1ms);
  return check();
}

Result<MutableBytes> Member::reserve(std::size_t bytes) {
  if (trouble_) return tl::unexpected(trouble_->error);
  for (;;) {
    auto reservation = files_.reserve(bytes);
    if (reservation) {
      reservation_ = *reservation;
      return reservation_.bytes;
    }
    if (reservation.error().code != Code::would_block) return tl::unexpected(reservation.error());
    if (auto stepped = step(); !stepped) return tl::unexpected(stepped.error());
  }
}

void Member::commit() {
  committed_at_.push_back(Monotonic::now());
  unturned_bytes_ += reservation_.bytes.size();
  files_.commit(reservation_);
  if (unturned_bytes_ >= turn_after_bytes || ++unturned_records_ >= turn_after_records)
    static_cast<void>(step());  // the next reserve, or the end of the walk, sees the trouble
}

Result<> Member::tell(const Status& status, Time deadline) {
  const auto message = encode_status(status);
  for (;;) {
    auto sent = status_.try_send(message);
    if (sent || sent.error().code != Code::would_block) return sent;
    if (!node_.poll()) node_.idle(Monotonic::now() + 1ms);
    if (Monotonic::now() >= deadline) return fail(Code::timeout, "no room to say why");
  }
}

Result<> Member::replicate() {
  auto store = Store::open(job_.out, name_of(node_.rank()));
  if (!store) return tl::unexpected(store.error());
  store_.emplace(std::move(*store));
  if (summary_.sender) {
    auto walked = walk(job_.sources, *this);
    if (trouble_) return check();  // whatever else the walk says, this came first
    if (!walked) return tl::unexpected(walked.error());
    summary_.skipped = walked->skipped;
  }
  while (!store_->ended())
    if (auto stepped = step(); !stepped) return stepped;
  summary_.files = store_->files();
  summary_.bytes = store_->bytes();
  return {};
}

/// Tells its digest, waits for everybody's, compares.
Result<> Member::agree() {
  const Digest::Value mine = stream_.value();
  if (auto told = tell(Complete{mine}, never); !told) return told;
  while (!std::all_of(complete_.begin(), complete_.end(), [](const auto& c) { return c; }))
    if (auto stepped = step(); !stepped) return stepped;
  for (Rank rank = 0; rank < complete_.size(); ++rank)
    if (complete_[rank]->digest != mine)
      return fail(Code::lost, fmt::format("members {} and {} hold different bytes: {} and {}",
                                          name_of(node_.rank()), name_of(rank), to_hex(mine),
                                          to_hex(complete_[rank]->digest)));
  summary_.digest = to_hex(mine);
  return {};
}

/// So that the others need not guess; they stop when they hear it.
void Member::say_why() {
  const Time deadline = Monotonic::now() + farewell;
  if (!node_.stopped() && trouble_->caused_by.empty())
    static_cast<void>(tell(Failed{trouble_->error.text()}, deadline));
  if (!node_.stopped()) static_cast<void>(node_.shutdown(deadline));
}

tl::expected<Summary, Trouble> Member::run() {
  summary_.fabric = node_.fabric();
  summary_.sender = job_.sender;
  files_.on_deliver([this](const Delivery& delivery) { on_record(delivery); });
  status_.on_deliver([this](const Delivery& delivery) { on_status(delivery); });
  auto done = replicate();
  if (done) done = agree();
  if (!done) give_up(done.error());
  if (trouble_) {
    say_why();
    return tl::unexpected(*trouble_);
  }
  const Time end = Monotonic::now();
  summary_.seconds = std::chrono::duration<double>(end - first_record_.value_or(end)).count();
  summary_.latency_p50 = latency_.percentile(0.5);
  summary_.latency_p99 = latency_.percentile(0.99);
  // Everything is proven already: whoever is late to leave spoils nothing.
  static_cast<void>(node_.shutdown(Monotonic::now() + good_order));
  return summary_;
}

}  // namespace

Result<std::string> set_groups(Config& config) {
  // The proof at the end is one of all members. Who waits for a slow disk in an upcall is not dead.
  config.survive_losses = false;
  config.failure_timeout = std::max<Duration>(config.failure_timeout, std::chrono::seconds(5));
  GroupConfig files;
  for (const GroupConfig& group : config.groups)
    if (group.name == files_group) files = group;
  files.name = files_group;
  if (config.contacts.empty())
    return fail(Code::invalid, "the configuration names no contacts",
                "contacts = [\"a@HOST:PORT\", ...] in [node]");
  if (files.senders.size() > 1)
    return fail(Code::invalid,
                fmt::format("[group.{}] has {} senders", files_group, files.senders.size()),
                "a replication has one");
  if (files.senders.empty()) files.senders = {config.contacts.front().name};
  const std::string sender = files.senders.front();
  GroupConfig status;
  status.name = status_group;
  status.ring_bytes = status_ring_bytes;
  config.groups = {std::move(files), std::move(status)};
  return sender;
}

tl::expected<Summary, Trouble> run_member(Node& node, const Job& job, Watcher& watcher) {
  return Member(node, job, watcher).run();
}

}  // namespace squall::replicate
