// Writing a version out as plain files.
#include "runtime/core/fd.hpp"
#include "storage/beneath.hpp"
#include "storage/dataset/mount.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::dataset {

namespace {

Error cannot(const Entry& entry, int number) {
  return errno_error(number, fmt::format("{} cannot be written out", entry.path));
}

Result<void> write_file(const SealedFile& file, const Entry& entry, int root) {
  auto fd = storage::open_beneath(root, entry.path, O_WRONLY | O_CREAT | O_EXCL,
                                  storage::Beneath::automatic, entry.executable ? 0755 : 0644);
  if (!fd) return std::move(fd).error();
  const auto& manifest = file.manifest();
  auto count = manifest.piece_count(entry.content);
  std::string ids;
  for (uint32_t i = 0; i < count; ++i) {
    auto piece = file.piece(entry.content, i);
    ids += content_id_of(piece).view();
    TROUPE_TRY(write_all(fd->get(), piece));
  }
  auto expected = entry.content.id.view();
  auto whole = content_id_of(ids);
  if (count == 0 || (count == 1 ? std::string_view{ids} : whole.view()) == expected) return ok();
  return Error{Errc::corrupt, fmt::format("{} cannot be written out", entry.path),
               "its bytes have rotted on this node",
               "check the version (fsck), remove it from the node and use it again"};
}

}  // namespace

Result<void> export_tree(const SealedFile& file, const std::string& target) {
  if (::mkdir(target.c_str(), 0755) != 0)
    return errno_error(errno, fmt::format("folder {} cannot be made", target));
  auto write = [&]() -> Result<void> {
    auto root = open_file(target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!root) return std::move(root).error();
    for (const auto& entry : file.manifest().entries) {
      if (!entry.is_directory) {
        TROUPE_TRY(write_file(file, entry, root->get()));
      } else if (::mkdirat(root->get(), entry.path.c_str(), 0755) != 0) {
        // A plain mkdirat: the tree is new, and nothing of it can be a link.
        return cannot(entry, errno);
      }
    }
    return ok();
  };
  auto written = write();
  if (written) return ok();
  if (auto removed = remove_tree(target); !removed) return std::move(removed).error();
  return written;
}

}  // namespace troupe::dataset
