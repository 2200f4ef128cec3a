#pragma once
// What a member does for the clients whose lines end at it: parses what they say, has the replicas
// of its groups do it, and sends them what comes of it. It decides how much of a client's is done
// in a turn and how much is kept for it; everything of the replicated state is the replicas'.
//
// Pure; one thread at a time. Words of lines and answers of services in, words and dismissals out.
// Whatever a client says is hostile until it is checked. What it may cost: of each client one
// record of `most_request_bytes`, requests of twice that, and replies of `most_kept_bytes`; of all
// clients together replies of `most_kept_bytes_of_all`.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/time.h"
#include "core/fabric/rendezvous.h"
#include "groups/client/service.h"
#include "groups/client/wire.h"

namespace squall::clients {

class Desk final : public Answers {
 public:
  /// Less than the guests of the rendezvous: the other places are for those who join.
  static constexpr std::size_t most_clients = 192;
  /// A client says something more often than that.
  static constexpr Duration silence = std::chrono::seconds(30);
  /// How long a read may wait for what its client has seen elsewhere.
  static constexpr Duration catch_up = std::chrono::seconds(2);
  /// Of a client that does not take them.
  static constexpr std::size_t most_notice_bytes = std::size_t{1} << 20;
  static constexpr std::size_t most_kept_bytes = std::size_t{16} << 20;
  static constexpr std::size_t most_kept_bytes_of_all = std::size_t{64} << 20;

  struct Action {
    enum class Kind : std::uint8_t { say, dismiss };
    Kind kind{};
    fabric::LineId line = 0;
    std::vector<std::byte> bytes;  ///< of say
    Error error;                   ///< of dismiss
  };

  /// nullptr: nothing of that group's serves clients here.
  using Find = std::function<Service*(std::string_view group)>;
  explicit Desk(Find find) : find_(std::move(find)) {}

  // --- in

  /// A client's line; its first word makes it one (`begins_client`).
  void said(fabric::LineId line, Bytes word, Time now);
  bool has(fabric::LineId line) const { return lines_.contains(line); }
  void ended(fabric::LineId line);
  /// Nothing more is done from here on, and whoever is served, or comes, is told why; nullopt: all
  /// are served again. `answers`: what is under way still comes to its end here, so clients are
  /// told of that first.
  void close(std::optional<Error> why, bool answers = false);
  /// Call it after the above, after every turn if `due`, and at `deadline`. True: it did something.
  bool step(Time now);

  // --- of services

  void answer(Tag tag, const Answer& answer) override;
  void notify(Service& service, Bytes notice) override;
  void look_again(Service& service) override;

  // --- out

  std::vector<Action> take_actions() { return std::exchange(actions_, {}); }
  bool due() const { return due_; }
  Time deadline() const { return deadline_; }

 private:
  struct Target {
    Service* service = nullptr;  // nullptr: the member itself
    Opening opening;
    bool listens = false;
    int sessions = 0;  // opened through here
  };
  struct Request {
    RecordHeader header;
    std::vector<std::byte> body;
    Time since{};
  };
  struct Line {
    Stream in{most_request_bytes + 2 * sizeof(std::uint64_t)};
    bool greeted = false;
    std::map<TargetId, Target> targets;
    std::deque<Request> inbox;     // to be done in order
    std::vector<Request> waiting;  // reads that want a later version
    std::size_t inbox_bytes = 0;   // of both
    std::size_t asked = 0;         // of services, and not answered
    std::size_t asked_in_order = 0;
    std::vector<std::byte> out;
    std::uint64_t said = 0, taken = 0;  // of the stream
    Time heard{};
    std::optional<Error> doom;  // it is dismissed with the next step
  };
  struct Asked {
    fabric::LineId line = 0;
    TargetId target = 0;
    RecordHeader::Kind kind{};
    std::uint64_t number = 0;
    std::uint64_t session = 0;  // of an update
  };
  enum class Served : std::uint8_t { done, later };

  void take(Line& line, const RecordView& record, Time now);
  void open(Line& line, const RecordView& record);
  bool work(fabric::LineId id, Line& line, Time now);
  Served serve(fabric::LineId id, Line& line, const Request& request, Time now);
  Served serve_update(fabric::LineId id, Line& line, const Request& request);
  Served serve_read(fabric::LineId id, Line& line, const Request& request, Time now);
  /// What became of something that a service was asked for.
  Served asked(fabric::LineId id, Line& line, Tag tag, const Request& request,
               const Result<>& done);
  Tag ask(fabric::LineId id, Line& line, const Request& request, std::uint64_t session = 0);
  void forget(Line& line, std::map<Tag, Asked>::iterator asked);
  void send_away(fabric::LineId id, Line& line, TargetId target, const Away& away);
  void fail(Line& line, const Request& read, const Error& error);
  void put(Line& line, const RecordHeader& header, Bytes body = {});
  bool flush(fabric::LineId id, Line& line);
  void sweep(Time now);
  void drop(fabric::LineId id);
  bool owes(const Line& line) const { return answers_ && (line.asked != 0 || !line.out.empty()); }
  static void doom(Line& line, Error why) {
    if (!line.doom) line.doom = std::move(why);
  }

  Find find_;
  std::map<fabric::LineId, Line> lines_;
  std::map<Tag, Asked> asked_;
  Tag next_tag_ = 1;
  std::size_t kept_ = 0;  // bytes of all lines' `out`
  std::optional<Error> closed_;
  bool answers_ = false;  // although it is closed
  std::vector<Action> actions_;
  bool due_ = false;
  Time deadline_ = never;
};

}  // namespace squall::clients
