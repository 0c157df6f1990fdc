// Archives for tests, well meant and not.
#pragma once

#include <gtest/gtest.h>

#include <archive.h>
#include <archive_entry.h>
#include <functional>
#include <string>

namespace troupe::dataset {

class ArchiveWriter {
 public:
  /// Format and compression by the name.
  explicit ArchiveWriter(const std::string& path) : archive_{archive_write_new()} {
    if (path.ends_with(".zip"))
      archive_write_set_format_zip(archive_);
    else
      archive_write_set_format_pax_restricted(archive_);
    if (path.ends_with(".gz")) archive_write_add_filter_gzip(archive_);
    if (path.ends_with(".xz")) archive_write_add_filter_xz(archive_);
    if (path.ends_with(".zst")) archive_write_add_filter_zstd(archive_);
    EXPECT_EQ(archive_write_open_filename(archive_, path.c_str()), ARCHIVE_OK);
  }
  ~ArchiveWriter() { close(); }
  ArchiveWriter(const ArchiveWriter&) = delete;
  ArchiveWriter& operator=(const ArchiveWriter&) = delete;

  void file(const std::string& path, const std::string& bytes, bool executable) {
    add(path, AE_IFREG, executable ? 0755 : 0644, bytes, {});
  }
  void folder(const std::string& path) { add(path, AE_IFDIR, 0755, "", {}); }
  void device(const std::string& path) { add(path, AE_IFCHR, 0644, "", {}); }
  void link(const std::string& path, const std::string& to) {
    add(path, AE_IFLNK, 0777, "",
        [&](archive_entry* e) { archive_entry_set_symlink(e, to.c_str()); });
  }
  void hard_link(const std::string& path, const std::string& to) {
    add(path, AE_IFREG, 0644, "",
        [&](archive_entry* e) { archive_entry_set_hardlink(e, to.c_str()); });
  }
  void close() {
    if (archive_ != nullptr) archive_write_free(archive_);
    archive_ = nullptr;
  }

 private:
  void add(const std::string& path, unsigned type, unsigned mode, const std::string& bytes,
           const std::function<void(archive_entry*)>& more) {
    auto* entry = archive_entry_new();
    archive_entry_set_pathname(entry, path.c_str());
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, static_cast<mode_t>(mode));
    archive_entry_set_size(entry, static_cast<la_int64_t>(bytes.size()));
    if (more) more(entry);
    EXPECT_GE(archive_write_header(archive_, entry), ARCHIVE_WARN)
        << archive_error_string(archive_);
    if (!bytes.empty()) archive_write_data(archive_, bytes.data(), bytes.size());
    archive_entry_free(entry);
  }
  archive* archive_;
};

inline std::string gzip_of(const std::string& bytes) {
  std::string packed(bytes.size() + 4096, '\0');
  size_t used = 0;
  auto* writer = archive_write_new();
  archive_write_set_format_raw(writer);
  archive_write_add_filter_gzip(writer);
  EXPECT_EQ(archive_write_open_memory(writer, packed.data(), packed.size(), &used), ARCHIVE_OK);
  auto* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_write_header(writer, entry);
  archive_write_data(writer, bytes.data(), bytes.size());
  archive_entry_free(entry);
  archive_write_close(writer);
  archive_write_free(writer);
  packed.resize(used);
  return packed;
}

}  // namespace troupe::dataset
