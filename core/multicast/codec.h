#pragma once
// A module that changes bytes (compress, later seal): one hook on the way out, where the sender
// puts a message into its ring, and one on the way in, where it is delivered. It serves every view,
// and what one view's sender has encoded may be decoded in a later one. Section 6 of the design.

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/bytes.h"

namespace squall::multicast {

class Codec {
 public:
  virtual ~Codec() = default;
  /// By so many bytes, at most, an encoded message is longer.
  virtual std::size_t overhead() const = 0;
  /// On the way out, any thread, several at once: what travels in place of `message`, in `scratch`,
  /// whose memory is reused.
  virtual Bytes encode(Bytes message, std::vector<std::byte>& scratch) const = 0;
  /// The same for a message that lies where it will travel: at the beginning of `whole`, which is
  /// longer by `overhead`.
  virtual void encode_in_place(MutableBytes whole) const = 0;
  /// On the way in, where the engine turns: the message, at most `most_bytes` of it, in `scratch`
  /// or in `encoded` itself. The bytes are a peer's and may be anything: nothing if no `encode`
  /// makes them, and no more memory than `most_bytes`.
  virtual std::optional<Bytes> decode(Bytes encoded, std::size_t most_bytes,
                                      std::vector<std::byte>& scratch) const = 0;
};

/// Those of a stack, the one nearest to the ring first.
class Codecs {
 public:
  /// A scratch for each; one user at a time.
  using Scratch = std::vector<std::vector<std::byte>>;

  Codecs() = default;
  explicit Codecs(std::vector<std::shared_ptr<const Codec>> codecs) : codecs_(std::move(codecs)) {}

  bool empty() const { return codecs_.empty(); }
  std::size_t overhead() const;
  Bytes encode(Bytes message, Scratch& scratch) const;
  void encode_in_place(MutableBytes whole) const;
  std::optional<Bytes> decode(Bytes encoded, std::size_t most_bytes, Scratch& scratch) const;

 private:
  std::vector<std::shared_ptr<const Codec>> codecs_;
};

}  // namespace squall::multicast
