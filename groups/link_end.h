#pragma once
// One end of a link between two processes over a fabric, without a group: an object and a counter
// of each that the other sees, for whoever wants to know what a link takes by itself (`squall bench
// cost`). Bytes travel as blocks of large objects do. One thread at a time, which turns it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/multicast/bulk/cost.h"

namespace squall {

class LinkEnd {
 public:
  /// On fabric "shm", "tcp", "verbs" or "ofi:NAME", with an object of so many bytes. Code::invalid
  /// of no such fabric, Code::unavailable with the reason where this host does not have it.
  static Result<LinkEnd> open(const std::string& fabric, std::size_t object_bytes);
  LinkEnd(LinkEnd&& other) noexcept;
  LinkEnd& operator=(LinkEnd&& other) noexcept;
  ~LinkEnd();

  /// For the other end, which is told by other means; at most 512 bytes.
  std::string address() const;
  /// Both ends call it, each with the other's address; returns when the other can see this one's,
  /// and needs this one's turns until it has returned there, too. Code::timeout, Code::lost.
  Result<> connect(std::string_view address, Time deadline);

  /// Where memory is mapped the other reads it in place: nothing travels.
  bool maps() const;
  /// What `auto` takes a link of this fabric to be like.
  multicast::bulk::Cost usual_cost() const;

  /// Brings the first `bytes` of this end's object to the other, and `value` behind them; or
  /// `value` alone, past whatever else is on its way.
  Result<> push(std::size_t bytes, std::uint64_t value);
  Result<> push(std::uint64_t value);
  /// Makes progress; gives the other's value, which is 0 before its first.
  Result<std::uint64_t> turn();
  /// The other's object: as it was when it pushed the value that was seen last, or later.
  const std::byte* object() const;

 private:
  struct Impl;
  explicit LinkEnd(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace squall
