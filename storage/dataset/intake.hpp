// What all importers share: bytes of one file after the other on their way to the packer, looked
// through for records as they pass. One thread.
#pragma once

#include "storage/dataset/import.hpp"
#include "storage/dataset/record_scanner.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::dataset {

class Intake {
 public:
  Intake(const ImportOptions& options, BlockSink& sink)
      : options_{options},
        packer_{{.block_log2 = options.block_log2, .former = options.former}, sink} {}

  const ImportOptions& options() const { return options_; }
  Packer& packer() { return packer_; }
  Result<void> begin_file(std::string_view path, bool executable);
  Result<void> write(std::string_view bytes);
  Result<void> end_file();
  void note(std::string text);
  Result<Imported> finish();

 private:
  const ImportOptions& options_;
  Packer packer_;
  std::string path_;
  std::unique_ptr<RecordScanner> scanner_;
  uint64_t untold_ = 0;  // bytes since progress was told
  std::vector<std::string> notes_;
};

/// Reads `fd` from its beginning to its end into the intake's open file. conflict where the file is
/// not the same before and behind it.
Result<void> read_file_into(Intake& intake, int fd, const std::string& path);
/// The same for the bytes that are compressed in it (gzip, bzip2, xz, zstd).
Result<void> unpack_file_into(Intake& intake, int fd, const std::string& path);
Result<void> import_folder(Intake& intake, const std::string& path);
Result<void> import_archive(Intake& intake, const std::string& path);

/// Whether a name is that of an archive: .tar, .tar.gz, .tgz, .zip, ...
bool is_archive_name(std::string_view name);
/// "a" of "a.gz"; empty where the name is of no packed file.
std::string_view unpacked_name(std::string_view name);

}  // namespace troupe::dataset
