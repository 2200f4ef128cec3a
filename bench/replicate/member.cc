#include "bench/replicate/member.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "bench/replicate/journal.h"
#include "bench/replicate/record.h"
#include "bench/replicate/state.h"
#include "bench/replicate/status.h"
#include "bench/replicate/store.h"
#include "bench/samples/samples.h"
#include "core/base/digest.h"
#include "core/base/printable.h"
#include "groups/files/sender.h"

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
/// Of all members together.
constexpr std::size_t max_completes_bytes = std::size_t{1} << 20;
constexpr std::size_t status_ring_bytes = std::size_t{64} << 10;

class Member final : public RecordSink {
 public:
  Member(Node& node, const Job& job, Watcher& watcher)
      : node_(node),
        job_(job),
        watcher_(watcher),
        files_(*node.group(files_group)),
        status_(*node.group(status_group)) {}
  ~Member() override {
    files_.on_deliver(nullptr);
    status_.on_deliver(nullptr);
    files_.on_state({});
    status_.on_state({});
    node_.on_view(nullptr);
  }
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  tl::expected<Summary, Trouble> run();

  // --- RecordSink, at the sender: straight into the ring, or into what the others are shown
  Result<MutableBytes> reserve(std::size_t bytes) override;
  void commit() override;
  Result<> send(files::PieceReader file) override;

 private:
  Result<> step();
  Result<> open();
  Result<> replicate();
  Result<> agree();
  void on_record(const Delivery& delivery);
  void on_view(const ViewChange& change);
  StateHooks state_of_files();
  StateHooks state_of_status();
  Result<> take(Bytes bytes);
  void sent(std::size_t bytes);
  bool is_here(std::string_view name) const;
  void forget_the_gone();
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

  std::optional<Store> store_;      // none: nothing more is written here
  std::optional<Journal> journal_;  // as long as the store
  StateReader state_;               // that this member is given
  std::vector<std::byte> said_;     // before it came; as much of it as is there
  std::optional<Trouble> trouble_;
  Completes complete_;
  Summary summary_;
  std::optional<Time> first_record_;
  Time look_around_{};
  bool awaits_ = false;

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
  journal_.reset();
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
  if (auto taken = take(delivery.bytes); !taken) give_up(taken.error());
}

/// One message, from the sender or out of a state.
Result<> Member::take(Bytes bytes) {
  const auto noted = store_->take(bytes);
  if (!noted) return tl::unexpected(noted.error());
  return noted->empty() ? Result<>{} : journal_->append(*noted);
}

bool Member::is_here(std::string_view name) const {
  const auto view = node_.view();
  return std::ranges::find(view->members, name, &squall::Member::name) != view->members.end();
}

/// What members that are gone have said counts no more: under their names others may come.
void Member::forget_the_gone() {
  std::erase_if(complete_, [&](const auto& each) { return !is_here(each.first); });
}

void Member::on_view(const ViewChange& change) {
  forget_the_gone();
  if (is_here(job_.awaits)) awaits_ = false;
  watcher_.view(change);
  // Everybody has delivered the same until here: who has the end needs the sender no more.
  if (is_here(job_.sender) || !store_ || store_->ended()) return;
  const auto why = std::ranges::find_if(
      change.gone, [&](const std::string& gone) { return gone.starts_with(job_.sender + ":"); });
  give_up(
      Error{Code::lost,
            fmt::format("the sender is lost: {}", why != change.gone.end() ? *why : job_.sender),
            "replicate again"},
      job_.sender);
}

StateHooks Member::state_of_files() {
  StateHooks hooks;
  hooks.save = [this]() -> StateSource {
    const auto cannot = [](Error error) -> StateSource {
      return [error = std::move(error)](MutableBytes) -> Result<std::size_t> {
        return tl::unexpected(error);
      };
    };
    if (!store_) return cannot({Code::unavailable, "this member has given up", {}});
    auto journal = journal_->reading();
    if (!journal) return cannot(journal.error());
    auto store = store_->reading();
    if (!store) return cannot(store.error());
    return hand_out(std::move(*journal), std::move(*store));
  };
  hooks.load = [this](Bytes piece, bool last) -> Result<> {
    if (!store_) return {};  // given up: the others are told
    if (!first_record_) first_record_ = Monotonic::now();
    auto loaded = state_.read(piece, [this](Bytes message) { return take(message); });
    if (loaded && last && !state_.whole())
      loaded = fail(Code::refused, "a state that ends in the middle of a message");
    if (!loaded) give_up(loaded.error());
    return {};
  };
  return hooks;
}

