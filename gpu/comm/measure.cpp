#include "gpu/comm/measure.hpp"

#include "runtime/core/fd.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace troupe::comm {

namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t smallest = 1024, growth = 4;
constexpr size_t calls_min = 5, calls_max = 2000, turns = 4;
// The start of a call is then a tenth of it at most.
constexpr double times_the_start = 10;
// Of vectors that all lie in the cache, memory says nothing; twice as much hardly fits.
constexpr uint64_t times_the_cache = 2;
constexpr double still_rising = 1.1;
constexpr uint64_t link_bytes_min = 1u << 20;
constexpr int link_messages = 8;
constexpr int cache_levels_max = 10;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Times of so many calls of `act`, behind those that are there.
template <class Act>
Result<void> add_times(std::vector<double>& times, size_t calls, const Act& act) {
  for (size_t call = 0; call < calls; ++call) {
    auto taken = act();
    if (!taken) return std::move(taken).error();
    times.push_back(*taken);
  }
  return ok();
}

/// Of the last level, as the kernel says: what the processor says of itself is wrong in some
/// virtual machines. 0: not known.
uint64_t cache_bytes() {
  uint64_t most = 0;
  for (int index = 0; index < cache_levels_max; ++index) {
    auto text = read_file(fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/size", index));
    if (!text) break;
    most = std::max<uint64_t>(most, std::strtoull(text->c_str(), nullptr, 10) << 10);  // "32768K"
  }
  return most;
}

class Meter {
 public:
  Meter(Communicator& ranks, std::chrono::milliseconds each) : ranks_{&ranks}, each_{each} {}

  Result<MeasuredSize> size(uint64_t bytes, double link_bytes_a_second) {
    data_.resize(bytes / sizeof(float));
    bool one_host = ranks_->hosts() == 1;
    if (one_host) other_.assign(data_.size(), 0);
    auto reduce = [&]() -> Result<double> {
      auto begin = Clock::now();
      TROUPE_TRY(ranks_->all_reduce(data_.data(), data_.data(), data_.size(), DataType::float32,
                                    ReduceOp::sum));
      return seconds_since(begin);
    };
    auto copy = [&]() -> Result<double> {
      TROUPE_TRY(ranks_->barrier());
      auto begin = Clock::now();
      std::memcpy(other_.data(), data_.data(), bytes);
      return seconds_since(begin);
    };
    std::vector<double> first, reductions, copies;
    TROUPE_TRY(add_times(first, calls_min, reduce));  // these touch memory for the first time
    auto wanted = std::chrono::duration<double>(each_).count() / std::max(median(first), 1e-9);
    auto calls = static_cast<uint64_t>(
        std::clamp(wanted, static_cast<double>(calls_min), static_cast<double>(calls_max)));
    TROUPE_TRY(ranks_->broadcast(&calls, 1, DataType::uint64, 0));
    // In turns: what else the machine does meanwhile is then the same for both.
    for (uint64_t turn = 0; turn < turns; ++turn) {
      TROUPE_TRY(add_times(reductions, (calls + turns - 1) / turns, reduce));
      if (one_host) TROUPE_TRY(add_times(copies, calls / turns / growth + 1, copy));
    }
    MeasuredSize measured{bytes, median(reductions)};
    double hosts = ranks_->hosts();
    measured.limit_seconds =
        one_host ? median(copies)
                 : static_cast<double>(bytes) * 2 * (hosts - 1) / hosts / link_bytes_a_second;
    return measured;
  }

  /// One way, from rank 0 to the first rank of another host; on other ranks 1.
  Result<double> link(uint64_t bytes) {
    uint32_t far = 0;
    while (ranks_->host_of(far) == ranks_->host_of(0)) ++far;
    std::vector<std::byte> message(std::max(bytes, link_bytes_min));
    auto send = [&]() -> Result<double> {
      auto begin = Clock::now();
      std::byte word{};
      TROUPE_TRY(ranks_->send(message.data(), message.size(), DataType::uint8, far));
      TROUPE_TRY(ranks_->receive(&word, 1, DataType::uint8, far));
      return seconds_since(begin);
    };
    auto receive = [&]() -> Result<double> {
      std::byte word{};
      TROUPE_TRY(ranks_->receive(message.data(), message.size(), DataType::uint8, 0));
      TROUPE_TRY(ranks_->send(&word, 1, DataType::uint8, 0));
      return 1.0;
    };
    double rate = 1;
    std::vector<double> times;
    if (ranks_->rank() == 0) {
      TROUPE_TRY(add_times(times, link_messages, send));
      rate = static_cast<double>(message.size()) / median(times);
    } else if (ranks_->rank() == far) {
      TROUPE_TRY(add_times(times, link_messages, receive));
    }
    TROUPE_TRY(ranks_->barrier());
    return rate;
  }

 private:
  Communicator* ranks_;
  std::chrono::milliseconds each_;
  std::vector<float> data_, other_;
};

bool is_mostly_start(const Measured& measured, const MeasuredSize& size) {
  return size.seconds < times_the_start * measured.sizes.front().seconds;
}

bool is_in_cache(const Measured& measured, const MeasuredSize& size) {
  return measured.hosts == 1 &&
         size.bytes * measured.ranks < times_the_cache * measured.cache_bytes;
}

}  // namespace

