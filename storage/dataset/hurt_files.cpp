#include "storage/dataset/hurt_files.hpp"

namespace troupe::dataset {

std::vector<std::string> hurt_files(const Manifest& manifest,
                                    const std::function<bool(uint32_t block)>& is_bad, size_t most,
                                    uint64_t& beyond) {
  auto touched = [&](const Content& content) {
    for (uint32_t i = 0; i < manifest.piece_count(content); ++i)
      if (is_bad(manifest.pieces[content.first_piece + i].block)) return true;
    return false;
  };
  std::vector<bool> hurt(manifest.entries.size());
  for (size_t i = 0; i < hurt.size(); ++i)
    hurt[i] = !manifest.entries[i].is_directory && touched(manifest.entries[i].content);
  for (const auto& table : manifest.tables)
    if (table.stride == 0 && touched(table.lengths)) hurt[table.entry] = true;
  std::vector<std::string> paths;
  beyond = 0;
  for (size_t i = 0; i < hurt.size(); ++i) {
    if (!hurt[i]) continue;
    if (paths.size() < most)
      paths.push_back(manifest.entries[i].path);
    else
      ++beyond;
  }
  return paths;
}

}  // namespace troupe::dataset
