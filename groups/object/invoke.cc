#include "groups/object/invoke.h"

#include <fmt/format.h>

namespace squall::objects {

Error error_of_exception(std::string_view thrower) {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::exception& error) {
    return {Code::refused, fmt::format("{} threw: {}", thrower, error.what()), ""};
  } catch (...) {
    return {Code::refused, fmt::format("{} threw what is no std::exception", thrower), ""};
  }
}

Error undecodable(std::string_view method) {
  return {Code::invalid, fmt::format("arguments of {} that do not decode", method),
          "run one version of the object at all members"};
}

CallError unencodable() {
  return with_effect(
      {Code::invalid, "an argument's serialize threw, or gave another size each time", ""},
      Effect::no);
}

}  // namespace squall::objects
