#include "gpu/comm/receipt.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

namespace troupe::comm {

namespace {

using Steady = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr size_t copy_bytes = 16u << 20;  // beyond what a core has to itself, little beside any job
constexpr size_t copies = 3;
constexpr size_t probe_bytes = 64u << 10, link_bytes_max = 16u << 20;
constexpr size_t large = (4u << 20) / sizeof(float), small = 1024 / sizeof(float);
// As long as each part may take: the sum is what a start waits.
constexpr Seconds link_time{0.02}, large_time{0.04}, small_time{0.01};
constexpr double shortest = 1e-9;

double seconds_since(Steady::time_point begin) {
  return std::max(Seconds{Steady::now() - begin}.count(), shortest);
}

uint64_t rate(size_t bytes, double seconds) {
  return static_cast<uint64_t>(static_cast<double>(bytes) / seconds);
}

double middle(std::vector<double> times) {
  auto half = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), half, times.end());
  return *half;
}

class Looker {
 public:
  explicit Looker(Communicator& ranks) : ranks_{ranks} {}

  uint64_t copy() {
    other_.assign(copy_bytes, std::byte{1});
    std::vector<double> times;
    for (size_t i = 0; i < copies; ++i) {
      auto begin = Steady::now();
      std::memcpy(data_.data(), other_.data(), copy_bytes);
      times.push_back(seconds_since(begin));
    }
    return rate(copy_bytes, *std::min_element(times.begin(), times.end()));
  }

  /// Each second rank sends, then the others; of an odd number the last by itself.
  Result<uint64_t> link() {
    auto size = ranks_.size(), rank = ranks_.rank();
    auto turn_of = [&](uint32_t sender) {
      return size % 2 != 0 && sender == size - 1 ? 2u : sender % 2;
    };
    auto before = (rank + size - 1) % size;
    uint64_t sent = 0;
    for (uint32_t turn = 0; turn < (size % 2 != 0 ? 3u : 2u); ++turn) {
      TROUPE_TRY(ranks_.barrier());
      if (turn_of(before) == turn) TROUPE_TRY(take(before));
      if (turn_of(rank) != turn) continue;
      auto measured = send((rank + 1) % size);
      if (!measured) return std::move(measured).error();
      sent = *measured;
    }
    TROUPE_TRY(ranks_.barrier());
    return sent;
  }

  /// Seconds of the median call.
  Result<double> all_reduce(size_t count, Seconds time, uint64_t calls_min, uint64_t calls_max) {
    std::vector<double> times;
    TROUPE_TRY(reduce(count));  // connects, and touches memory for the first time
    auto begin = Steady::now();
    TROUPE_TRY(reduce(count));
    auto wanted = static_cast<uint64_t>(time.count() / seconds_since(begin));
    auto calls = std::clamp(wanted, calls_min, calls_max);
    TROUPE_TRY(ranks_.broadcast(&calls, 1, DataType::uint64, 0));
    for (uint64_t call = 0; call < std::min(calls, calls_max); ++call) {
      begin = Steady::now();
      TROUPE_TRY(reduce(count));
      times.push_back(seconds_since(begin));
    }
    return middle(std::move(times));
  }

 private:
  Result<void> reduce(size_t count) {
    // Zeros: whatever the number of calls, the sum stays finite.
    sums_.resize(std::max(sums_.size(), count));
    return ranks_.all_reduce(sums_.data(), sums_.data(), count, DataType::float32, ReduceOp::sum);
  }

  /// The first tells how much the second can be: on a slow network it takes no longer.
  Result<uint64_t> send(uint32_t to) {
    auto first = message(probe_bytes, to);
    if (!first) return std::move(first).error();
    first = message(probe_bytes, to);
    if (!first) return std::move(first).error();
    auto wanted = probe_bytes / *first * link_time.count();
    uint64_t bytes = std::clamp(static_cast<size_t>(wanted), probe_bytes, link_bytes_max);
    TROUPE_TRY(ranks_.send(&bytes, 1, DataType::uint64, to));
    auto second = message(bytes, to);
    if (!second) return std::move(second).error();
    return rate(bytes, *second);
  }

  Result<double> message(size_t bytes, uint32_t to) {
    std::byte word{};
    auto begin = Steady::now();
    TROUPE_TRY(ranks_.send(data_.data(), bytes, DataType::uint8, to));
    TROUPE_TRY(ranks_.receive(&word, 1, DataType::uint8, to));
    return seconds_since(begin);
  }

  Result<void> take(uint32_t from) {
    uint64_t bytes = 0;
    TROUPE_TRY(answer(probe_bytes, from));
    TROUPE_TRY(answer(probe_bytes, from));
    TROUPE_TRY(ranks_.receive(&bytes, 1, DataType::uint64, from));
    return answer(std::min<uint64_t>(bytes, link_bytes_max), from);
  }

  Result<void> answer(size_t bytes, uint32_t from) {
    std::byte word{};
    TROUPE_TRY(ranks_.receive(data_.data(), bytes, DataType::uint8, from));
    return ranks_.send(&word, 1, DataType::uint8, from);
  }

  Communicator& ranks_;
  std::vector<std::byte> data_ = std::vector<std::byte>(copy_bytes), other_;
  std::vector<float> sums_;
};

}  // namespace

Result<ShortLook> look_briefly(Communicator& ranks) {
  constexpr uint64_t large_calls_max = 16, small_calls_max = 200;
  Looker looker{ranks};
  ShortLook look;
  look.copy = looker.copy();
  auto link = looker.link();
  if (!link) return std::move(link).error();
  look.link = *link;
  auto slowest = look.link;
  TROUPE_TRY(ranks.all_reduce(&slowest, &slowest, 1, DataType::uint64, ReduceOp::min));
  auto floats =
      static_cast<size_t>(static_cast<double>(slowest) * link_time.count()) / sizeof(float);
  floats = std::clamp(floats, probe_bytes / sizeof(float), large);
  auto reduced = looker.all_reduce(floats, large_time, 1, large_calls_max);
  if (!reduced) return std::move(reduced).error();
  double size = ranks.size();
  look.all_reduce = rate(floats * sizeof(float), *reduced * size / (2 * (size - 1)));
  auto latency = looker.all_reduce(small, small_time, 5, small_calls_max);
  if (!latency) return std::move(latency).error();
  look.latency_ns = static_cast<uint64_t>(*latency * 1e9);
  return look;
}

}  // namespace troupe::comm
