#pragma once
// A ring of 4 KiB with both its readers, for tests.

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/mirror/ring_reader.h"
#include "core/mirror/ring_writer.h"

namespace squall::mirror {

inline constexpr std::size_t ring_bytes = 4096;
inline constexpr std::size_t largest = max_message_bytes(ring_bytes);

struct Ring {
  bool append(std::string_view text) {
    RingWriter::Claim claim;
    if (!writer->claim(text.size(), claim)) return false;
    std::memcpy(claim.message, text.data(), text.size());
    writer->commit(claim);
    return true;
  }
  /// What a reader finds between what it has read and what is published.
  std::vector<std::string> read() {
    std::vector<std::string> found;
    CHECK(reader.extend(writer->published()));
    CHECK(own.extend(writer->published()));
    // The owner reads the same by its log.
    while (reader.advance() && own.advance() && reader.head_round() != no_round) {
      CHECK(own.head_round() == reader.head_round());
      CHECK(as_text(own.head()) == as_text(reader.head()));
      found.emplace_back(as_text(reader.head()));
      rounds.push_back(reader.head_round());
    }
    return found;
  }

  std::unique_ptr<RingWriter> writer = RingWriter::create(ring_bytes).value();
  RingReader reader{writer->memory().data(), ring_bytes};
  RingReader own{writer->memory().data(), ring_bytes, &writer->log()};
  Round next = 0;
  std::vector<Round> rounds;
};

using Texts = std::vector<std::string>;

}  // namespace squall::mirror