StateHooks Member::state_of_status() {
  StateHooks hooks;
  hooks.save = [this]() -> StateSource {
    return [said = encode_completes(complete_), at = std::size_t{0}](MutableBytes to) mutable {
      const std::size_t count = std::min(to.size(), said.size() - at);
      std::copy_n(said.data() + at, count, to.data());
      at += count;
      return Result<std::size_t>(count);
    };
  };
  hooks.load = [this](Bytes piece, bool last) -> Result<> {
    if (said_.size() + piece.size() > max_completes_bytes)
      return fail(Code::refused, "a state that is longer than any");
    said_.insert(said_.end(), piece.begin(), piece.end());
    if (!last) return {};
    auto completes = decode_completes(said_);
    if (!completes) return tl::unexpected(completes.error());
    complete_ = std::move(*completes);
    forget_the_gone();
    return {};
  };
  return hooks;
}

void Member::on_status(const Delivery& delivery) {
  const auto status = decode_status(delivery.bytes);
  const std::string who = name_of(delivery.sender);
  if (!status) return give_up(status.error(), who);
  if (const auto* complete = std::get_if<Complete>(&*status)) {
    complete_[who] = complete->digest;
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
  files_.commit(reservation_);
  sent(reservation_.bytes.size());
}

Result<> Member::send(files::PieceReader file) {
  auto sender = FileSender::create(files_, std::move(file), {.max_file_bytes = files::max_total});
  if (!sender) return tl::unexpected(sender.error());
  while (!trouble_) {
    const std::uint64_t before = sender->bytes();
    const auto went = sender->advance();
    if (!went) return tl::unexpected(went.error());
    if (*went == FileSender::Step::done) return {};
    if (*went == FileSender::Step::sent)
      sent(sender->bytes() - before);
    else
      static_cast<void>(step());
  }
  return check();
}

/// One message.
void Member::sent(std::size_t bytes) {
  committed_at_.push_back(Monotonic::now());
  unturned_bytes_ += bytes;
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

Result<> Member::open() {
  auto store = Store::open(job_.out, name_of(node_.rank()));
  if (!store) return tl::unexpected(store.error());
  auto journal = Journal::open(job_.out);
  if (!journal) return tl::unexpected(journal.error());
  store_.emplace(std::move(*store));
  journal_.emplace(std::move(*journal));
  return {};
}

Result<> Member::replicate() {
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

/// Tells its digest, waits for everybody's who is there or awaited, compares.
Result<> Member::agree() {
  const Digest::Value mine = journal_->digest();
  if (auto told = tell(Complete{mine}, never); !told) return told;
  const auto said = [&](const squall::Member& member) { return complete_.contains(member.name); };
  while (awaits_ || !std::ranges::all_of(node_.view()->members, said))
    if (auto stepped = step(); !stepped) return stepped;
  for (const auto& [name, digest] : complete_)
    if (digest != mine)
      return fail(Code::lost,
                  fmt::format("members {} and {} hold different bytes: {} and {}",
                              name_of(node_.rank()), name, to_hex(mine), to_hex(digest)));
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
  summary_.sender = job_.sender == name_of(node_.rank());
  awaits_ = !job_.awaits.empty() && !is_here(job_.awaits);
  auto done = open();
  if (!done) give_up(done.error());
  files_.on_state(state_of_files());
  status_.on_state(state_of_status());
  node_.on_view([this](const ViewChange& change) { on_view(change); });
  files_.on_deliver([this](const Delivery& delivery) { on_record(delivery); });
  status_.on_deliver([this](const Delivery& delivery) { on_status(delivery); });
  if (done) done = replicate();
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
  // Who waits for a slow disk in an upcall is not dead.
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
