#include "groups/client/core.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/base/assert.h"
#include "core/base/digest.h"
#include "core/base/log.h"
#include "core/fabric/rendezvous_wire.h"
#include "core/fabric/topology.h"
#include "groups/plan.h"
#include "providers/rendezvous/tcp.h"

namespace squall::clients {
namespace {

/// A member that is busy for so long is none to wait for.
constexpr Duration least_patience = std::chrono::seconds(1);
constexpr int patience_timeouts = 3;

std::uint64_t random_bits() {
  std::uint64_t bits = 0;
  const ssize_t got = getrandom(&bits, sizeof bits, 0);
  SQUALL_ASSERT(got == static_cast<ssize_t>(sizeof bits), "the system gives randomness");
  return bits;
}

Error closed_error() {
  return {Code::closed, "the client is closed", ""};
}

/// None of the contacts has it.
std::string name_of(const Config& config) {
  std::string name = config.name.empty() ? "a client" : "client " + config.name;
  while (std::ranges::count(config.contacts, name, &Contact::name) != 0) name += "'";
  return name;
}

Result<std::unique_ptr<fabric::Rendezvous>> open_rendezvous(const Config& config,
                                                            const std::string& layout) {
  rendezvous::Options options;
  for (const Contact& contact : config.contacts)
    options.roster.push_back({contact.name, contact.address});
  options.self.name = config.name;
  options.self.id = fabric::node_id(config.name);
  options.self.incarnation = Incarnation{static_cast<std::uint64_t>(
      std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1))};
  options.self.host = fabric::host_identity();
  options.manners.gathers = false;
  options.manners.layout = {digest(as_bytes(layout)),
                            layout.substr(0, fabric::Limits::group_text_bytes)};
  return rendezvous::open(std::move(options));
}

}  // namespace

// --- a call

void Ask::answer(objects::Reply reply, std::uint64_t version) {
  std::function<void()> then;
  {
    const std::lock_guard lock(mutex_);
    reply_ = std::move(reply);
    version_ = version;
    answered_.store(true, std::memory_order_release);
    then = std::exchange(then_, {});
  }
  if (then) then();
}

void Ask::close(const Error& why) {
  objects::Reply reply;
  std::vector<std::byte> text;
  objects::encode_error(text, why);
  reply.failed = true;
  reply.effect = update_ ? Effect::unknown : Effect::no;
  reply.bytes.adopt(std::move(text));
  answer(std::move(reply), 0);
}

void Ask::watch(std::function<void()> then) {
  {
    const std::lock_guard lock(mutex_);
    if (!answered()) {
      then_ = std::move(then);
      return;
    }
  }
  then();
}

CallResult<const Ask*> AskHandle::wait(objects::Call::Stage, Time deadline) const {
  if (ask_ == nullptr) return tl::unexpected(refused_);
  if (ask_->core().wait(*ask_, deadline)) return ask_.get();
  if (ask_->core().in_upcall())
    return tl::unexpected(with_effect(
        {Code::would_block, "inside an upcall nothing waits for a call", "use `then` or co_await"},
        Effect::unknown));
  return tl::unexpected(with_effect(
      {Code::timeout, "the call is still under way", "wait for it again"}, Effect::unknown));
}

void AskHandle::then(objects::Call::Stage, std::function<void()> next) const {
  if (ask_ == nullptr)
    next();
  else
    ask_->watch(std::move(next));
}

// --- beginning

Result<std::shared_ptr<Core>> Core::connect(const Config& given) {
  Config config = given;
  config.name = name_of(given);
  config.start = Start::join;
  const auto plan = make_plan(config);
  if (!plan) return tl::unexpected(plan.error());
  auto rendezvous = open_rendezvous(config, plan->layout);
  if (!rendezvous) return tl::unexpected(rendezvous.error());
  const int doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (doorbell < 0) return fail_errno("cannot make an event descriptor", errno);
  std::vector<std::string> names;
  for (const Contact& contact : config.contacts) names.push_back(contact.name);
  std::vector<std::pair<std::string, std::size_t>> groups;
  for (const GroupPlan& group : plan->groups) groups.emplace_back(group.name, group.shards);
  std::shared_ptr<Core> core(
      new Core(config, std::move(names), std::move(groups), std::move(*rendezvous), doorbell));
  while (!core->caller_.server(0)) {
    if (const auto& failure = core->caller_.failure(0)) return tl::unexpected(*failure);
    if (!core->turn()) core->sleep(never);
  }
  if (config.engine_thread)
    core->thread_ = std::thread([raw = core.get()] {
      while (!raw->stop_.load())
        if (!raw->turn()) raw->sleep(never);
    });
  return core;
}

