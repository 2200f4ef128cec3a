#pragma once
// Errors are values: what happened, and what the reader can do about it. Nothing in core,
// providers or groups throws across its interface.

#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace squall {

enum class Code : unsigned char {
  invalid,      ///< an argument or a configuration that cannot be right
  unavailable,  ///< a device, provider or resource that this host does not have
  would_block,  ///< not now: no space; try again after the node has turned
  too_large,    ///< over a stated limit
  timeout,      ///< a deadline passed
  refused,      ///< a peer said no: wrong version, wrong stack, unknown ticket
  lost,         ///< a peer died, was cut off, or broke the protocol
  io,           ///< the operating system said no (file, socket, memory)
  closed,       ///< this object was stopped
};

/// The name of a code, for messages and logs.
std::string_view name(Code code);

struct Error {
  Code code = Code::invalid;
  std::string what;    ///< what happened, with the names and numbers of this case
  std::string remedy;  ///< what to do about it; may be empty

  /// One line: "what (remedy)".
  std::string text() const;
};

template <class T = void>
using Result = tl::expected<T, Error>;

/// `return fail(Code::io, fmt::format(...), "free some space");`
inline tl::unexpected<Error> fail(Code code, std::string what, std::string remedy = {}) {
  return tl::unexpected<Error>(Error{code, std::move(what), std::move(remedy)});
}

/// The same for a failed system call: appends strerror(errno_value) to `what`.
tl::unexpected<Error> fail_errno(std::string what, int errno_value, std::string remedy = {});

}  // namespace squall
