#include "runtime/process/children.hpp"

#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <charconv>
#include <dirent.h>
#include <memory>
#include <string_view>

namespace troupe::process {

namespace {

constexpr size_t children_bytes_max = 1u << 20;

void add_children(pid_t pid, std::string_view thread, std::vector<pid_t>& out) {
  auto text = read_file(fmt::format("/proc/{}/task/{}/children", pid, thread), children_bytes_max);
  if (!text) return;
  for (const char *p = text->data(), *end = p + text->size(); p < end; ++p) {
    pid_t child = 0;
    p = std::from_chars(p, end, child).ptr;
    if (child > 0) out.push_back(child);
  }
}

}  // namespace

std::vector<pid_t> children_of_first_thread(pid_t pid) {
  std::vector<pid_t> children;
  add_children(pid, fmt::to_string(pid), children);
  return children;
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  auto path = fmt::format("/proc/{}/task", pid);
  std::unique_ptr<DIR, int (*)(DIR*)> threads{::opendir(path.c_str()), ::closedir};
  if (!threads) return children;
  while (const auto* thread = ::readdir(threads.get()))
    if (thread->d_name[0] != '.') add_children(pid, thread->d_name, children);
  return children;
}

}  // namespace troupe::process