Core::Core(const Config& config, std::vector<std::string> names,
           std::vector<std::pair<std::string, std::size_t>> groups,
           std::unique_ptr<fabric::Rendezvous> rendezvous, int doorbell)
    : names_(std::move(names)),
      groups_(std::move(groups)),
      doorbell_(doorbell),
      rendezvous_(std::move(rendezvous)),
      caller_({names_, static_cast<Rank>(random_bits() % names_.size()),
               std::max(patience_timeouts * config.failure_timeout, least_patience),
               config.start_timeout, random_bits()},
              Monotonic::now()) {}

Core::~Core() {
  ::close(doorbell_);
}

void Core::close() {
  stop_.store(true);
  wake();
  if (thread_.joinable()) thread_.join();
  std::vector<std::shared_ptr<Ask>> left;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (auto& [call, ask] : asks_) left.push_back(std::move(ask));
    asks_.clear();
    listeners_.clear();
    if (rendezvous_) rendezvous_->leave("");
    rendezvous_.reset();
  }
  for (const auto& ask : left) call([&] { ask->close(closed_error()); });
  changed_.notify_all();
}

// --- turning

bool Core::turn() {
  std::vector<std::pair<std::shared_ptr<Ask>, Caller::Done>> answered;
  std::vector<std::pair<std::shared_ptr<const Listener>, Caller::Notice>> noticed;
  bool worked = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    const Time now = Monotonic::now();
    if (alarm_) quiet_doorbell();
    visited_ = false;
    events_.clear();
    rendezvous_->poll(now, events_);
    for (const auto& event : events_) handle(event, now);
    caller_.step(now);
    act();
    worked = !events_.empty() || visited_;
    for (Caller::Done& done : caller_.take_done()) {
      const auto ask = asks_.find(done.call);
      if (ask == asks_.end()) continue;
      answered.emplace_back(std::move(ask->second), std::move(done));
      asks_.erase(ask);
    }
    for (Caller::Notice& notice : caller_.take_notices())
      if (const auto to = listeners_.find(notice.target); to != listeners_.end())
        noticed.emplace_back(to->second, std::move(notice));
    if (alarm_) alarm_->set(std::min(rendezvous_->deadline(), caller_.deadline()));
  }
  for (auto& [ask, done] : answered)
    call([&, &of = *ask, &what = done] {
      objects::Reply reply;
      reply.failed = what.failed;
      reply.effect = what.effect;
      reply.bytes.adopt(std::move(what.bytes));
      of.answer(std::move(reply), what.version);
    });
  for (const auto& [to, notice] : noticed)
    call([&, &listener = *to, &what = notice] {
      if (!what.gap)
        listener.notice(what.bytes);
      else if (listener.gap)
        listener.gap();
    });
  if (!answered.empty() && threaded()) {
    { const std::lock_guard lock(mutex_); }
    changed_.notify_all();
  }
  return worked || !answered.empty();
}

/// Code of the application's, which may throw what it likes.
void Core::call(const std::function<void()>& upcall) {
  calling_.store(std::this_thread::get_id());
  try {
    upcall();
  } catch (const std::exception& error) {
    log(Level::error, "what a client was to call threw: {}", error.what());
  } catch (...) {
    log(Level::error, "what a client was to call threw");
  }
  calling_.store(std::thread::id());
}

void Core::handle(const fabric::Rendezvous::Event& event, Time now) {
  using Kind = fabric::Rendezvous::Event::Kind;
  if (event.kind == Kind::welcomed) {
    caller_.welcomed(event.line, now);
  } else if (event.kind == Kind::said) {
    caller_.said(event.line, event.bytes, now);
  } else if (event.kind == Kind::ended) {
    log(Level::info, "{} serves this client no more: {}",
        event.rank < names_.size() ? names_[event.rank] : "somebody", event.error.text());
    caller_.ended(event.line, event.error, now);
  }
}

void Core::act() {
  using Kind = Caller::Action::Kind;
  for (const Caller::Action& action : caller_.take_actions()) {
    if (action.kind == Kind::visit) {
      caller_.visiting(action.contact, rendezvous_->visit(action.contact));
      visited_ = true;
    } else if (action.kind == Kind::say) {
      rendezvous_->say(action.line, action.bytes);
    } else {
      rendezvous_->dismiss(action.line, {Code::closed, action.why, ""});
    }
  }
}

