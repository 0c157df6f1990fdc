// libarchive, loaded when the first archive is read: it brings a dozen libraries along, and every
// start of every command would pay for them. Any thread.
#pragma once

#include "runtime/core/result.hpp"

#include <archive.h>
#include <archive_entry.h>

namespace troupe::dataset {

/// The functions that are used, under their own names.
struct ArchiveLibrary {
  decltype(&::archive_read_new) archive_read_new;
  decltype(&::archive_read_free) archive_read_free;
  decltype(&::archive_error_string) archive_error_string;
  decltype(&::archive_filter_bytes) archive_filter_bytes;
  decltype(&::archive_read_data) archive_read_data;
  decltype(&::archive_read_next_header) archive_read_next_header;
  decltype(&::archive_read_open_fd) archive_read_open_fd;
  decltype(&::archive_read_open_filename) archive_read_open_filename;
  decltype(&::archive_read_support_filter_bzip2) archive_read_support_filter_bzip2;
  decltype(&::archive_read_support_filter_gzip) archive_read_support_filter_gzip;
  decltype(&::archive_read_support_filter_lz4) archive_read_support_filter_lz4;
  decltype(&::archive_read_support_filter_xz) archive_read_support_filter_xz;
  decltype(&::archive_read_support_filter_zstd) archive_read_support_filter_zstd;
  decltype(&::archive_read_support_format_empty) archive_read_support_format_empty;
  decltype(&::archive_read_support_format_raw) archive_read_support_format_raw;
  decltype(&::archive_read_support_format_tar) archive_read_support_format_tar;
  decltype(&::archive_read_support_format_zip) archive_read_support_format_zip;
  decltype(&::archive_entry_filetype) archive_entry_filetype;
  decltype(&::archive_entry_hardlink) archive_entry_hardlink;
  decltype(&::archive_entry_is_encrypted) archive_entry_is_encrypted;
  decltype(&::archive_entry_pathname) archive_entry_pathname;
  decltype(&::archive_entry_pathname_utf8) archive_entry_pathname_utf8;
  decltype(&::archive_entry_perm) archive_entry_perm;
};

/// Loaded at the first call, and for good. unavailable where this machine has none.
Result<const ArchiveLibrary*> archive_library();

}  // namespace troupe::dataset
