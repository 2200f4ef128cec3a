#pragma once
// Protocol    Writes what passes it, as a Chrome trace (JSON array format: chrome://tracing or
//             ui.perfetto.dev): for each turn in which anything moved, per sender, the rounds that
//             were received, that the stage below lets through, and that the whole stack let
//             through the turn before. A process of the trace is a member, by its rank; times are
//             the engine's. The array is not closed at the end, as the format allows.
// Parameters  file: written anew when the node starts, and by whoever of a process has this module
// Properties  none of its own. A member's own business: each may write where it likes, or not.
//             A file that cannot be opened is an error at the start; one that cannot be written any
//             more (a full disk) is one line in the log, and the recording ends there: the group
//             goes on, and what is in the file stays.
// Cost        up to 3 lines a turn and sender; written by the engine's thread, 64 KiB at a time

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/multicast/stage.h"

namespace squall::modules {

/// The file of a trace, for all views. The engine's thread only.
class TraceFile {
 public:
  static Result<std::shared_ptr<TraceFile>> create(const std::string& path);
  ~TraceFile();
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;

  /// One event, without a comma. Nothing, once a write has failed.
  void add(const std::string& event);
  /// The write that failed, if one did.
  bool failed() const { return failed_; }

 private:
  TraceFile(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}
  void flush();

  static constexpr std::size_t flush_bytes = std::size_t{64} << 10;
  std::string path_;
  std::FILE* file_;
  std::string waiting_ = "[\n";
  bool failed_ = false;
};

class Trace final : public multicast::Stage {
 public:
  Trace(const multicast::Shape& shape, std::shared_ptr<TraceFile> file);

  void step(const multicast::StageInput& input, mirror::Table& table,
            multicast::StageOutput& output) override;

 private:
  void note(Time now, const char* name, multicast::ConstFrontier frontier,
            std::vector<Round>& last);

  std::shared_ptr<TraceFile> file_;
  Rank self_;
  ViewId view_;
  std::vector<Round> received_, below_, passed_;  // as last written
};

}  // namespace squall::modules
