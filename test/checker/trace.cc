#include "test/checker/trace.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace squall::checker {

Event install(Process process, ViewId view, std::vector<Process> members) {
  return {.kind = Event::Kind::install,
          .process = process,
          .view = view,
          .members = std::move(members)};
}

Event accept(Process process, ViewId view, std::vector<Process> members) {
  Event event = install(process, view, std::move(members));
  event.kind = Event::Kind::accept;
  return event;
}

Event send(Process process, MessageNumber number, std::uint64_t digest) {
  return {.kind = Event::Kind::send,
          .process = process,
          .sender = process,
          .number = number,
          .digest = digest};
}

Event deliver(Process process, ViewId view, std::uint64_t position, Process sender,
              MessageNumber number, std::uint64_t digest) {
  return {.kind = Event::Kind::deliver,
          .process = process,
          .view = view,
          .position = position,
          .sender = sender,
          .number = number,
          .digest = digest};
}

Event crash(Process process) {
  return {.kind = Event::Kind::crash, .process = process};
}

std::uint64_t digest(Bytes bytes) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  for (const std::byte byte : bytes)
    hash = (hash ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3ull;
  return hash;
}

// --- to text

std::string to_text(const Process& process) {
  return fmt::format("{}.{}", raw(process.node), raw(process.incarnation));
}

std::string to_text(const Event& event) {
  const std::string process = to_text(event.process);
  switch (event.kind) {
    case Event::Kind::install:
    case Event::Kind::accept: {
      const auto word = event.kind == Event::Kind::install ? "install" : "accept";
      std::string line = fmt::format("{} {} {} ", word, process, raw(event.view));
      for (std::size_t rank = 0; rank < event.members.size(); ++rank)
        line += (rank == 0 ? "" : ",") + to_text(event.members[rank]);
      return line;
    }
    case Event::Kind::send:
      return fmt::format("send {} {} {:x}", process, event.number, event.digest);
    case Event::Kind::deliver:
      return fmt::format("deliver {} {} {} {} {} {:x}", process, raw(event.view), event.position,
                         to_text(event.sender), event.number, event.digest);
    case Event::Kind::crash:
      return fmt::format("crash {}", process);
  }
  return {};
}

std::string to_text(const std::vector<Event>& events) {
  std::string text;
  for (const Event& event : events) text += to_text(event) + '\n';
  return text;
}

// --- from text

namespace {

/// Cuts the next field off the front of `text`; empty at its end.
std::string_view next_field(std::string_view& text, char separator) {
  while (separator == ' ' && !text.empty() && text.front() == ' ') text.remove_prefix(1);
  const std::size_t end = text.find(separator);
  const std::string_view field = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return field;
}

/// The fields of one line, each read once, from left to right. Stays failed.
class Fields {
 public:
  explicit Fields(std::string_view line) : rest_(line) {}

  std::string_view word() { return next_field(rest_, ' '); }

  std::uint64_t number(int base = 10) { return to_number(word(), base); }

  Process process() { return to_process(word()); }

  std::vector<Process> processes() {
    std::vector<Process> all;
    for (std::string_view list = word(); !list.empty();)
      all.push_back(to_process(next_field(list, ',')));
    failed_ = failed_ || all.empty();
    return all;
  }

  /// Every field was right, and there are no more.
  bool done() { return !failed_ && word().empty(); }

 private:
  std::uint64_t to_number(std::string_view field, int base = 10) {
    std::uint64_t value = 0;
    const char* end = field.data() + field.size();
    const auto [stopped, error] = std::from_chars(field.data(), end, value, base);
    if (error != std::errc{} || stopped != end) failed_ = true;
    return value;
  }
  Process to_process(std::string_view field) {
    const std::size_t dot = field.find('.');
    if (dot == field.npos) {
      failed_ = true;
      return {};
    }
    return {NodeId{to_number(field.substr(0, dot))}, Incarnation{to_number(field.substr(dot + 1))}};
  }

  std::string_view rest_;
  bool failed_ = false;
};

struct Form {
  std::string_view word;
  std::string_view expected;
};
constexpr Form forms[] = {
    {"install", "install PROCESS VIEW MEMBER,MEMBER,..."},
    {"accept", "accept PROCESS VIEW MEMBER,MEMBER,..."},
    {"send", "send PROCESS NUMBER DIGEST"},
    {"deliver", "deliver PROCESS VIEW POSITION SENDER NUMBER DIGEST"},
    {"crash", "crash PROCESS"},
};

std::optional<Event> parse_line(std::string_view word, Fields& fields) {
  Event event;
  event.process = fields.process();
  if (word == "install" || word == "accept") {
    const ViewId view{fields.number()};
    event = (word == "install" ? install : accept)(event.process, view, fields.processes());
  } else if (word == "send") {
    const MessageNumber number = fields.number();
    event = send(event.process, number, fields.number(16));
  } else if (word == "deliver") {
    const ViewId view{fields.number()};
    const std::uint64_t position = fields.number();
    const Process sender = fields.process();
    const MessageNumber number = fields.number();
    event = deliver(event.process, view, position, sender, number, fields.number(16));
  } else {
    event = crash(event.process);
  }
  if (!fields.done()) return std::nullopt;
  return event;
}

}  // namespace

Result<std::vector<Event>> parse(std::string_view text) {
  std::vector<Event> events;
  for (std::size_t line_number = 1; !text.empty(); ++line_number) {
    std::string_view line = next_field(text, '\n');
    line = line.substr(0, line.find('#'));
    Fields fields(line);
    const std::string_view word = fields.word();
    if (word.empty()) continue;
    const Form* form = nullptr;
    for (const Form& known : forms)
      if (known.word == word) form = &known;
    if (form == nullptr)
      return fail(Code::invalid, fmt::format("line {}: '{}' is no event", line_number, word),
                  "install, accept, send, deliver or crash");
    const auto event = parse_line(word, fields);
    if (!event)
      return fail(Code::invalid, fmt::format("line {}: '{}'", line_number, line),
                  fmt::format("expected: {}", form->expected));
    events.push_back(*event);
  }
  return events;
}

}  // namespace squall::checker
