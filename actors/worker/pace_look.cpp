#include "actors/worker/pace_look.hpp"

#include "gpu/comm/pace.hpp"
#include "runtime/core/fd.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace troupe::actors {

std::vector<RankPace> PaceLook::due(std::chrono::nanoseconds now) {
  std::vector<RankPace> paces;
  if (now - last_ < std::chrono::seconds{1}) return paces;
  last_ = now;
  auto fd = open_file(path_, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return paces;
  std::string bytes(told_.size() * sizeof(comm::PaceRecord), 0);
  auto n = ::pread(fd->get(), bytes.data(), bytes.size(), 0);
  if (n <= 0) return paces;
  bytes.resize(static_cast<size_t>(n));
  auto in_us = [](auto time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  };
  for (uint32_t local = 0; local < told_.size(); ++local) {
    auto seen = comm::seen_pace(bytes, local);
    if (!seen || seen->calls == told_[local]) continue;
    told_[local] = seen->calls;
    paces.push_back(
        {first_rank_ + local, seen->calls, static_cast<uint64_t>(in_us(seen->waited)), in_us(now)});
  }
  return paces;
}

}  // namespace troupe::actors
