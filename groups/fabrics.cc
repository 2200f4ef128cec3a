#include "groups/fabrics.h"

#include "providers/catalog/catalog.h"

namespace squall {

std::vector<FabricOnHost> fabrics_on_host() {
  return catalog::survey();
}

}  // namespace squall
