#include "groups/files/sink.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <string_view>
#include <utility>

#include "core/base/printable.h"

namespace squall {

using files::FileDescriptor;
using files::PartialFile;
using files::Piece;
using What = FileNews::What;

struct FileSink::Folders {
  FileDescriptor partials;
  files::Folder files;
};

namespace {

FileNews news_of(What what, const PartialFile& file) {
  const PartialFile::Description& description = file.description();
  return {.what = what,
          .path = description.path,
          .bytes = file.written(),
          .total = description.total,
          .mode = description.mode};
}

FileNews abandoned(const Piece& piece, Error why) {
  return {.what = What::abandoned,
          .path = piece.path,
          .total = piece.total,
          .mode = piece.mode,
          .why = std::move(why)};
}

/// What a killed process has left: `name`, and that with a number.
void remove_left_over(int folder, std::string_view name) {
  DIR* listing = fdopendir(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (listing == nullptr) return;
  std::vector<std::string> found;
  while (const dirent* entry = readdir(listing)) {
    std::string_view rest(entry->d_name);
    if (!rest.starts_with(name)) continue;
    rest.remove_prefix(name.size());
    const auto is_digit = [](unsigned char c) { return std::isdigit(c) != 0; };
    if (rest.empty() || (rest.front() == '.' && std::ranges::all_of(rest.substr(1), is_digit)))
      found.emplace_back(entry->d_name);
  }
  closedir(listing);
  for (const std::string& each : found) unlinkat(folder, each.c_str(), 0);
}

}  // namespace

Result<FileSink> FileSink::open(const std::string& folder, FileSinkOptions options) {
  const std::string& partial = options.partial_name;
  if (partial.empty() || partial == "." || partial == ".." || partial.find('/') != partial.npos)
    return fail(Code::invalid, fmt::format("'{}' is no name of a file", printable(partial)));
  // Named by the application, so a symbolic link is followed here, and only here.
  const FileDescriptor named(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  auto files = files::Folder::open(named.get(), ".", folder);
  if (!files) return tl::unexpected(files.error());
  const std::string& where = options.partial_folder.empty() ? folder : options.partial_folder;
  FileDescriptor partials(::open(where.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!partials || faccessat(partials.get(), ".", W_OK | X_OK, AT_EACCESS) != 0)
    return fail_errno(fmt::format("cannot use the output directory {}", printable(where)), errno,
                      "choose another");
  remove_left_over(partials.get(), partial);
  return FileSink(std::make_unique<Folders>(Folders{std::move(partials), std::move(*files)}),
                  std::move(options));
}

FileSink::FileSink(std::unique_ptr<Folders> folders, FileSinkOptions options)
    : folders_(std::move(folders)), options_(std::move(options)) {}

FileSink::~FileSink() = default;
FileSink::FileSink(FileSink&&) noexcept = default;

FileNews FileSink::take(From from, Bytes message) {
  if (!files::is_piece(message)) return {};
  auto piece = files::decode(message);
  if (!piece) return {.what = What::abandoned, .why = piece.error()};
  const Place at = find(from, piece->number);
  if (at == open_.end()) {
    if (!piece->given_up.empty() || !piece->is_first()) return {.what = What::stray};
    return begin(from, *piece);
  }
  if (!piece->given_up.empty())
    return abandon(at, {Code::lost, "its sender gave it up: " + piece->given_up, {}});
  if (piece->offset != at->file.written() || piece->total != at->file.description().total)
    return abandon(at, {Code::refused, "a piece that does not fit the ones before it",
                        "its sender is broken, or another version"});
  return append(at, *piece);
}

FileSink::Place FileSink::find(From from, std::uint64_t number) {
  return std::ranges::find_if(
      open_, [&](const Open& open) { return open.from == from && open.number == number; });
}

Result<> FileSink::check_first(From from, const Piece& piece) const {
  if (piece.total > options_.max_file_bytes)
    return fail(Code::too_large, fmt::format("a file of {} bytes; at most {} are taken here",
                                             piece.total, options_.max_file_bytes));
  if (options_.partial_folder.empty() && piece.path.starts_with(options_.partial_name))
    return fail(Code::refused, fmt::format("refused the path '{}': files that are not whole have "
                                           "such names",
                                           printable(piece.path)));
  const auto under_way = std::ranges::count(open_, from, &Open::from);
  if (static_cast<std::size_t>(under_way) >= options_.max_files)
    return fail(Code::refused, fmt::format("its sender has {} files under way", under_way),
                "send fewer at a time, or raise the sink's max_files");
  return {};
}

FileNews FileSink::begin(From from, Piece& piece) {
  if (auto checked = check_first(from, piece); !checked) return abandoned(piece, checked.error());
  // Where it is to go, now rather than at its end.
  if (auto place = folders_->files.place_of(piece.path, options_.make_folders); !place)
    return abandoned(piece, place.error());
  const std::size_t slot = free_slot();
  auto file = PartialFile::create(folders_->partials.get(), partial_name(slot), folders_->files,
                                  {piece.path, piece.mode, piece.total});
  if (!file) return abandoned(piece, file.error());
  open_.push_back({from, piece.number, slot, std::move(*file)});
  return append(std::prev(open_.end()), piece);
}

FileNews FileSink::append(Place at, const Piece& piece) {
  if (auto written = at->file.write(piece.bytes); !written) return abandon(at, written.error());
  if (at->file.left() != 0) return news_of(What::piece, at->file);
  if (auto finished = at->file.finish(piece.digest); !finished)
    return abandon(at, finished.error());
  FileNews news = news_of(What::complete, at->file);
  news.digest = piece.digest;
  open_.erase(at);
  return news;
}

FileNews FileSink::abandon(Place at, Error why) {
  FileNews news = news_of(What::abandoned, at->file);
  news.why = std::move(why);
  open_.erase(at);
  return news;
}

std::size_t FileSink::free_slot() const {
  std::size_t slot = 0;
  while (std::ranges::find(open_, slot, &Open::slot) != open_.end()) ++slot;
  return slot;
}

std::string FileSink::partial_name(std::size_t slot) const {
  return slot == 0 ? options_.partial_name : fmt::format("{}.{}", options_.partial_name, slot);
}

std::vector<FileNews> FileSink::on_view(const View& view) {
  std::vector<FileNews> news;
  for (auto at = open_.begin(); at != open_.end();) {
    const auto next = std::next(at);
    const bool here = std::ranges::any_of(view.members, [&](const Member& member) {
      return From{member.id, member.incarnation} == at->from;
    });
    if (!here) news.push_back(abandon(at, {Code::lost, "its sender is in the group no more", {}}));
    at = next;
  }
  return news;
}

Result<std::vector<FileSink::UnderWay>> FileSink::under_way() const {
  std::vector<UnderWay> files;
  for (const Open& open : open_) {
    auto fd = open.file.duplicate();
    if (!fd) return tl::unexpected(fd.error());
    const PartialFile::Description& description = open.file.description();
    files.push_back({open.from, open.number, description.path, description.mode, description.total,
                     open.file.written(), std::move(*fd)});
  }
  return files;
}

}  // namespace squall
