// fsck of one sealed version.
#include "storage/dataset/entry_path.hpp"
#include "storage/dataset/erofs_image.hpp"
#include "storage/dataset/seal_pages.hpp"
#include "storage/dataset/sealed_file.hpp"
#include "storage/dataset/sealed_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::dataset {

namespace {

Result<void> read_at(int fd, uint64_t offset, std::string& to, const std::string& path) {
  for (size_t done = 0; done < to.size();) {
    auto n = ::pread(fd, to.data() + done, to.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return errno_error(n < 0 ? errno : EIO, fmt::format("{} cannot be read", path));
    done += static_cast<size_t>(n);
  }
  return ok();
}

/// Finds the good blocks; of all pages that are in none, the digest of the tree is taken.
Result<void> check_blocks(const SealedPaths& paths, const Manifest& manifest, SealedCheck& check) {
  auto fd = open_file(paths.blocks(), O_RDONLY);
  if (!fd) return std::move(fd).error();
  // From the disk, as far as nobody has it mapped: what the memory still has says nothing of it.
  (void)::posix_fadvise(fd->get(), 0, 0, POSIX_FADV_DONTNEED);
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0)
    return errno_error(errno, fmt::format("{} cannot be read", paths.blocks()));
  std::vector<bool> good(manifest.blocks.size());
  auto pages = static_cast<uint64_t>(info.st_size) / limits::page_bytes;
  std::string payload;
  auto use = [&](const BlockRun& run) -> Result<bool> {
    auto number = run.head.block;
    if (number >= good.size() || run.head.id != manifest.blocks[number].id ||
        run.head.pages != manifest.blocks[number].pages)
      return false;
    payload.resize(manifest.blocks[number].bytes());
    TROUPE_TRY(read_at(fd->get(), (run.page + 1) * limits::page_bytes, payload, paths.blocks()));
    if (content_id_of(payload) == run.head.id) good[number] = true;
    return true;
  };
  TROUPE_TRY(scan_pages(fd->get(), pages, paths.blocks(), use, [](uint64_t, std::string_view) {}));
  for (uint32_t i = 0; i < good.size(); ++i)
    if (!good[i]) check.damaged.push_back(i);
  auto bytes = read_file(paths.seal(), 1u << 30);
  if (!bytes) {
    check.others.push_back(to_string(bytes.error()));
    return ok();
  }
  auto seal = seal_from(*bytes, paths.seal());
  if (!seal) {
    check.others.push_back(seal.error().what);
    return ok();
  }
  if (seal->pages != pages)
    check.others.push_back(
        fmt::format("{} has {} pages instead of {}", paths.blocks(), pages, seal->pages));
  std::string tree;
  std::string page(limits::page_bytes, '\0');
  for (auto number : seal->tree_pages) {
    if (number >= pages) break;
    TROUPE_TRY(read_at(fd->get(), number * limits::page_bytes, page, paths.blocks()));
    tree += page;
  }
  if (content_id_of(tree) != seal->tree_id)
    check.others.push_back(fmt::format("the index of {} is damaged", paths.blocks()));
  return ok();
}

/// The image is what it would be if it were made now; without a whole index nobody can say.
void check_image(const SealedPaths& paths, const Manifest& manifest, SealedCheck& check) {
  auto file = SealedFile::open(paths.folder);
  if (!file) return;
  auto expected = erofs_image({manifest, [&](uint32_t b) { return (*file)->payload_page(b); },
                               [&](uint32_t b) { return (*file)->block(b); },
                               (*file)->blocks_file_bytes(), (*file)->version()});
  if (!expected) return;
  auto image = read_file(paths.image(), expected->size());
  if (!image || *image != *expected)
    check.others.push_back(fmt::format("{} is damaged", paths.image()));
}

void name_files(const Manifest& manifest, SealedCheck& check) {
  std::vector<bool> damaged(manifest.blocks.size());
  for (auto block : check.damaged) damaged[block] = true;
  auto touched = [&](const Content& content) {
    for (uint32_t i = 0; i < manifest.piece_count(content); ++i)
      if (damaged[manifest.pieces[content.first_piece + i].block]) return true;
    return false;
  };
  for (const auto& entry : manifest.entries)
    if (!entry.is_directory && touched(entry.content)) check.paths.push_back(entry.path);
  for (const auto& table : manifest.tables) {
    const auto& path = manifest.entries[table.entry].path;
    if (table.stride == 0 && touched(table.lengths) &&
        !std::binary_search(check.paths.begin(), check.paths.end(), path))
      check.others.push_back(fmt::format("the list of records of {} is damaged", path));
  }
}

}  // namespace

Result<SealedCheck> check_sealed(const std::string& folder) {
  SealedPaths paths{folder};
  auto bytes = read_file(paths.manifest(), limits::manifest_bytes_max);
  if (!bytes) return std::move(bytes).error();
  auto manifest = parse_manifest(*bytes);
  if (!manifest || to_string(content_id_of(*bytes)) != name_of(folder))
    return Error{Errc::corrupt, fmt::format("{} is damaged", paths.manifest()),
                 "its digest is not the name of the folder",
                 "remove this version from the node; it is filled again when it is needed"};
  SealedCheck check;
  TROUPE_TRY(check_blocks(paths, *manifest, check));
  check_image(paths, *manifest, check);
  name_files(*manifest, check);
  return check;
}

}  // namespace troupe::dataset
