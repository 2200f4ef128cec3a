// The suite on shm and tcp as one fabric. SQUALL_ONE_HOST, from the build file, says whether the
// two ends are on one host, so that shm carries them, or not, so that tcp does.
#include <fmt/format.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "providers/mixed/mixed.h"
#include "providers/ofi/ofi.h"
#include "providers/shm/shm.h"
#include "test/conformance/world.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
// (Here, because the runtime looks for it in the executable only.) The owner's memory takes the
// place of a replica's zeros while readers may look (`import` in core/fabric/fabric.h): the kernel
// does that under its own lock, but the sanitizer takes mmap for a plain write.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:squall::shm::Replica::map\n";
}
#endif
#endif

namespace squall::conformance {
namespace {

class MixedProvider final : public fabric::Provider {
 public:
  std::vector<fabric::Device> survey() const override { return {}; }
  Result<std::unique_ptr<fabric::Fabric>> open(const fabric::Options& options) const override {
    mixed::Children children;
    for (const auto* provider : {shm_.get(), tcp_.get()}) {
      auto child = provider->open(options);
      if (!child) return child;
      children.push_back(std::move(*child));
    }
    static int opened = 0;
    return mixed::make("shm+tcp",
                       SQUALL_ONE_HOST ? "here" : fmt::format("{} {}", getpid(), ++opened),
                       std::move(children));
  }

 private:
  std::unique_ptr<fabric::Provider> shm_ = shm::make_provider();
  std::unique_ptr<fabric::Provider> tcp_ = ofi::make_tcp();
};

}  // namespace

const Subject& subject() {
  static const MixedProvider provider;
  static const Subject mixed = [] {
    Subject made;
    made.name = SQUALL_ONE_HOST ? "mixed, the pair on shm" : "mixed, the pair on tcp";
    made.maps_regions = SQUALL_ONE_HOST;
    made.make_world = [] { return std::make_unique<RealWorld>("shm+tcp", provider); };
    return made;
  }();
  return mixed;
}

}  // namespace squall::conformance