void Core::sleep(Time until) {
  pollfd ready[2] = {{-1, POLLIN, 0}, {doorbell_, POLLIN, 0}};
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    ready[0].fd = rendezvous_->fd();
    until = std::min({until, rendezvous_->deadline(), caller_.deadline()});
  }
  const Duration wait =
      std::clamp<Duration>(until - Monotonic::now(), Duration::zero(), std::chrono::seconds(1));
  const timespec timeout{wait.count() / 1'000'000'000, wait.count() % 1'000'000'000};
  ppoll(ready, 2, &timeout, nullptr);
  quiet_doorbell();
}

void Core::quiet_doorbell() {
  eventfd_t rung = 0;
  eventfd_read(doorbell_, &rung);
}

int Core::fd() {
  const std::lock_guard lock(mutex_);
  if (closed_ || threaded()) return -1;
  if (!alarm_) {
    alarm_ = Alarm::over({rendezvous_->fd(), doorbell_});
    wake();  // the first turn says until when
  }
  return alarm_ ? alarm_->fd() : -1;
}

void Core::wake() {
  eventfd_write(doorbell_, 1);
}

bool Core::wait(const Ask& ask, Time deadline) {
  if (ask.answered()) return true;
  if (in_upcall()) return false;
  if (threaded()) {
    std::unique_lock lock(mutex_);
    const auto until =
        std::chrono::steady_clock::now() +
        std::min<Duration>(deadline - Monotonic::now(), std::chrono::hours(24 * 365));
    return changed_.wait_until(lock, until, [&] { return ask.answered(); });
  }
  while (!ask.answered()) {
    const Time now = Monotonic::now();
    if (now >= deadline) return false;
    if (!turn() && !ask.answered()) sleep(deadline);
  }
  return true;
}

// --- what objects want

Result<std::size_t> Core::shards(std::string_view group) const {
  for (const auto& [name, shards] : groups_)
    if (name == group) return shards;
  return fail(
      Code::invalid, fmt::format("no group is called {}", group),
      fmt::format("name it in the configuration of every member and client ([group.{}])", group));
}

TargetId Core::open(const Opening& opening) {
  const std::lock_guard lock(mutex_);
  const TargetId target = caller_.open(opening, Monotonic::now());
  wake();
  return target;
}

void Core::listen(TargetId target, std::function<void(Bytes)> notice, std::function<void()> gap) {
  const std::lock_guard lock(mutex_);
  listeners_[target] =
      std::make_shared<const Listener>(Listener{std::move(notice), std::move(gap)});
  caller_.listen(target);
  wake();
}

bool Core::wait_for_room(std::unique_lock<std::mutex>& lock) {
  if (in_upcall()) return false;
  if (threaded()) {
    changed_.wait_for(lock, std::chrono::milliseconds(10));
    return true;
  }
  lock.unlock();
  if (!turn()) sleep(never);
  lock.lock();
  return true;
}

AskHandle Core::begin(TargetId target, Caller::What what, std::uint64_t method,
                      std::vector<std::byte> arguments) {
  if (arguments.size() > most_request_bytes)
    return AskHandle(
        with_effect({Code::too_large,
                     fmt::format("arguments of {} bytes; a client's call takes at most {}",
                                 arguments.size(), most_request_bytes),
                     "call with less, several times"},
                    Effect::no));
  std::unique_lock lock(mutex_);
  while (!closed_ && (caller_.calls() >= most_calls || caller_.call_bytes() >= most_call_bytes))
    if (!wait_for_room(lock))
      return AskHandle(with_effect(
          {Code::would_block, "too many calls of this client are under way", "let the client turn"},
          Effect::no));
  if (closed_) return AskHandle(with_effect(closed_error(), Effect::no));
  auto ask = std::make_shared<Ask>(shared_from_this(), what == Caller::What::update);
  asks_[caller_.begin(target, what, method, std::move(arguments), Monotonic::now())] = ask;
  if (threaded() || alarm_) wake();
  return AskHandle(std::move(ask));
}

std::string Core::server(TargetId target) {
  const std::lock_guard lock(mutex_);
  const auto rank = caller_.server(target);
  return rank ? names_[*rank] : std::string();
}

}  // namespace squall::clients
