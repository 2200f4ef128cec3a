// Linked into a program, it spares each of its processes a tenth of a second: so long
// libfabric 1.17 takes, when it is first used, to read all of /proc/kallsyms twice. Its verbs
// provider wants to know whether this kernel registers the memory of GPUs, which Squall never asks
// for; so to libfabric, and to nobody else, that file is not there, which it takes for "no". The
// price is a definition of fopen for the whole program, which hands everything else on: so whoever
// embeds Squall has it only by naming this target, and whoever gives libfabric GPUs' memory in the
// same process had better not.

#include <dlfcn.h>

#include <cerrno>
#include <cstdio>
#include <string_view>

namespace {

bool is_libfabric(const void* code) {
  Dl_info object;
  return dladdr(code, &object) != 0 && object.dli_fname != nullptr &&
         std::string_view(object.dli_fname).find("libfabric") != std::string_view::npos;
}

}  // namespace

extern "C" [[gnu::used]] std::FILE* fopen(const char* path, const char* mode) {
  if (std::string_view(path) == "/proc/kallsyms" && is_libfabric(__builtin_return_address(0))) {
    errno = ENOENT;
    return nullptr;
  }
  using Open = std::FILE* (*)(const char*, const char*);
  static const auto next = reinterpret_cast<Open>(dlsym(RTLD_NEXT, "fopen"));
  return next(path, mode);
}
