#include "providers/ofi/ofi_wire.h"

#include <fmt/format.h>

#include <atomic>
#include <cstring>

#include "core/base/copy.h"

namespace squall::ofi {
namespace {

WireEntry entry_at(Bytes wire, std::size_t index) {
  WireEntry entry;
  std::memcpy(&entry, wire.data() + sizeof(WireHeader) + index * sizeof(WireEntry), sizeof entry);
  return entry;
}

/// Hands out payloads of the two runs in order; never more than there are.
class Payloads {
 public:
  Payloads(Bytes wire, const WireHeader& header)
      : copied_(wire.subspan(sizeof(WireHeader) + header.entry_count * sizeof(WireEntry),
                             header.copied_bytes)),
        referred_(wire.last(header.referred_bytes)) {}

  bool take(const WireEntry& entry, Bytes& payload) {
    Bytes& run = entry.referred != 0 ? referred_ : copied_;
    const std::size_t step = entry.referred != 0 ? entry.bytes : padded(entry.bytes);
    if (step > run.size()) return false;
    payload = run.first(entry.bytes);
    run = run.subspan(step);
    return true;
  }
  bool empty() const { return copied_.empty() && referred_.empty(); }

 private:
  Bytes copied_;
  Bytes referred_;
};

Result<> check_entry(const WireEntry& entry, Receiver& receiver) {
  if (entry.referred > 1 || entry.zero != 0) return fail(Code::lost, "an entry has unknown flags");
  switch (entry.kind) {
    case EntryKind::range: {
      const MutableBytes replica = receiver.replica(RegionId{entry.region});
      if (replica.empty())
        return fail(Code::lost,
                    fmt::format("a range of region {} that was not imported", entry.region));
      if (entry.offset > replica.size() || entry.bytes > replica.size() - entry.offset)
        return fail(Code::lost,
                    fmt::format("{} bytes at {} are out of bounds of region {} with {} bytes",
                                entry.bytes, entry.offset, entry.region, replica.size()));
      return {};
    }
    case EntryKind::message:
      if (entry.bytes > max_message_bytes)
        return fail(Code::lost, fmt::format("a message of {} bytes, over the limit of {}",
                                            entry.bytes, max_message_bytes));
      return {};
    case EntryKind::import:
      if (entry.bytes != 0 && entry.bytes != sizeof(WriteTarget))
        return fail(Code::lost, fmt::format("an import with {} bytes of payload", entry.bytes));
      return {};
    case EntryKind::refused:
    case EntryKind::release:
      if (entry.bytes != 0) return fail(Code::lost, "a word about an import with a payload");
      return {};
  }
  return fail(Code::lost, fmt::format("an entry of unknown kind {}", static_cast<int>(entry.kind)));
}

}  // namespace

Result<WireHeader> read_header(Bytes wire) {
  WireHeader header;
  if (wire.size() < sizeof header)
    return fail(Code::lost, fmt::format("a message of {} bytes is no message", wire.size()));
  std::memcpy(&header, wire.data(), sizeof header);
  if (header.magic != wire_magic)
    return fail(Code::lost, fmt::format("a message starts with {:#010x}", header.magic));
  if (header.version != wire_version)
    return fail(Code::lost, fmt::format("a message of wire version {}, this is {}", header.version,
                                        wire_version));
  const std::uint64_t size = sizeof header + std::uint64_t{header.entry_count} * sizeof(WireEntry) +
                             header.copied_bytes + header.referred_bytes;
  if (size != wire.size())
    return fail(Code::lost,
                fmt::format("a header promises {} bytes, the message has {}", size, wire.size()));
  return header;
}

Result<> apply_message(Bytes wire, Lane lane, Receiver& receiver) {
  const auto header = read_header(wire);
  if (!header) return tl::unexpected(header.error());
  if (header->lane != static_cast<std::uint8_t>(lane))
    return fail(Code::lost, fmt::format("a message for lane {} on lane {}", header->lane,
                                        static_cast<int>(lane)));
  Bytes payload;
  Payloads checked(wire, *header);
  for (std::size_t i = 0; i < header->entry_count; ++i) {
    const WireEntry entry = entry_at(wire, i);
    if (!checked.take(entry, payload))
      return fail(Code::lost,
                  fmt::format("entry {} has {} bytes, more than the message", i, entry.bytes));
    if (auto fine = check_entry(entry, receiver); !fine) return fine;
  }
  if (!checked.empty()) return fail(Code::lost, "bytes that belong to no entry");

  Payloads payloads(wire, *header);
  for (std::size_t i = 0; i < header->entry_count; ++i) {
    const WireEntry entry = entry_at(wire, i);
    payloads.take(entry, payload);
    const RegionId region{entry.region};
    switch (entry.kind) {
      case EntryKind::range:
        land(receiver.replica(region).data() + entry.offset, payload);
        break;
      case EntryKind::message:
        receiver.on_message(payload);
        break;
      case EntryKind::import: {
        std::optional<WriteTarget> target;
        if (!payload.empty()) std::memcpy(&target.emplace(), payload.data(), sizeof(WriteTarget));
        receiver.on_import(region, entry.offset, target);
        break;
      }
      case EntryKind::refused:
        receiver.on_refused(region, entry.offset);
        break;
      case EntryKind::release:
        receiver.on_release(region);
        break;
    }
  }
  return {};
}

void land(std::byte* to, Bytes from) {
  constexpr std::size_t word_bytes = sizeof(std::uint64_t);
  if (from.empty()) return;
  if (from.size() > word_store_bytes) {
    // What follows on the lane is stored with release, or is read after a later poll.
    copy_message(to, from.data(), from.size());
    std::atomic_signal_fence(std::memory_order_release);
    return;
  }
  const std::size_t misaligned = reinterpret_cast<std::uintptr_t>(to) % word_bytes;
  if (misaligned != 0) {
    const std::size_t head = std::min(word_bytes - misaligned, from.size());
    std::memcpy(to, from.data(), head);
    to += head;
    from = from.subspan(head);
  }
  for (; from.size() >= word_bytes; from = from.subspan(word_bytes), to += word_bytes) {
    std::uint64_t word;
    std::memcpy(&word, from.data(), word_bytes);
    std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(to))
        .store(word, std::memory_order_release);
  }
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
}

}  // namespace squall::ofi
