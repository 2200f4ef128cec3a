#include "groups/simulation/nodes.h"

#include "core/base/assert.h"
#include "groups/simulation/node.h"
#include "groups/stack/stack.h"

namespace squall::simulation {
namespace {

unsigned provided_by(const Options& options) {
  SQUALL_ASSERT(!options.state && !options.channels, "a node's group says what its state is");
  // Of stages of one's own nobody knows; they stand for those of the stack.
  const auto stack = Stack::parse(options.stack);
  SQUALL_ASSERT(stack, "the simulated stack must fit");
  const auto parts = stack->prepare();
  SQUALL_ASSERT(parts && parts->codecs.empty(), "a simulated node's stack changes no bytes");
  return stack->provides();
}

}  // namespace

Nodes::Nodes(const Options& options)
    : group_(options.group),
      provides_(provided_by(options)),
      timing_(options.member.timing),
      cluster_(options, {}) {
  for (Rank member = 0; member < cluster_.node_count(); ++member) come(member);
  cluster_.set_came([this](Rank member) { come(member); });
  cluster_.set_application([this](Rank member) {
    nodes_[member]->before_turn();
    return application_ && application_(member);
  });
  cluster_.set_after_turn([this](Rank member) {
    nodes_[member]->after_turn();
    if (look_) look_(member);
  });
}

Nodes::~Nodes() = default;

squall::Node* Nodes::node(Rank member) {
  return member < nodes_.size() ? nodes_[member].get() : nullptr;
}

clients::Service* Nodes::for_clients(Rank member) {
  return node(member) != nullptr ? nodes_[member]->for_clients() : nullptr;
}

void Nodes::come(Rank member) {
  if (member >= nodes_.size()) nodes_.resize(member + 1);
  nodes_[member] = std::make_unique<SimNode>(cluster_, member, group_, provides_, timing_);
  if (begin_) begin_(member, *nodes_[member]);
}

void Nodes::on_node(std::function<void(Rank, squall::Node&)> begin) {
  begin_ = std::move(begin);
  for (Rank member = 0; member < nodes_.size(); ++member)
    if (nodes_[member]) begin_(member, *nodes_[member]);
}

}  // namespace squall::simulation
