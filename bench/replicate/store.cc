#include "bench/replicate/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "core/base/printable.h"
#include "groups/files/piece.h"

namespace squall::replicate {

using files::FileDescriptor;

namespace {

constexpr std::uint32_t directory_mode_mask = 03777;
constexpr int open_directory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
// A replication has one.
constexpr FileSink::From sender{};

tl::unexpected<Error> out_of_turn(std::string_view what) {
  return fail(Code::refused, fmt::format("a record out of turn: {}", what),
              "the sender is broken, or another version");
}

Result<> make_directories(const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), 0777) != 0 && errno != EEXIST)
      return fail_errno(fmt::format("cannot make the output directory {}", printable(part)), errno,
                        "choose another --out");
    if (end == std::string::npos) return {};
  }
}

}  // namespace

Result<Store> Store::open(const std::string& out, const std::string& member) {
  if (auto checked = files::check_path(member); !checked) return tl::unexpected(checked.error());
  if (auto made = make_directories(out); !made) return tl::unexpected(made.error());
  const std::string shown = fmt::format("{}/{}", out, member);
  FileDescriptor parent(::open(out.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent || (mkdirat(parent.get(), member.c_str(), 0777) != 0 && errno != EEXIST))
    return fail_errno(fmt::format("cannot use the output directory {}", printable(shown)), errno,
                      "choose another --out");
  auto folder = files::Folder::open(parent.get(), member, shown);
  if (!folder) return tl::unexpected(folder.error());
  const std::string temporary = fmt::format(".{}.partial", member);
  auto sink = FileSink::open(shown, {.max_file_bytes = files::max_total,
                                     .max_files = 1,
                                     .make_folders = false,
                                     .partial_name = temporary,
                                     .partial_folder = out});
  if (!sink) return tl::unexpected(sink.error());
  return Store(std::move(parent), std::move(*folder), std::move(*sink), temporary);
}

Store::Store(FileDescriptor out, files::Folder folder, FileSink sink, std::string temporary)
    : out_(std::move(out)),
      folder_(std::move(folder)),
      sink_(std::move(sink)),
      temporary_(std::move(temporary)) {}

Result<Store::Reading> Store::reading() const {
  auto partial = sink_.under_way();
  if (!partial) return tl::unexpected(partial.error());
  Reading reading{FileDescriptor(fcntl(folder_.fd(), F_DUPFD_CLOEXEC, 0)), std::move(*partial)};
  if (!reading.root) return fail_errno("cannot read what was written", errno);
  return reading;
}

Result<Bytes> Store::take(Bytes message) {
  if (ended_) return out_of_turn("it comes after the end");
  FileNews news = sink_.take(sender, message);
  if (news.what != FileNews::What::not_a_piece) return on_news(std::move(news));
  const auto record = decode(message);
  if (!record) return tl::unexpected(record.error());
  if (!sink_.idle()) return out_of_turn("it comes inside a file");
  auto done = std::visit([this](const auto& kind) { return on(kind); }, *record);
  if (!done) return tl::unexpected(done.error());
  return message;
}

Result<Bytes> Store::on_news(FileNews news) {
  switch (news.what) {
    case FileNews::What::not_a_piece:
      break;
    case FileNews::What::piece:
      partial_bytes_ = news.bytes;
      break;
    case FileNews::What::complete: {
      const File file{news.path, news.mode, news.total, news.digest};
      noted_.resize(encoded_bytes(file));
      encode(file, noted_);
      partial_bytes_ = 0;
      bytes_ += news.total;
      ++files_;
      return Bytes(noted_);
    }
    case FileNews::What::abandoned:
      return tl::unexpected(std::move(news.why));
    case FileNews::What::stray:
      return out_of_turn("a part of no file");
  }
  return Bytes();
}

Result<> Store::on(const DirectoryBegin& record) {
  auto place = folder_.place_of(record.path);
  if (!place) return tl::unexpected(place.error());
  if (mkdirat(place->directory, place->name.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return folder_.cannot("create the folder", record.path, errno);
  // From an earlier run, perhaps already with a mode that forbids writing.
  const FileDescriptor directory(openat(place->directory, place->name.c_str(), open_directory));
  struct stat status {};
  if (!directory || fstat(directory.get(), &status) != 0)
    return folder_.cannot("use as a folder", record.path, errno);
  if (fchmod(directory.get(), (status.st_mode & directory_mode_mask) | 0700) != 0)
    return folder_.cannot("use as a folder", record.path, errno);
  return {};
}

Result<> Store::on(const DirectoryEnd& record) {
  auto place = folder_.place_of(record.path);
  if (!place) return tl::unexpected(place.error());
  const FileDescriptor directory(openat(place->directory, place->name.c_str(), open_directory));
  if (!directory || fchmod(directory.get(), record.mode & directory_mode_mask) != 0)
    return folder_.cannot("set the mode of", record.path, errno);
  return {};
}

Result<> Store::on(const File&) {
  return out_of_turn("a file without its bytes");
}

/// It replaces what was there.
Result<> Store::on(const SymbolicLink& record) {
  auto place = folder_.place_of(record.path);
  if (!place) return tl::unexpected(place.error());
  const std::string target(record.target);
  int made = symlinkat(target.c_str(), out_.get(), temporary_.c_str());
  if (made != 0 && errno == EEXIST && unlinkat(out_.get(), temporary_.c_str(), 0) == 0)
    made = symlinkat(target.c_str(), out_.get(), temporary_.c_str());
  if (made != 0) return folder_.cannot("create the link", record.path, errno);
  if (renameat(out_.get(), temporary_.c_str(), place->directory, place->name.c_str()) == 0)
    return {};
  const auto why = folder_.cannot("create", record.path, errno);
  unlinkat(out_.get(), temporary_.c_str(), 0);
  return why;
}

Result<> Store::on(const End& record) {
  if (record.files != files_ || record.bytes != bytes_)
    return fail(Code::refused, fmt::format("{} files of {} bytes came, {} of {} were sent", files_,
                                           bytes_, record.files, record.bytes));
  ended_ = true;
  return {};
}

}  // namespace squall::replicate
