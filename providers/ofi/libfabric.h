#pragma once
// What libfabric exports, bound when it is first needed and not when the program is loaded: that
// takes a process 0.2 s, and who stays on shared memory needs no libfabric. All else that its
// headers declare is inline, and goes through tables in what these functions return.

#include <rdma/fabric.h>

#include <cstdint>
#include <memory>

#include "core/base/error.h"

namespace squall::ofi {

namespace libfabric {

/// Loads it into this process, the first time; for good. Any thread. Code::unavailable, each time,
/// if it is not here or lacks what its headers say.
Result<> load();

// After a `load` that succeeded; as fi_getinfo(3), fi_fabric(3), fi_version(3) and fi_errno(3) say.
int getinfo(std::uint32_t version, const char* node, const char* service, std::uint64_t flags,
            const fi_info* hints, fi_info** info);
void freeinfo(fi_info* info);
/// Of nullptr: an empty one, as fi_allocinfo gives.
fi_info* dupinfo(const fi_info* info);
int open_fabric(fi_fabric_attr* attributes, fid_fabric** opened);
std::uint32_t version();
const char* strerror(int error);

// --- for tests

/// Which version of fi_getinfo, fi_freeinfo and fi_dupinfo a program of that version's headers is
/// for, by libfabric's own map of symbols.
const char* info_symbols(std::uint32_t headers);
/// Loads that file, and throws away what it has found.
Result<> load_from(const char* file);

}  // namespace libfabric

struct CloseFid {
  template <class Object>
  void operator()(Object* object) const {
    fi_close(&object->fid);
  }
};
/// An open libfabric object; closed with its owner, so members are declared in opening order.
template <class Object>
using Fid = std::unique_ptr<Object, CloseFid>;

struct FreeInfo {
  void operator()(fi_info* info) const { libfabric::freeinfo(info); }
};
using Info = std::unique_ptr<fi_info, FreeInfo>;

}  // namespace squall::ofi
