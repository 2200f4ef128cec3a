#pragma once
// Upcalls that wait: a joiner whose state is still on its way takes messages and views from the
// others, and keeps them here in order, until its application can have them. Pure.

#include <cstddef>
#include <deque>
#include <string>
#include <variant>
#include <vector>

#include "core/base/view.h"
#include "core/multicast/delivery.h"

namespace squall::engine {

/// A view that this member has installed, and why the one before ended.
struct Installed {
  const View& view;
  /// Who is in it no more, and on what evidence, as far as this member knows: "b: link lost".
  std::vector<std::string> gone;
  /// Who has joined, by name; they have the last ranks.
  std::vector<std::string> came = {};
};

class Backlog {
 public:
  /// More is not taken: the others' rings push back instead.
  static constexpr std::size_t most_bytes = std::size_t{16} << 20;

  void add(std::size_t channel, const multicast::Delivery& message);
  void add(const Installed& installed);
  /// What a member has posted; `from` is a rank of the last view that was added.
  void add(std::size_t channel, Rank from, Bytes posted);
  bool empty() const { return entries_.empty(); }
  bool has_posts() const { return posts_ != 0; }
  bool full() const { return bytes_ >= most_bytes; }

  /// Hands over at most so many, in order.
  template <class Deliver, class Install, class Post>
  std::size_t drain(std::size_t most, Deliver deliver, Install install, Post post) {
    std::size_t count = 0;
    for (; count < most && !entries_.empty(); ++count) {
      // Out of the queue first: the upcall may look at this node.
      Entry entry = std::move(entries_.front());
      entries_.pop_front();
      if (auto* kept = std::get_if<Message>(&entry)) {
        bytes_ -= kept->bytes.size();
        kept->delivery.bytes = kept->bytes;
        deliver(kept->channel, kept->delivery);
      } else if (const auto* posted = std::get_if<Posted>(&entry)) {
        bytes_ -= posted->bytes.size();
        --posts_;
        post(posted->channel, posted->from, posted->bytes);
      } else {
        const auto& change = std::get<Change>(entry);
        install(Installed{change.view, change.gone, change.came});
      }
    }
    return count;
  }

 private:
  struct Message {
    std::size_t channel;
    multicast::Delivery delivery;
    std::vector<std::byte> bytes;
  };
  struct Change {
    View view;
    std::vector<std::string> gone, came;
  };
  struct Posted {
    std::size_t channel;
    Rank from;
    std::vector<std::byte> bytes;
  };
  using Entry = std::variant<Message, Change, Posted>;
  std::deque<Entry> entries_;
  std::size_t bytes_ = 0;
  std::size_t posts_ = 0;
};

}  // namespace squall::engine
