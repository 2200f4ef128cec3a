#include "groups/attachments.h"

#include <fmt/format.h>

#include <algorithm>

#include "groups/modules/module.h"

namespace squall {

Result<> Attachments::claim(const GroupPlan& group) {
  constexpr unsigned needed = modules::total_order | modules::stability;
  if ((group.provides & needed) != needed)
    return fail(Code::refused,
                fmt::format("replicas of an object stay equal only in one order that survives its "
                            "members; the stack of group {} gives less",
                            group.name),
                fmt::format("group.{}.stack = \"total | stable\"", group.name));
  const std::lock_guard lock(mutex_);
  if (std::ranges::count(claimed_, group.name) != 0)
    return fail(Code::invalid,
                fmt::format("group {} is that of another object already", group.name),
                "give each object a group of its own");
  claimed_.push_back(group.name);
  return {};
}

}  // namespace squall
