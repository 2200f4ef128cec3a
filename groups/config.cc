#include "groups/config.h"

namespace squall {

std::optional<Start> parse_start(std::string_view text) {
  if (text == "together") return Start::together;
  if (text == "create") return Start::create;
  if (text == "join") return Start::join;
  if (text == "auto") return Start::automatic;
  return std::nullopt;
}

}  // namespace squall
