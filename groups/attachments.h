#pragma once
// What is built upon a node's groups, one thing each. Private to groups/.

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "groups/node.h"
#include "groups/plan.h"

namespace squall {

class Attachments {
 public:
  /// Any thread. See Node::attach.
  Result<> claim(const GroupPlan& group);

  // --- where the node turns

  void add(std::string group, std::shared_ptr<Attachment> attachment) {
    groups_.push_back(std::move(group));
    all_.push_back(std::move(attachment));
  }
  /// nullptr: it has nothing for clients.
  clients::Service* for_clients(std::string_view group) {
    for (std::size_t at = 0; at < all_.size(); ++at)
      if (groups_[at] == group) return all_[at]->for_clients();
    return nullptr;
  }
  /// True if there was anything to do.
  bool turned() {
    bool worked = false;
    // One of them may add another.
    for (std::size_t at = 0; at < all_.size(); ++at) worked |= all_[at]->turned();
    return worked;
  }
  void close(const Error& error) {
    for (std::size_t at = 0; at < all_.size(); ++at) all_[at]->closed(error);
  }

 private:
  std::vector<std::shared_ptr<Attachment>> all_;
  std::vector<std::string> groups_;  // of each
  std::mutex mutex_;
  std::vector<std::string> claimed_;  // names of groups
};

}  // namespace squall
