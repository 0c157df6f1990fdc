#include "storage/dataset/import.hpp"

#include "runtime/core/fd.hpp"
#include "storage/dataset/entry_path.hpp"
#include "storage/dataset/intake.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::dataset {

namespace {

constexpr uint64_t progress_bytes = 4u << 20;  // between two words of progress
constexpr size_t notes_max = 20;
constexpr size_t read_bytes = 256u << 10;

bool same_file(const struct stat& a, const struct stat& b) {
  auto same = [](const timespec& x, const timespec& y) {
    return x.tv_sec == y.tv_sec && x.tv_nsec == y.tv_nsec;
  };
  return a.st_size == b.st_size && same(a.st_mtim, b.st_mtim) && same(a.st_ctim, b.st_ctim);
}

Result<void> import_one_file(Intake& intake, const std::string& path, const std::string& name) {
  auto fd = open_file(path, O_RDONLY | O_NONBLOCK);
  if (!fd) return std::move(fd).error();
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0)
    return errno_error(errno, fmt::format("{} cannot be read", path));
  if (!S_ISREG(info.st_mode))
    return Error{Errc::invalid, fmt::format("{} cannot be pushed", printable(path)),
                 "it is no file and no folder", "give a file, a folder or an archive"};
  auto inner = unpacked_name(name);
  bool unpack = !inner.empty() && (intake.options().unpack ||
                                   make_scanner(inner, intake.options().header) != nullptr);
  TROUPE_TRY(intake.begin_file(unpack ? inner : name, (info.st_mode & 0100) != 0));
  TROUPE_TRY(unpack ? unpack_file_into(intake, fd->get(), path)
                    : read_file_into(intake, fd->get(), path));
  return intake.end_file();
}

}  // namespace

Result<void> Intake::begin_file(std::string_view path, bool executable) {
  path_ = path;
  scanner_ = options_.records ? make_scanner(path, options_.header) : nullptr;
  return packer_.begin_file(path, executable);
}

Result<void> Intake::write(std::string_view bytes) {
  if (scanner_) scanner_->feed(bytes);
  untold_ += bytes.size();
  if (untold_ >= progress_bytes && options_.progress) {
    untold_ = 0;
    const auto& stats = packer_.stats();
    if (!options_.progress(stats.files, stats.bytes))
      return Error{Errc::conflict, "the push was ended", "somebody asked for it",
                   "start it again: what was sent is not sent twice"};
  }
  return packer_.write(bytes);
}

Result<void> Intake::end_file() {
  std::optional<TableDraft> table;
  if (scanner_) {
    auto found = scanner_->finish();
    if (auto* draft = std::get_if<TableDraft>(&found))
      table = std::move(*draft);
    else
      note(fmt::format("{} has no records: {}", path_, std::get<std::string>(found)));
  }
  scanner_.reset();
  return packer_.end_file(std::move(table));
}

void Intake::note(std::string text) {
  if (notes_.size() < notes_max) notes_.push_back(std::move(text));
}

Result<Imported> Intake::finish() {
  auto manifest = packer_.finish();
  if (!manifest) return std::move(manifest).error();
  return Imported{std::move(*manifest), packer_.stats(), std::move(notes_)};
}

Result<void> read_file_into(Intake& intake, int fd, const std::string& path) {
  auto changed = [&](std::string detail) {
    return Error{Errc::conflict, fmt::format("{} changed while it was read", printable(path)),
                 std::move(detail), "push again when nothing writes to it"};
  };
  struct stat before {
  }, after{};
  if (::fstat(fd, &before) != 0)
    return errno_error(errno, fmt::format("{} cannot be read", printable(path)));
  thread_local std::string buffer(read_bytes, '\0');
  auto left = static_cast<uint64_t>(before.st_size);
  while (true) {
    auto n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, fmt::format("{} cannot be read", printable(path)));
    if (static_cast<uint64_t>(n) > left)
      return changed(fmt::format("it had {} bytes and has more", before.st_size));
    if (n > 0) TROUPE_TRY(intake.write({buffer.data(), static_cast<size_t>(n)}));
    left -= static_cast<uint64_t>(n);
    // A file that got longer is noticed by its size below: no need to read on to its end.
    if (n == 0 || left == 0) break;
  }
  if (left != 0) return changed(fmt::format("it had {} bytes and has less", before.st_size));
  if (::fstat(fd, &after) != 0)
    return errno_error(errno, fmt::format("{} cannot be read", printable(path)));
  if (!same_file(before, after)) return changed("its size or times are others than before");
  return ok();
}

Result<Imported> import_path(const std::string& path, const ImportOptions& options,
                             BlockSink& sink) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    return errno_error(errno, fmt::format("{} cannot be read", printable(path)),
                       "name a file or folder that exists");
  auto name = std::filesystem::path{path}.filename().string();
  auto kind = options.kind;
  if (kind == SourceKind::automatic)
    kind = S_ISDIR(info.st_mode)   ? SourceKind::folder
           : is_archive_name(name) ? SourceKind::archive
                                   : SourceKind::file;
  Intake intake{options, sink};
  TROUPE_TRY(kind == SourceKind::folder    ? import_folder(intake, path)
             : kind == SourceKind::archive ? import_archive(intake, path)
                                           : import_one_file(intake, path, name));
  return intake.finish();
}

}  // namespace troupe::dataset
