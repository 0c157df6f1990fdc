// A folder as it stands: names in the order of their bytes, no links followed.
#include "runtime/core/fd.hpp"
#include "storage/beneath.hpp"
#include "storage/dataset/entry_path.hpp"
#include "storage/dataset/intake.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::dataset {

namespace {

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

struct Child {
  std::string name;
  unsigned char type;
};

Error cannot_read(const std::string& path, int number) {
  return errno_error(number, fmt::format("{} cannot be read", printable(path)),
                     "give whoever pushes the right to read it, or leave it out");
}

Result<std::vector<Child>> children_of(int folder, const std::string& path) {
  std::unique_ptr<DIR, CloseDir> dir{::fdopendir(::fcntl(folder, F_DUPFD_CLOEXEC, 0))};
  if (!dir) return cannot_read(path, errno);
  std::vector<Child> children;
  while (true) {
    errno = 0;
    const auto* entry = ::readdir(dir.get());
    if (entry == nullptr) {
      if (errno != 0) return cannot_read(path, errno);
      break;
    }
    std::string name = entry->d_name;
    if (name != "." && name != "..") children.push_back({std::move(name), entry->d_type});
  }
  std::sort(children.begin(), children.end(),
            [](const Child& a, const Child& b) { return a.name < b.name; });
  return children;
}

class Walk {
 public:
  Walk(Intake& intake, const std::string& root) : intake_{intake}, root_{root} {}

  Result<void> folder(int fd, const std::string& path) {
    auto children = children_of(fd, shown(path));
    if (!children) return std::move(children).error();
    for (const auto& child : *children) {
      const auto& only = intake_.options().only;
      if (path.empty() && !only.empty() && child.name != only) continue;
      auto below = path.empty() ? child.name : path + "/" + child.name;
      TROUPE_TRY(check_entry_path(below));
      TROUPE_TRY(one(fd, child, below));
    }
    return ok();
  }

  /// Those that lie in blocks that are mostly empty now are read once more.
  Result<void> tidy_up(int root) {
    for (const auto& path : intake_.packer().scattered()) {
      auto fd = storage::open_beneath(root, path, O_RDONLY | O_NONBLOCK);
      if (!fd) continue;  // it came from a packed file: it stays where it is
      TROUPE_TRY(intake_.packer().pack_again(path));
      TROUPE_TRY(read_file_into(intake_, fd->get(), shown(path)));
      TROUPE_TRY(intake_.packer().end_file());
    }
    return ok();
  }

 private:
  std::string shown(const std::string& path) const {
    return path.empty() ? root_ : root_ + "/" + path;
  }

  Result<void> one(int at, const Child& child, const std::string& path) {
    if (child.type == DT_LNK) return odd(is_link(path));
    // O_NONBLOCK: a pipe must not hold us up.
    UniqueFd fd{::openat(at, child.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
    if (!fd) {
      if (errno == ELOOP) return odd(is_link(path));
      if (errno == ENXIO || errno == ENODEV) return odd(is_special(path));
      return cannot_read(shown(path), errno);
    }
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return cannot_read(shown(path), errno);
    if (S_ISDIR(info.st_mode)) {
      TROUPE_TRY(intake_.packer().add_directory(path));
      return folder(fd.get(), path);
    }
    if (!S_ISREG(info.st_mode)) return odd(is_special(path));
    auto inner = intake_.options().unpack ? unpacked_name(path) : std::string_view{};
    TROUPE_TRY(intake_.begin_file(inner.empty() ? path : inner, (info.st_mode & 0100) != 0));
    TROUPE_TRY(inner.empty() ? read_file_into(intake_, fd.get(), shown(path))
                             : unpack_file_into(intake_, fd.get(), shown(path)));
    return intake_.end_file();
  }

  Result<void> odd(Error error) {
    if (!intake_.options().leave_out_odd) return error;
    intake_.note(fmt::format("{}: {}; it was left out", error.what, error.detail));
    return ok();
  }
  Error is_link(const std::string& path) const {
    return {Errc::invalid, fmt::format("{} cannot be in a dataset", printable(shown(path))),
            "it is a link, and what it leads to may be elsewhere or change",
            "put a copy of the file in its place (cp -L), or remove the link"};
  }
  Error is_special(const std::string& path) const {
    return {Errc::invalid, fmt::format("{} cannot be in a dataset", printable(shown(path))),
            "it is a device, a socket or a pipe", "remove it from the folder"};
  }

  Intake& intake_;
  const std::string& root_;
};

}  // namespace

Result<void> import_folder(Intake& intake, const std::string& path) {
  auto root = open_file(path, O_RDONLY | O_DIRECTORY);
  if (!root) return std::move(root).error();
  Walk walk{intake, path};
  TROUPE_TRY(walk.folder(root->get(), ""));
  return walk.tidy_up(root->get());
}

}  // namespace troupe::dataset
