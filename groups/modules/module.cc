#include "groups/modules/module.h"

#include "groups/modules/fifo.h"
#include "groups/modules/stable.h"
#include "groups/modules/total.h"

namespace squall::modules {
namespace {

template <class Base, class Built>
std::unique_ptr<Base> build(const multicast::Shape& shape, mirror::TableLayout& layout) {
  return std::make_unique<Built>(shape, layout);
}

constexpr Module all[] = {
    {"fifo", nothing, fifo_order, &build<multicast::Order, Fifo>, nullptr},
    {"stable", fifo_order, stability, nullptr, &build<multicast::Stage, Stable>},
    {"total", nothing, fifo_order | total_order, &build<multicast::Order, Total>, nullptr},
};

}  // namespace

std::span<const Module> modules() {
  return all;
}

const Module* find(std::string_view name) {
  for (const Module& module : all)
    if (module.name == name) return &module;
  return nullptr;
}

}  // namespace squall::modules
