// The blocks of a version that was packed from a folder, made again out of its files: whoever packs
// in order to pass blocks on need not keep them. Thread-safe.
#pragma once

#include "runtime/core/fd.hpp"
#include "storage/dataset/import.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe::dataset {

class FolderBlocks {
 public:
  /// Reads the folder once; links and what is no file are left out. Errors as of import_path.
  static Result<std::shared_ptr<FolderBlocks>> pack(const std::string& folder);
  /// The same for one file or folder in it alone, without a look for records.
  static Result<std::shared_ptr<FolderBlocks>> pack_one(const std::string& folder,
                                                        const std::string& name);

  const Manifest& manifest() const { return manifest_; }
  const std::vector<std::string>& notes() const { return notes_; }
  /// The payload. not_found for what is no block of it, conflict where a file is not as it was.
  Result<std::string> block(const ContentId& id);

 private:
  /// A piece of an entry's file or, for `lengths`, of what the entry's table says of its records.
  struct Part {
    uint32_t entry = 0;
    uint32_t number = 0;  // of the piece in its content
    uint32_t offset = 0;  // in the block's payload
    bool lengths = false;
  };

  FolderBlocks(Imported imported, UniqueFd root);
  static Result<std::shared_ptr<FolderBlocks>> pack_by(const std::string& folder,
                                                       ImportOptions options);
  Result<void> read_file(const Part& part, char* to, uint64_t count) const;
  Result<void> read_lengths(const Part& part, char* to, uint64_t count);

  Manifest manifest_;
  std::vector<std::string> notes_;
  UniqueFd root_;
  std::unordered_map<ContentId, uint32_t, ContentIdHash> numbers_;  // of the blocks
  std::vector<std::vector<Part>> parts_;                            // by block
  std::mutex mutex_;
  std::map<uint32_t, std::string> lengths_;  // by entry: read once more when they are asked for
};

}  // namespace troupe::dataset
