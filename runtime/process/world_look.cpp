#include "runtime/process/world_look.hpp"

#include "runtime/core/fd.hpp"
#include "runtime/process/children.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace troupe::process {

namespace {

constexpr size_t file_bytes_max = 16u << 20;
constexpr size_t processes_max = 4096;

template <class Take>
void each_word(std::string_view text, char end, Take take) {
  while (!text.empty()) {
    auto at = text.find(end);
    take(text.substr(0, at));
    if (at == std::string_view::npos) return;
    text.remove_prefix(at + 1);
  }
}

/// Its launcher has told it its world, by variables of its own.
bool was_launched_by_mpi(int32_t pid) {
  auto text = read_file(fmt::format("/proc/{}/environ", pid), file_bytes_max);
  if (!text) return true;  // not ours to judge
  bool launched = false;
  each_word(*text, '\0', [&](std::string_view variable) {
    launched = launched || variable.starts_with("OMPI_COMM_WORLD_SIZE=") ||
               variable.starts_with("PMIX_RANK=") || variable.starts_with("PMI_FD=") ||
               variable.starts_with("PMI_PORT=");
  });
  return launched;
}

/// A line of /proc/net/tcp: "  0: 0100007F:4E20 00000000:0000 0A ...", the state 0A: it listens.
bool somebody_listens(const char* table, uint16_t port) {
  auto text = read_file(table, file_bytes_max);
  if (!text) return false;
  auto wanted = fmt::format(":{:04X}", port);
  bool found = false;
  each_word(*text, '\n', [&](std::string_view line) {
    auto own = line.find(": ");
    if (own == std::string_view::npos) return;
    auto rest = line.substr(own + 2);
    auto local = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), local.size() + 1));
    auto state = rest.find(' ');
    found = found || (local.ends_with(wanted) && state != std::string_view::npos &&
                      rest.substr(state + 1, 2) == "0A");
  });
  return found;
}

}  // namespace

WorldLook look_at_world(const std::vector<int32_t>& pids, uint16_t port) {
  WorldLook look;
  look.listens =
      somebody_listens("/proc/net/tcp", port) || somebody_listens("/proc/net/tcp6", port);
  auto all = pids;
  for (size_t i = 0; i < all.size(); ++i) {
    for (auto child : children_of(all[i]))
      if (all.size() < processes_max) all.push_back(child);
    auto maps = read_file(fmt::format("/proc/{}/maps", all[i]), file_bytes_max);
    if (!maps) continue;
    look.torch = look.torch || maps->find("/libtorch") != std::string::npos;
    bool mpi = maps->find("/libmpi.so") != std::string::npos ||
               maps->find("/libmpich.so") != std::string::npos;
    look.mpi = look.mpi || (mpi && !was_launched_by_mpi(all[i]));
  }
  return look;
}

}  // namespace troupe::process
