#pragma once
// Folders to records. Entries come sorted by name, so that the same tree gives the same stream.
// Symbolic links inside are never followed. A file that changes while it is read is an error: what
// was sent of it must not get its name anywhere.

#include <cstdint>
#include <string>
#include <vector>

#include "bench/replicate/record.h"
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "groups/files/piece_reader.h"

namespace squall::replicate {

/// Where it all goes: the group, or a test's vector.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  /// Space for a record of exactly `bytes`; waits for it. Every reservation is committed.
  virtual Result<MutableBytes> reserve(std::size_t bytes) = 0;
  virtual void commit() = 0;
  /// All of a file, in pieces; waits.
  virtual Result<> send(files::PieceReader file) = 0;
};

/// One PATH of the command line and the relative path that its contents get ("": none).
struct Source {
  std::string path;
  std::string as;
};

/// A single folder's contents get no prefix; of several PATHs each gets its last component, and so
/// does a PATH that is no folder. Code::invalid for one that is not there or for equal names.
Result<std::vector<Source>> plan_sources(const std::vector<std::string>& paths);

struct Totals {
  std::uint64_t files = 0;
  std::uint64_t directories = 0;
  std::uint64_t links = 0;
  std::uint64_t skipped = 0;  ///< sockets, pipes, devices
  std::uint64_t bytes = 0;    ///< of files
};

/// Counts, and sends nothing.
Result<Totals> scan(const std::vector<Source>& sources);

/// Sends everything, End included.
Result<Totals> walk(const std::vector<Source>& sources, RecordSink& sink);

}  // namespace squall::replicate
