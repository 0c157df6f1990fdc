#include "storage/dataset/archive_library.hpp"

#include "runtime/core/loaded_library.hpp"

#include <string>

namespace troupe::dataset {

namespace {

struct Loaded {
  ArchiveLibrary functions{};
  std::string problem;  // empty: it is there
};

Loaded load() {
  Loaded loaded;
  LoadedLibrary library{{"libarchive.so.13"}};
#define TROUPE_FIND(name) library.find(#name, loaded.functions.name)
  TROUPE_FIND(archive_read_new);
  TROUPE_FIND(archive_read_free);
  TROUPE_FIND(archive_error_string);
  TROUPE_FIND(archive_filter_bytes);
  TROUPE_FIND(archive_read_data);
  TROUPE_FIND(archive_read_next_header);
  TROUPE_FIND(archive_read_open_fd);
  TROUPE_FIND(archive_read_open_filename);
  TROUPE_FIND(archive_read_support_filter_bzip2);
  TROUPE_FIND(archive_read_support_filter_gzip);
  TROUPE_FIND(archive_read_support_filter_lz4);
  TROUPE_FIND(archive_read_support_filter_xz);
  TROUPE_FIND(archive_read_support_filter_zstd);
  TROUPE_FIND(archive_read_support_format_empty);
  TROUPE_FIND(archive_read_support_format_raw);
  TROUPE_FIND(archive_read_support_format_tar);
  TROUPE_FIND(archive_read_support_format_zip);
  TROUPE_FIND(archive_entry_filetype);
  TROUPE_FIND(archive_entry_hardlink);
  TROUPE_FIND(archive_entry_is_encrypted);
  TROUPE_FIND(archive_entry_pathname);
  TROUPE_FIND(archive_entry_pathname_utf8);
  TROUPE_FIND(archive_entry_perm);
#undef TROUPE_FIND
  loaded.problem = library.problem();
  return loaded;
}

}  // namespace

Result<const ArchiveLibrary*> archive_library() {
  static const Loaded loaded = load();
  if (loaded.problem.empty()) return &loaded.functions;
  return Error{Errc::unavailable, "archives and packed files cannot be read here", loaded.problem,
               "install libarchive13, or unpack it and push the folder"};
}

}  // namespace troupe::dataset
