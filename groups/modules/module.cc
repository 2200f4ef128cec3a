#include "groups/modules/module.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "core/base/assert.h"
#include "groups/modules/batch.h"
#include "groups/modules/causal.h"
#include "groups/modules/checked.h"
#include "groups/modules/compress.h"
#include "groups/modules/fifo.h"
#include "groups/modules/stable.h"
#include "groups/modules/total.h"
#include "groups/modules/trace.h"

namespace squall::modules {
namespace {

constexpr PropertyText texts[] = {
    {fifo_order, "FIFO order", "a sender's messages in the order it sent them"},
    {causal_order, "causal order", "after all that its sender had delivered when it sent it"},
    {total_order, "total order", "one order for all senders, at every member"},
    {stability, "stability", "delivered anywhere means held by every member"},
};

using mirror::TableLayout;
using multicast::Shape;
using multicast::Stages;
using Kind = Parameter::Kind;

Module batch() {
  Module module{.name = "batch"};
  constexpr std::uint64_t most_bytes = std::uint64_t{1} << 30, most_us = 1'000'000;
  module.parameters = {
      {.name = "bytes", .kind = Kind::bytes, .least = 1, .most = most_bytes, .example = "16 KiB"},
      {.name = "microseconds", .kind = Kind::microseconds, .most = most_us, .example = "50 us"}};
  module.requires_below = fifo_order;
  module.is_local = true;
  module.prepare = [](const Arguments& arguments, unsigned) -> Result<Recipe> {
    const std::uint64_t bytes = arguments[0].number;
    const auto longest = std::chrono::microseconds(static_cast<std::int64_t>(arguments[1].number));
    return Recipe{[=](const Shape&, TableLayout&, Stages& stages) {
      stages.gather = std::make_unique<Batch>(bytes, longest);
    }};
  };
  return module;
}

Module checked() {
  Module module{.name = "checked"};
  module.requires_below = fifo_order;
  module.is_local = true;
  module.prepare = [](const Arguments&, unsigned below) -> Result<Recipe> {
    return Recipe{[=](const Shape&, TableLayout&, Stages& stages) {
      stages.order = std::make_unique<Checked>(std::move(stages.order), (below & total_order) != 0);
    }};
  };
  return module;
}

Module compress() {
  Module module{.name = "compress"};
  module.parameters = {
      {.name = "algorithm", .kind = Kind::choice, .choices = {"lz4"}, .example = "lz4"}};
  module.requires_below = fifo_order;
  module.prepare = [](const Arguments&, unsigned) -> Result<Recipe> {
    return Recipe{{}, std::make_shared<CompressLz4>()};
  };
  return module;
}

Module trace() {
  Module module{.name = "trace"};
  module.parameters = {{.name = "file", .kind = Kind::path, .example = "/tmp/trace.json"}};
  module.requires_below = fifo_order;
  module.is_local = true;
  module.prepare = [](const Arguments& arguments, unsigned) -> Result<Recipe> {
    auto file = TraceFile::create(arguments[0].text);
    if (!file) return tl::unexpected(file.error());
    return Recipe{[file = *file](const Shape& shape, TableLayout&, Stages& stages) {
      stages.above.push_back(std::make_unique<Trace>(shape, file));
    }};
  };
  return module;
}

struct Registry {
  Registry() {
    add(batch());
    add(order<Causal>("causal", fifo_order | causal_order));
    add(checked());
    add(compress());
    add(order<Fifo>("fifo", fifo_order));
    add(stage<Stable>("stable", stability));
    // Whoever sends has promised to use no round below any that it has delivered, so what it sends
    // comes after that.
    add(order<Total>("total", fifo_order | causal_order | total_order));
    add(trace());
  }
  void add(Module module);

  std::vector<std::unique_ptr<const Module>> owned;
  std::vector<const Module*> sorted;
};

bool is_plain(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

void Registry::add(Module module) {
  SQUALL_ASSERT(is_plain(module.name), "a module's name has letters, digits, '_' and '-'");
  SQUALL_ASSERT(module.prepare, "a module can be prepared");
  SQUALL_ASSERT(!module.is_order || (module.provides & fifo_order) != 0,
                "an order keeps what each ring has: a sender's messages in their order");
  SQUALL_ASSERT(!module.is_order || module.requires_below == nothing,
                "nothing is below an order, so it requires nothing");
  SQUALL_ASSERT(!module.is_local || (module.provides == nothing && !module.is_order),
                "what the others need not have can provide nothing");
  const auto at = std::ranges::lower_bound(sorted, module.name, {}, &Module::name);
  SQUALL_ASSERT(at == sorted.end() || (*at)->name != module.name,
                "two modules cannot have one name");
  owned.push_back(std::make_unique<const Module>(std::move(module)));
  sorted.insert(at, owned.back().get());
}

/// Made when it is first asked for: registrations of other files may come before anything here.
Registry& registry() {
  static Registry all;
  return all;
}

}  // namespace

std::span<const PropertyText> properties() {
  return texts;
}

Registration::Registration(Module module) {
  registry().add(std::move(module));
}

std::span<const Module* const> modules() {
  return registry().sorted;
}

const Module* find(std::string_view name) {
  const auto all = modules();
  const auto found = std::ranges::find(all, name, &Module::name);
  return found == all.end() ? nullptr : *found;
}

}  // namespace squall::modules
