// The suite on the simulated fabric, in virtual time.
#include "test/conformance/sim_world.h"
#include "test/conformance/world.h"

namespace squall::conformance {

const Subject& subject() {
  static const Subject sim = [] {
    Subject made;
    made.name = "sim";
    made.processes = false;
    made.make_world = [] { return std::make_unique<SimWorld>(); };
    return made;
  }();
  return sim;
}

}  // namespace squall::conformance
