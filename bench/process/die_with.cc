#include "bench/process/die_with.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

namespace squall::bench {

bool die_with(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  return getppid() == parent;
}

}  // namespace squall::bench
