#include <optional>

#include "test/repository/finding.h"

namespace squall::repository {
namespace {

using Names = std::vector<std::string_view>;

// The floors, each with what it may include besides itself. The longest match of a path counts.
struct Floor {
  std::string_view folder;
  Names may_include;
  std::string_view why;
};
const Floor floors[] = {
    {"core/base", {}, "floor 1 is the vocabulary and includes nothing of Squall"},
    {"core/fabric", {"core/base"}, "floor 2 may include floor 1 only"},
    {"core/mirror", {"core/base", "core/fabric"}, "floor 3 may include floors 1 and 2 only"},
    {"core/multicast",
     {"core/base", "core/fabric", "core/mirror"},
     "floor 4 may include floors 1 to 3; multicast and membership do not know each other"},
    {"core/membership",
     {"core/base", "core/fabric", "core/mirror"},
     "floor 4 may include floors 1 to 3; multicast and membership do not know each other"},
    {"core/engine", {"core"}, "floor 5 may include floors 1 to 4 only"},
    {"providers", {"core/base", "core/fabric"}, "providers know only base and fabric"},
    {"providers/catalog",
     {"core/base", "core/fabric", "providers"},
     "the catalog knows the providers, and of the core only base and fabric"},
    {"groups",
     {"core", "providers/catalog", "providers/rendezvous"},
     "groups name no provider: they go through the catalog and the rendezvous"},
    {"groups/simulation",
     {"core", "groups", "providers/catalog", "providers/rendezvous", "providers/sim"},
     "a simulation runs groups on providers/sim and on no real fabric"},
};

// A unit test may put what it tests on the simulated fabric.
constexpr std::string_view tests_also_include = "providers/sim";

// Code that the simulator replays to the byte, and what would make it depend on where it runs.
// (Tests beside it may use threads.)
const Names pure_folders = {"core/multicast", "core/membership", "core/engine/turn",
                            "groups/modules"};
const Names impure_includes = {
    "thread",       "mutex",        "condition_variable",
    "future",       "shared_mutex", "semaphore",
    "sys/socket.h", "poll.h",       "netinet/",
    "arpa/",        "sys/epoll.h",  "sys/eventfd.h",
    "pthread.h",    "time.h",       "ctime",
    "sys/time.h",   "unistd.h",     "netdb.h",
    "rdma/",        "stop_token",
};
const Names impure_words = {"steady_clock",   "system_clock",  "high_resolution_clock",
                            "Monotonic::now", "clock_gettime", "gettimeofday",
                            "random_device",  "this_thread"};

// System headers that belong to one place.
struct Home {
  std::string_view header;
  std::string_view place;
  std::string_view why;
};
const Home homes[] = {
    {"hwloc.h", "core/fabric/topology", "host topology is asked in one place"},
    {"hwloc/", "core/fabric/topology", "host topology is asked in one place"},
    {"rdma/", "providers/ofi", "libfabric is one provider's business"},
};

struct Include {
  std::string path;
  bool quoted = false;
};

std::optional<Include> parse_include(std::string_view line) {
  std::size_t at = line.find_first_not_of(" \t");
  if (at == line.npos || line[at] != '#') return std::nullopt;
  at = line.find_first_not_of(" \t", at + 1);
  if (at == line.npos || !line.substr(at).starts_with("include")) return std::nullopt;
  at = line.find_first_of("\"<", at);
  if (at == line.npos) return std::nullopt;
  const bool quoted = line[at] == '"';
  const std::size_t end = line.find(quoted ? '"' : '>', at + 1);
  return Include{std::string(line.substr(at + 1, end - at - 1)), quoted};
}

const Floor* floor_of(std::string_view path) {
  const Floor* best = nullptr;
  for (const Floor& floor : floors)
    if (is_below(path, floor.folder) &&
        (best == nullptr || floor.folder.size() > best->folder.size()))
      best = &floor;
  return best;
}

bool any_below(std::string_view path, const Names& folders) {
  for (const std::string_view folder : folders)
    if (is_below(path, folder)) return true;
  return false;
}

// "providers/shm" and "providers/ofi" are floors of their own, though one row speaks for both.
std::string_view own_folder(std::string_view path, const Floor& floor) {
  if (floor.folder != "providers") return floor.folder;
  return path.substr(0, path.find('/', path.find('/') + 1));
}

std::optional<std::string> judge(const SourceFile& file, const Include& include) {
  for (const Home& home : homes)
    if (std::string_view(include.path).starts_with(home.header) && !include.quoted &&
        !is_below(file.path, home.place))
      return "includes <" + include.path + ">, which only " + std::string(home.place) +
             " may: " + std::string(home.why);
  if (!is_test(file.path) && any_below(file.path, pure_folders))
    for (const std::string_view impure : impure_includes)
      if (impure.ends_with('/') ? include.path.starts_with(impure) : include.path == impure)
        return "includes <" + include.path +
               ">: this folder is pure (no thread, clock or socket), so that a seed replays it";
  if (!include.quoted) return std::nullopt;

  static const Names tops = {"core", "providers", "groups", "bench", "test", "third_party"};
  if (!any_below(include.path, tops) || include.path.find("..") != include.path.npos)
    return "includes \"" + include.path + "\": write the path from the root of the tree";
  const Floor* floor = floor_of(file.path);
  if (floor == nullptr)
    return "lies on no floor: give its folder a row in test/repository/floors.cc";
  if (is_below(include.path, own_folder(file.path, *floor)) ||
      any_below(include.path, floor->may_include) ||
      (is_test(file.path) && is_below(include.path, tests_also_include)))
    return std::nullopt;
  return "includes \"" + include.path + "\": " + std::string(floor->why);
}

}  // namespace

std::vector<Finding> check_floors(const std::filesystem::path& root) {
  std::vector<Finding> findings;
  for (const SourceFile& file : read_tree(root, {"core", "providers", "groups"})) {
    if (!is_code(file.path)) continue;
    const bool pure = !is_test(file.path) && any_below(file.path, pure_folders);
    bool in_comment = false;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string where = file.path + ":" + std::to_string(i + 1);
      const bool was_comment = in_comment;
      const std::string code = code_only(file.lines[i], in_comment);
      if (!was_comment)
        if (const auto include = parse_include(file.lines[i]))
          if (const auto what = judge(file, *include)) findings.push_back({where, *what});
      if (!pure) continue;
      for (const std::string_view word : impure_words)
        if (has_word(code, word))
          findings.push_back({where, "uses " + std::string(word) +
                                         ": this folder is pure, time and randomness are handed "
                                         "to it as arguments"});
    }
  }
  return findings;
}

}  // namespace squall::repository
