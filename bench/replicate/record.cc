#include "bench/replicate/record.h"

#include <fmt/format.h>

#include <cstring>

#include "core/base/assert.h"

namespace squall::replicate {
namespace {

enum class Kind : std::uint8_t {
  directory_begin = 1,
  directory_end,
  file,
  symbolic_link,
  end,
};

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;  // clang 16 does not deduce aggregates

/// Measures when `space` is empty, else writes.
class Cursor {
 public:
  explicit Cursor(MutableBytes space) : space_(space) {}
  template <class T>
  Cursor& put(T value) {
    return put_raw(&value, sizeof(value));
  }
  Cursor& put_text(std::string_view text) {
    put(static_cast<std::uint32_t>(text.size()));
    return put_raw(text.data(), text.size());
  }
  Cursor& put_raw(const void* from, std::size_t bytes) {
    if (!space_.empty()) {
      SQUALL_ASSERT(bytes <= space_.size() - used_, "a record was given the space it asked for");
      if (bytes > 0) std::memcpy(space_.data() + used_, from, bytes);
    }
    used_ += bytes;
    return *this;
  }
  std::size_t used() const { return used_; }

 private:
  MutableBytes space_;
  std::size_t used_ = 0;
};

std::size_t write(const Record& record, MutableBytes space) {
  Cursor to(space);
  std::visit(
      Overloaded{
          [&](const DirectoryBegin& r) { to.put(Kind::directory_begin).put_text(r.path); },
          [&](const DirectoryEnd& r) { to.put(Kind::directory_end).put_text(r.path).put(r.mode); },
          [&](const File& r) {
            to.put(Kind::file).put_text(r.path).put(r.mode).put(r.size);
            to.put_raw(r.digest.data(), r.digest.size());
          },
          [&](const SymbolicLink& r) {
            to.put(Kind::symbolic_link).put_text(r.path).put_text(r.target);
          },
          [&](const End& r) { to.put(Kind::end).put(r.files).put(r.bytes); },
      },
      record);
  return to.used();
}

tl::unexpected<Error> malformed(std::string_view why) {
  return fail(Code::refused, fmt::format("malformed record: {}", why),
              "the sender is broken, or another version");
}

std::string_view get_text(Reader& from, std::size_t limit) {
  return as_text(from.get_bytes(limit));
}

Result<Record> decode_fields(Kind kind, Reader& from) {
  switch (kind) {
    case Kind::directory_begin:
      return DirectoryBegin{get_text(from, max_path_bytes)};
    case Kind::directory_end: {
      const auto path = get_text(from, max_path_bytes);
      return DirectoryEnd{path, from.get<std::uint32_t>()};
    }
    case Kind::file: {
      File file;
      file.path = get_text(from, max_path_bytes);
      file.mode = from.get<std::uint32_t>();
      file.size = from.get<std::uint64_t>();
      for (std::byte& byte : file.digest) byte = from.get<std::byte>();
      return file;
    }
    case Kind::symbolic_link: {
      const auto path = get_text(from, max_path_bytes);
      return SymbolicLink{path, get_text(from, max_path_bytes)};
    }
    case Kind::end: {
      const auto files = from.get<std::uint64_t>();
      return End{files, from.get<std::uint64_t>()};
    }
  }
  return malformed(fmt::format("unknown kind {}", static_cast<unsigned>(kind)));
}

Result<> check_record(const Record& record) {
  return std::visit(Overloaded{
                        [](const DirectoryBegin& r) { return files::check_path(r.path); },
                        [](const DirectoryEnd& r) { return files::check_path(r.path); },
                        [](const File& r) { return files::check_path(r.path); },
                        [](const SymbolicLink& r) -> Result<> {
                          if (r.target.empty() || r.target.find('\0') != std::string_view::npos)
                            return malformed("a symbolic link without a target");
                          return files::check_path(r.path);
                        },
                        [](const auto&) { return Result<>{}; },
                    },
                    record);
}

}  // namespace

std::size_t encoded_bytes(const Record& record) {
  return write(record, {});
}

void encode(const Record& record, MutableBytes space) {
  write(record, space);
}

Result<Record> decode(Bytes message) {
  Reader from(message);
  const auto kind = from.get<Kind>();
  if (!from.ok()) return malformed("it is empty");
  auto record = decode_fields(kind, from);
  if (!record) return record;
  if (!from.done()) return malformed("its length is wrong");
  if (auto checked = check_record(*record); !checked) return tl::unexpected(checked.error());
  return record;
}

}  // namespace squall::replicate