Result<Measured> measure_all_reduce(Communicator& ranks, const std::vector<uint64_t>& sizes,
                                    std::chrono::milliseconds each) {
  Measured measured{ranks.size(), ranks.hosts()};
  measured.cache_bytes = cache_bytes();
  Meter meter{ranks, each};
  if (measured.hosts > 1 && !sizes.empty()) {
    auto rate = meter.link(sizes.back());
    if (!rate) return std::move(rate).error();
    measured.link_bytes_a_second = *rate;
  }
  for (auto bytes : sizes) {
    auto size = meter.size(bytes, measured.link_bytes_a_second);
    if (!size) return std::move(size).error();
    measured.sizes.push_back(*size);
  }
  return measured;
}

std::vector<uint64_t> sizes_up_to(uint64_t most) {
  std::vector<uint64_t> sizes;
  for (auto bytes = smallest; bytes < most; bytes *= growth) sizes.push_back(bytes);
  sizes.push_back(std::max(most / sizeof(float), uint64_t{1}) * sizeof(float));
  return sizes;
}

double algorithm_rate(const MeasuredSize& size) {
  return static_cast<double>(size.bytes) / size.seconds;
}

double bus_rate(const Measured& measured, const MeasuredSize& size) {
  return algorithm_rate(size) * 2 * (measured.ranks - 1) / measured.ranks;
}

std::optional<double> part_of_limit(const Measured& measured, const MeasuredSize& size) {
  if (is_mostly_start(measured, size) || is_in_cache(measured, size)) return std::nullopt;
  return size.limit_seconds / size.seconds;
}

std::vector<std::string> doubts(const Measured& measured) {
  std::vector<std::string> found;
  if (measured.sizes.empty()) return found;
  const auto& last = measured.sizes.back();
  if (is_mostly_start(measured, last))
    found.push_back(
        fmt::format("{} is too small to say what it reaches: a call of {} takes a "
                    "tenth of it already",
                    bytes_text(last.bytes), bytes_text(measured.sizes.front().bytes)));
  if (is_in_cache(measured, last))
    found.push_back(
        fmt::format("{} is too small to say what memory allows: {} of them lie in the "
                    "cache of {}",
                    bytes_text(last.bytes), measured.ranks, bytes_text(measured.cache_bytes)));
  if (measured.sizes.size() > 1 && measured.hosts > 1) {
    const auto& before = measured.sizes[measured.sizes.size() - 2];
    if (algorithm_rate(last) > still_rising * algorithm_rate(before))
      found.push_back(fmt::format("the rate still rises from {} to {}: larger vectors reach more",
                                  bytes_text(before.bytes), bytes_text(last.bytes)));
  }
  return found;
}

}  // namespace troupe::comm
