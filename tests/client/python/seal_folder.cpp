// seal_folder SOURCE DIR [BLOCK_LOG2]: imports a folder and seals it below DIR; prints the folder
// of the version.
#include "storage/dataset/block_store.hpp"
#include "storage/dataset/import.hpp"
#include "storage/dataset/sealed_writer.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

using namespace troupe;  // NOLINT: a program of one file

namespace {

Result<std::string> seal(const std::string& source, const std::string& dir, uint8_t block_log2) {
  auto store = dataset::BlockStore::open(dir);
  if (!store) return std::move(store).error();
  dataset::StoreSink sink{*store};
  auto imported = dataset::import_path(source, {.unpack = true, .block_log2 = block_log2}, sink);
  if (!imported) return std::move(imported).error();
  auto manifest = std::make_shared<const dataset::Manifest>(std::move(imported->manifest));
  auto writer = dataset::SealedWriter::begin(dir, manifest);
  if (!writer) return std::move(writer).error();
  TROUPE_TRY(dataset::fill(**writer, [&](uint32_t block, char* to) {
    return store->read(manifest->blocks[block].id, 0, to, manifest->blocks[block].bytes());
  }));
  auto paths = (*writer)->seal();
  if (!paths) return std::move(paths).error();
  return paths->folder;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  auto log2 =
      argc > 3 ? static_cast<uint8_t>(std::atoi(argv[3])) : dataset::limits::block_log2_default;
  auto folder = seal(argv[1], argv[2], log2);
  if (!folder) {
    fmt::print(stderr, "{}\n", to_string(folder.error()));
    return 1;
  }
  fmt::print("{}\n", *folder);
  return 0;
}
