#include "core/base/error.h"

#include <system_error>

namespace squall {

std::string_view name(Code code) {
  switch (code) {
    case Code::invalid:
      return "invalid";
    case Code::unavailable:
      return "unavailable";
    case Code::would_block:
      return "would block";
    case Code::too_large:
      return "too large";
    case Code::timeout:
      return "timeout";
    case Code::refused:
      return "refused";
    case Code::lost:
      return "lost";
    case Code::io:
      return "i/o";
    case Code::closed:
      return "closed";
  }
  return "unknown";
}

std::string Error::text() const {
  return remedy.empty() ? what : what + " (" + remedy + ")";
}

tl::unexpected<Error> fail_errno(std::string what, int errno_value, std::string remedy) {
  return fail(Code::io, what + ": " + std::generic_category().message(errno_value),
              std::move(remedy));
}

}  // namespace squall
