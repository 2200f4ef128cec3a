#include "test/simulation/client.h"

#include <fmt/format.h>

#include <algorithm>

namespace squall::scenarios {
namespace {

using Kind = checker::Operation::Kind;

constexpr std::size_t most_complaints = 8;  // violations

}  // namespace

void Shared::complain(std::string text) {
  if (violations.size() < most_complaints) violations.push_back(std::move(text));
}

Application::Application(Shared& shared, Node& node, Rank number, std::size_t calls, Duration gap)
    : shared_(shared),
      node_(node),
      number_(number),
      cells_(node.object<Cells>("simulated")),
      clients_(1 + shared.random.below(3)),
      left_(calls),
      gap_(gap) {
  for (Client& client : clients_) client.name = shared_.clients++;
  views_.emplace_back(0, node.view());
  node.on_view([this](const ViewChange& change) {
    const auto version = cells_.version();
    views_.emplace_back(version ? *version + 1 : 0, change.view);
  });
}

std::optional<std::uint64_t> Application::executed() const {
  const auto read = cells_.read<&Cells::read>(cells[0]);
  return read ? std::optional(read->number) : std::nullopt;
}

bool Application::quiet() const {
  return awaited_.empty() && std::ranges::none_of(clients_, &Client::busy);
}

std::string Application::text() const {
  std::string all = fmt::format("executed {}, {} calls left", executed().value_or(0), left_);
  for (const Client& client : clients_)
    if (client.busy())
      all += fmt::format(", client {} {}", client.name,
                         client.updating       ? "updates"
                         : client.asks.empty() ? "reads"
                                               : "asks " + client.asks);
  if (!awaited_.empty()) all += fmt::format(", replies of {} updates", awaited_.size());
  return all;
}

// --- calls

bool Application::begin(Time time) {
  if (left_ == 0 || time < next_) return false;
  const auto idle = std::ranges::find_if_not(clients_, &Client::busy);
  if (idle == clients_.end()) return false;
  --left_;
  next_ = time + gap_;
  call(*idle);
  return true;
}

void Application::call(Client& client) {
  client.cell = static_cast<std::uint32_t>(shared_.random.below(cells.size()));
  client.asks.clear();
  const std::uint64_t roll = shared_.random.below(20);
  if (roll < 9) return begin_update(client);
  if (roll < 15) return begin_read(client);
  if (roll < 18 || !ask(client)) read_here(client);
}

void Application::begin_update(Client& client) {
  const std::string& cell = cells[client.cell];
  client.update = (std::uint64_t{client.name} << 32) + ++client.calls;
  client.waits_for_all = shared_.random.one_in(3);
  const auto value = static_cast<std::int64_t>(client.update);
  auto& history = shared_.history;
  if (client.cell >= registers) {
    const auto amount = static_cast<std::int64_t>(1 + shared_.random.below(1000));
    client.kind = Kind::add;
    client.operation = history.begin(client.name, client.cell, client.kind, amount);
    client.updating = cells_.update<&Cells::add>(client.update, cell, amount);
  } else if (shared_.random.one_in(2)) {
    client.kind = Kind::write;
    client.operation = history.begin(client.name, client.cell, client.kind, value);
    client.updating = cells_.update<&Cells::write>(client.update, cell, value);
  } else {
    // What is here is most likely right.
    const auto here = cells_.read<&Cells::read>(cell);
    const std::int64_t expected = here ? here->value : 0;
    client.kind = Kind::compare_and_set;
    client.operation = history.begin(client.name, client.cell, client.kind, value, expected);
    client.updating = cells_.update<&Cells::compare_and_set>(client.update, cell, expected, value);
  }
  if (shared_.witness.slip() == Slip::early_answer) history.end(client.operation, {});
  // It may be refused at once.
  if (client.updating->ready()) look_at(client);
}

void Application::begin_read(Client& client) {
  client.kind = Kind::read;
  client.operation = shared_.history.begin(client.name, client.cell, client.kind);
  if (shared_.witness.slip() == Slip::reads_here) {
    if (const auto here = cells_.read<&Cells::read>(cells[client.cell]))
      shared_.history.end(client.operation, here->value);
    return;
  }
  client.reading = cells_.linearizable().read<&Cells::read>(cells[client.cell]);
  if (client.reading->ready()) look_at(client);
}

void Application::read_here(Client& client) {
  const auto read = cells_.read<&Cells::read>(cells[client.cell]);
  if (!read) {
    if (cells_.ready())
      shared_.complain(fmt::format("local reads: at node {}: {}", number_, read.error().text()));
    return;
  }
  check_state("local reads", *read, client.cell);
  if (read->number < std::max(seen_, own_))
    shared_.complain(fmt::format("local reads: node {} is at update {}, and was at {}", number_,
                                 read->number, std::max(seen_, own_)));
  seen_ = std::max(seen_, read->number);
}

/// False: there is nobody else.
bool Application::ask(Client& client) {
  const auto view = node_.view();
  const Member& other = view->members[shared_.random.below(view->size())];
  if (other.name == view->members[node_.rank()].name) return false;
  client.asks = other.name;
  client.reading = cells_.at(other.name).read<&Cells::read>(cells[client.cell]);
  if (client.reading->ready()) look_at(client);
  return true;
}

// --- and what comes of them

void Application::look() {
  const auto version = cells_.version();
  const bool news = version != version_;
  version_ = version;
  for (Client& client : clients_) {
    const bool due = client.updating ? client.updating->ready() || (news && !client.waits_for_all)
                                     : client.reading && client.reading->ready();
    if (due) look_at(client);
  }
  std::erase_if(awaited_, [this](const Awaited& each) {
    return each.of.updating->ready() && all_are_here(each.of, each.own);
  });
}

/// False: it goes on.
bool Application::look_at(Client& client) {
  if (client.reading) {
    end_read(client);
    return true;
  }
  if (client.waits_for_all && !client.updating->ready()) return false;
  const auto own = client.updating->own(Time::min());
  if (own) {
    own_is_here(client, *own);
  } else if (own.error().code == Code::timeout || own.error().code == Code::would_block) {
    // Here nothing waits, so this is what is said of a call under way.
    if (!client.updating->ready()) return false;
    end_update(client, own.error());
  } else {
    end_update(client, own.error());
  }
  client.updating.reset();
  return true;
}

void Application::own_is_here(Client& client, const Made& made) {
  if (shared_.witness.slip() != Slip::early_answer)
    shared_.history.end(client.operation,
                        client.kind == Kind::write ? std::nullopt : std::optional(made.value));
  own_ = std::max(own_, made.number);
  if (made.number > shared_.witness.last() ||
      shared_.witness.at(made.number).update != client.update)
    shared_.complain(fmt::format("replies: node {} says that call {:x} is update {}", number_,
                                 client.update, made.number));
  if (!client.updating->ready() || !all_are_here(client, made)) awaited_.push_back({client, made});
}

/// Always true.
bool Application::all_are_here(const Client& client, const Made& own) {
  const auto wrong = [&](const std::string& text) {
    shared_.complain(
        fmt::format("replies: of call {:x}, at node {}: {}", client.update, number_, text));
  };
  const auto replies = client.updating->get(Time::min());
  if (!replies) {
    wrong("its own result was there, and now " + replies.error().text());
    return true;
  }
  const auto in = std::ranges::upper_bound(views_, replies->version, {},
                                           [](const auto& each) { return each.first; }) -
                  1;
  const View& view = *in->second;
  std::string names, expected;
  for (const Member& member : view.members) expected += member.name;
  for (const auto& each : replies->all) {
    names += each.member;
    if (each.result
            ? *each.result != own
            : each.result.error().code != Code::lost || each.result.error().effect != Effect::yes)
      wrong(each.member + " replied " +
            (each.result ? fmt::format("{}, {}", each.result->number, each.result->value)
                         : each.result.error().text()));
  }
  if (names != expected)
    wrong(fmt::format("{} replied, and it was executed in view {} of {}", names, raw(view.id),
                      expected));
  const auto [known, fresh] = shared_.numbers.emplace(replies->version, own.number);
  const auto before = known == shared_.numbers.begin() ? known : std::prev(known);
  const auto after = std::next(known);
  if (!fresh || (before != known && before->second >= own.number) ||
      (after != shared_.numbers.end() && after->second <= own.number))
    wrong(fmt::format("version {} is update {}, against the order", replies->version, own.number));
  return true;
}

void Application::end_update(Client& client, const CallError& error) {
  switch (error.effect) {
    case Effect::no:
      shared_.history.never_happened(client.operation);
      shared_.said_no.push_back(client.update);
      break;
    case Effect::yes:
      shared_.history.end(client.operation, {});
      shared_.said_yes.push_back(client.update);
      break;
    case Effect::unknown:
      break;
  }
}

void Application::end_read(Client& client) {
  const auto read = std::exchange(client.reading, {})->get(Time::min());
  if (!read) {
    if (read.error().effect != Effect::no)
      shared_.complain(fmt::format("effects: a read at node {} failed with effect {}: {}", number_,
                                   objects::name(read.error().effect), read.error().text()));
    return;
  }
  check_state(client.asks.empty() ? "linearizable reads" : "reads elsewhere", *read, client.cell);
  if (client.asks.empty()) return shared_.history.end(client.operation, read->value);
  auto& seen = seen_at_[{client.name, client.asks}];
  if (read->number < seen)
    shared_.complain(fmt::format("reads elsewhere: {} was at update {}, and now at {}", client.asks,
                                 seen, read->number));
  seen = std::max(seen, read->number);
}

void Application::check_state(const char* what, const Made& made, std::uint32_t cell) {
  if (made.number <= shared_.witness.last() &&
      shared_.witness.value(made.number, cells[cell]) == made.value)
    return;
  shared_.complain(fmt::format("{}: at node {} {} is {} after update {}", what, number_,
                               cells[cell], made.value, made.number));
}

}  // namespace squall::scenarios
