// Archives and packed files, read by libarchive as a stream. It parses what anybody may have
// written; what it says of names, kinds and sizes is checked here.
#include "runtime/core/units.hpp"
#include "storage/dataset/archive_library.hpp"
#include "storage/dataset/entry_path.hpp"
#include "storage/dataset/intake.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unistd.h>

namespace troupe::dataset {

namespace {

constexpr size_t read_bytes = 256u << 10;
// A dataset may well be a gigabyte of zeros in a small file. Beyond that, more than 200 bytes out
// of one are no data anybody collected.
constexpr uint64_t bomb_bytes = 1ull << 30, bomb_ratio = 200;

/// An archive being read, with the library that reads it.
class Reader {
 public:
  explicit Reader(const ArchiveLibrary& library)
      : library_{library}, archive_{library.archive_read_new()} {}
  ~Reader() { library_.archive_read_free(archive_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  const ArchiveLibrary* operator->() const { return &library_; }
  archive* get() const { return archive_; }

 private:
  const ArchiveLibrary& library_;
  archive* archive_;
};

Error unreadable(const std::string& path, const Reader& reader) {
  const char* text = reader->archive_error_string(reader.get());
  return {Errc::invalid, fmt::format("{} cannot be unpacked", printable(path)),
          text == nullptr ? std::string{"it is damaged or of an unknown kind"} : printable(text),
          "check that it is whole (tar -tf, unzip -t), or unpack it and push the folder"};
}

Error refused_entry(const std::string& archive_path, std::string_view entry, std::string detail) {
  return {Errc::invalid,
          fmt::format("{} in {} cannot be in a dataset", printable(entry), printable(archive_path)),
          std::move(detail), "unpack the archive, remove the entry, and push the folder"};
}

/// Not "all" of libarchive's: some of those start programs.
void support_filters(const Reader& reader) {
  reader->archive_read_support_filter_gzip(reader.get());
  reader->archive_read_support_filter_bzip2(reader.get());
  reader->archive_read_support_filter_xz(reader.get());
  reader->archive_read_support_filter_zstd(reader.get());
  reader->archive_read_support_filter_lz4(reader.get());
}

/// Copies the bytes of the current entry into the intake's open file.
Result<void> copy_data(Intake& intake, const Reader& reader, const std::string& path,
                       uint64_t& total) {
  thread_local std::string buffer(read_bytes, '\0');
  while (true) {
    auto n = reader->archive_read_data(reader.get(), buffer.data(), buffer.size());
    if (n == ARCHIVE_RETRY) continue;
    if (n < 0) return unreadable(path, reader);
    if (n == 0) return ok();
    total += static_cast<uint64_t>(n);
    auto packed =
        static_cast<uint64_t>(std::max<int64_t>(reader->archive_filter_bytes(reader.get(), -1), 1));
    if (total > bomb_bytes && total / bomb_ratio > packed)
      return Error{Errc::refused, fmt::format("{} was not unpacked to its end", printable(path)),
                   fmt::format("{} came out of {}: it may be made to fill disks", bytes_text(total),
                               bytes_text(packed)),
                   "if it is what you want, unpack it yourself and push the folder"};
    TROUPE_TRY(intake.write({buffer.data(), static_cast<size_t>(n)}));
  }
}

/// The name as it stands in the archive; libarchive gives none where it cannot convert one.
std::string name_in(const Reader& reader, archive_entry* entry) {
  const char* name = reader->archive_entry_pathname(entry);
  if (name == nullptr) name = reader->archive_entry_pathname_utf8(entry);
  return name == nullptr ? std::string{} : std::string{name};
}

Result<void> take_entry(Intake& intake, const Reader& reader, archive_entry* entry,
                        const std::string& archive_path, uint64_t& total) {
  auto name = name_in(reader, entry);
  std::string_view path = name;
  while (path.starts_with("./")) path.remove_prefix(2);
  auto type = reader->archive_entry_filetype(entry);
  bool is_folder = type == AE_IFDIR;
  while (is_folder && path.ends_with('/')) path.remove_suffix(1);
  if (is_folder && (path.empty() || path == ".")) return ok();
  if (auto good = check_entry_path(path); !good) {
    auto error = good.error();
    error.what =
        fmt::format("{} in {} cannot be in a dataset", printable(name), printable(archive_path));
    return error;
  }
  if (reader->archive_entry_hardlink(entry) != nullptr || type == AE_IFLNK)
    return refused_entry(archive_path, path, "it is a link");
  if (is_folder) return intake.packer().add_directory(path);
  if (type != AE_IFREG)
    return refused_entry(archive_path, path, "it is a device, a socket or a pipe");
  if (reader->archive_entry_is_encrypted(entry) != 0)
    return refused_entry(archive_path, path, "it is encrypted");
  TROUPE_TRY(intake.begin_file(path, (reader->archive_entry_perm(entry) & 0100) != 0));
  TROUPE_TRY(copy_data(intake, reader, archive_path, total));
  return intake.end_file();
}

}  // namespace

Result<void> import_archive(Intake& intake, const std::string& path) {
  auto library = archive_library();
  if (!library) return std::move(library).error();
  Reader reader{**library};
  support_filters(reader);
  reader->archive_read_support_format_tar(reader.get());
  reader->archive_read_support_format_zip(reader.get());
  if (reader->archive_read_open_filename(reader.get(), path.c_str(), read_bytes) != ARCHIVE_OK)
    return unreadable(path, reader);
  uint64_t total = 0;
  while (true) {
    archive_entry* entry = nullptr;
    int code = reader->archive_read_next_header(reader.get(), &entry);
    if (code == ARCHIVE_EOF) return ok();
    if (code == ARCHIVE_RETRY) continue;
    // A warning may be a name that could not be converted: take_entry looks at what there is.
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return unreadable(path, reader);
    TROUPE_TRY(take_entry(intake, reader, entry, path, total));
  }
}

Result<void> unpack_file_into(Intake& intake, int fd, const std::string& path) {
  auto library = archive_library();
  if (!library) return std::move(library).error();
  Reader reader{**library};
  support_filters(reader);
  reader->archive_read_support_format_raw(reader.get());
  reader->archive_read_support_format_empty(reader.get());
  archive_entry* entry = nullptr;
  if (reader->archive_read_open_fd(reader.get(), fd, read_bytes) != ARCHIVE_OK)
    return unreadable(path, reader);
  int code = reader->archive_read_next_header(reader.get(), &entry);
  if (code == ARCHIVE_EOF) return ok();
  if (code != ARCHIVE_OK) return unreadable(path, reader);
  uint64_t total = 0;
  return copy_data(intake, reader, path, total);
}

bool is_archive_name(std::string_view name) {
  constexpr std::array<std::string_view, 11> endings{".tar",      ".tar.gz", ".tgz",    ".tar.bz2",
                                                     ".tbz2",     ".tar.xz", ".txz",    ".tar.zst",
                                                     ".tar.zstd", ".zip",    ".tar.lz4"};
  return std::any_of(endings.begin(), endings.end(),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

std::string_view unpacked_name(std::string_view name) {
  if (is_archive_name(name)) return {};
  for (std::string_view ending : {".gz", ".bz2", ".xz", ".zst"})
    if (name.ends_with(ending) && name_of(name).size() > ending.size())
      return name.substr(0, name.size() - ending.size());
  return {};
}

}  // namespace troupe::dataset
