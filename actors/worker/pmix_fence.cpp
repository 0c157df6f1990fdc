#include "actors/worker/pmix_fence.hpp"

#include "gpu/comm/store.hpp"

#include <fmt/format.h>

#include <utility>

namespace troupe::actors {

namespace {

constexpr std::chrono::milliseconds fence_step_max{500};
constexpr size_t piece_bytes = 512u << 10;  // below what the store takes as one text

}  // namespace

PmixFence::PmixFence(std::string key, std::vector<uint32_t> nodes, std::string own)
    : key_{std::move(key)}, nodes_{std::move(nodes)}, own_{std::move(own)} {}

Result<bool> PmixFence::step(const PmixWorld& world) {
  if (!world.store || nodes_.size() < 2) {
    all_ = own_;
    return true;
  }
  auto opened = comm::TcpStore::open(*world.store, world.secret, false,
                                     std::chrono::steady_clock::now() + fence_step_max);
  if (!opened) return std::move(opened).error();
  auto& store = **opened;
  auto piece_key = [&](uint32_t node, size_t piece) {
    return fmt::format("{}/{}/{}", key_, node, piece);
  };
  if (!told_) {
    // Each piece says whether another one follows, so that an empty one is told, too.
    for (size_t piece = 0;; ++piece) {
      auto part = own_.substr(piece * piece_bytes, piece_bytes);
      bool more = (piece + 1) * piece_bytes < own_.size();
      TROUPE_TRY(store.set(piece_key(world.node, piece), (more ? "+" : "=") + part));
      if (!more) break;
    }
    told_ = true;
  }
  for (; next_ < nodes_.size(); ++next_) {
    if (nodes_[next_] == world.node) {
      all_ += own_;
      continue;
    }
    std::string theirs;
    for (size_t piece = 0;; ++piece) {
      auto told = store.get(piece_key(nodes_[next_], piece));
      if (!told) return std::move(told).error();
      if (!*told || (**told).empty()) return false;
      theirs += (**told).substr(1);
      if ((**told)[0] == '=') break;
    }
    all_ += theirs;
  }
  return true;
}

}  // namespace troupe::actors
