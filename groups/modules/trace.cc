#include "groups/modules/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/log.h"

namespace squall::modules {

Result<std::shared_ptr<TraceFile>> TraceFile::create(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "we");
  if (file == nullptr)
    return fail_errno(fmt::format("the trace {} cannot be written", path), errno,
                      "name a file that can be, or take trace out of the stack");
  // Whole pieces are written anyway, and an error is to be seen when it happens.
  std::setvbuf(file, nullptr, _IONBF, 0);
  return std::shared_ptr<TraceFile>(new TraceFile(path, file));
}

TraceFile::~TraceFile() {
  flush();
  std::fclose(file_);
}

void TraceFile::add(const std::string& event) {
  if (failed_) return;
  waiting_ += event;
  waiting_ += ",\n";
  if (waiting_.size() >= flush_bytes) flush();
}

void TraceFile::flush() {
  if (failed_ || waiting_.empty()) return;
  if (std::fwrite(waiting_.data(), 1, waiting_.size(), file_) != waiting_.size()) {
    failed_ = true;
    log(Level::error,
        "the trace {} ends here: {} (the group goes on; free some space, and start "
        "again to record on)",
        path_, std::strerror(errno));
  }
  waiting_.clear();
}

Trace::Trace(const multicast::Shape& shape, std::shared_ptr<TraceFile> file)
    : file_(std::move(file)),
      self_(shape.self),
      view_(shape.view),
      received_(shape.sender_count()),
      below_(shape.sender_count()),
      passed_(shape.sender_count()) {
  file_->add(fmt::format(
      R"({{"ph":"M","name":"process_name","pid":{},"args":{{"name":"rank {} in view {}"}}}})",
      self_, self_, raw(view_)));
}

void Trace::step(const multicast::StageInput& input, mirror::Table&,
                 multicast::StageOutput& output) {
  if (output.frontier.data() != input.below.data())
    std::ranges::copy(input.below, output.frontier.begin());
  if (file_->failed()) return;
  note(input.now, "received", input.received, received_);
  note(input.now, "below", input.below, below_);
  note(input.now, "passed", input.passed, passed_);
}

void Trace::note(Time now, const char* name, multicast::ConstFrontier frontier,
                 std::vector<Round>& last) {
  if (std::ranges::equal(frontier, last)) return;
  last.assign(frontier.begin(), frontier.end());
  std::string rounds;
  for (std::size_t sender = 0; sender < last.size(); ++sender)
    rounds += fmt::format(R"({}"sender {}":{})", sender == 0 ? "" : ",", sender, last[sender]);
  // Microseconds, with their fraction.
  const auto ns = (now - Time{}).count();
  file_->add(fmt::format(R"({{"ph":"C","name":"{}","pid":{},"ts":{}.{:03},"args":{{{}}}}})", name,
                         self_, ns / 1000, ns % 1000, rounds));
}

}  // namespace squall::modules
