#include "providers/ofi/libfabric.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <type_traits>

#include "core/base/assert.h"

namespace squall::ofi::libfabric {
namespace {

constexpr const char* file_name = "libfabric.so.1";

// A newer header's fi_info may be another struct. What libfabric.map of its release names is to be
// added to `info_symbols`.
static_assert(FI_VERSION_LT(FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION), FI_VERSION(2, 7)),
              "info_symbols does not know which symbols these headers of libfabric are for");

struct Functions {
  decltype(&::fi_getinfo) getinfo = nullptr;
  decltype(&::fi_freeinfo) freeinfo = nullptr;
  decltype(&::fi_dupinfo) dupinfo = nullptr;
  decltype(&::fi_fabric) fabric = nullptr;
  decltype(&::fi_version) version = nullptr;
  decltype(&::fi_strerror) strerror = nullptr;
};

/// The linker would have noted the newest version of each symbol as of the headers, and the loader
/// have found that one in every later library; so does this.
Result<Functions> bind(const char* file) {
  void* const library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    return fail(Code::unavailable, fmt::format("libfabric cannot be loaded: {}", dlerror()),
                "install it (Debian's package is libfabric1), or use fabric shm");
  Functions functions;
  const char* missing = nullptr;
  const auto find = [&](auto& function, const char* name, const char* version) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(
        dlvsym(library, name, version));
    if (function == nullptr && missing == nullptr) missing = name;
  };
  const char* const of_info = info_symbols(FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION));
  find(functions.getinfo, "fi_getinfo", of_info);
  find(functions.freeinfo, "fi_freeinfo", of_info);
  find(functions.dupinfo, "fi_dupinfo", of_info);
  find(functions.fabric, "fi_fabric", "FABRIC_1.1");
  find(functions.version, "fi_version", "FABRIC_1.0");
  find(functions.strerror, "fi_strerror", "FABRIC_1.0");
  if (missing != nullptr)
    return fail(Code::unavailable,
                fmt::format("{} has no {} of version {}.{}", file, missing, FI_MAJOR_VERSION,
                            FI_MINOR_VERSION),
                "install a libfabric that is at least as new as the one that Squall was built for");
  return functions;
}

const Result<Functions>& bound() {
  static const Result<Functions> functions = bind(file_name);
  return functions;
}

const Functions& functions() {
  SQUALL_ASSERT(bound(), "libfabric is loaded before it is used");
  return *bound();
}

}  // namespace

Result<> load() {
  if (!bound()) return tl::unexpected(bound().error());
  return {};
}

Result<> load_from(const char* file) {
  if (const auto functions = bind(file); !functions) return tl::unexpected(functions.error());
  return {};
}

const char* info_symbols(std::uint32_t headers) {
  if (FI_VERSION_GE(headers, FI_VERSION(2, 5))) return "FABRIC_1.9";
  if (FI_VERSION_GE(headers, FI_VERSION(2, 0))) return "FABRIC_1.8";
  if (FI_VERSION_GE(headers, FI_VERSION(1, 20))) return "FABRIC_1.7";
  return "FABRIC_1.3";
}

int getinfo(std::uint32_t version, const char* node, const char* service, std::uint64_t flags,
            const fi_info* hints, fi_info** info) {
  return functions().getinfo(version, node, service, flags, hints, info);
}

void freeinfo(fi_info* info) {
  functions().freeinfo(info);
}

fi_info* dupinfo(const fi_info* info) {
  return functions().dupinfo(info);
}

int open_fabric(fi_fabric_attr* attributes, fid_fabric** opened) {
  return functions().fabric(attributes, opened, nullptr);
}

std::uint32_t version() {
  return functions().version();
}

const char* strerror(int error) {
  return functions().strerror(error);
}

}  // namespace squall::ofi::libfabric
