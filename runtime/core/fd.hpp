// Files and descriptors: an owner, and whole-file reads and writes that report errors as values.
#pragma once

#include "runtime/core/result.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace troupe {

/// Owns one file descriptor and closes it.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_{fd} {}
  UniqueFd(UniqueFd&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

/// Opens with O_CLOEXEC added.
Result<UniqueFd> open_file(const std::string& path, int flags, unsigned mode = 0644);
Result<void> write_all(int fd, std::string_view bytes);
/// At most `bytes_max`; more is an error.
Result<std::string> read_file(const std::string& path, size_t bytes_max = 64u << 20);
/// Written beside and renamed into place; with `durable`, the file and its folder are synced before
/// this returns.
Result<void> replace_file(const std::string& path, std::string_view bytes, unsigned mode = 0644,
                          bool durable = true);
/// The folder and all above it; those that exist are left as they are.
Result<void> make_dirs(const std::string& path, unsigned mode = 0755);
/// The folder with all in it; one that is not there is no error. Never follows links.
Result<void> remove_tree(const std::string& path);

}  // namespace troupe
