// Every type that may cross between nodes goes round whole: a member that an inspect function
// forgets fails here, and one that these tests forget does not compile. Bytes that were cut or
// changed on their way never do more than fail.
#include "runtime/wire/errors.hpp"
#include "runtime/wire/messages.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <tuple>

namespace troupe {
namespace {

// All members of each type, by structured bindings: their number is checked by the compiler.
template <class T>
auto members(const T& x) {
  if constexpr (std::is_same_v<T, ExperimentId> || std::is_same_v<T, JobKey> ||
                std::is_same_v<T, LogStatus> || std::is_same_v<T, CheckpointSeen> ||
                std::is_same_v<T, CheckpointDrop> || std::is_same_v<T, PhaseStart>) {
    const auto& [a, b] = x;
    return std::tie(a, b);
  } else if constexpr (std::is_same_v<T, WireF64> || std::is_same_v<T, GpuReport>) {
    const auto& [a] = x;
    return std::tie(a);
  } else if constexpr (std::is_same_v<T, JobId> || std::is_same_v<T, CacheWishes> ||
                       std::is_same_v<T, ResumeChoice> || std::is_same_v<T, RankBound> ||
                       std::is_same_v<T, NodeWelcome> || std::is_same_v<T, Phase>) {
    const auto& [a, b, c] = x;
    return std::tie(a, b, c);
  } else if constexpr (std::is_same_v<T, Error> || std::is_same_v<T, DataOrder> ||
                       std::is_same_v<T, MountShown> || std::is_same_v<T, LaunchHost>) {
    const auto& [a, b, c, d] = x;
    return std::tie(a, b, c, d);
  } else if constexpr (std::is_same_v<T, WirePoint> || std::is_same_v<T, GpuDevice> ||
                       std::is_same_v<T, ReceiptPart> || std::is_same_v<T, RankPace>) {
    const auto& [a, b, c, d, e] = x;
    return std::tie(a, b, c, d, e);
  } else if constexpr (std::is_same_v<T, MetricBatch>) {
    const auto& [a, b, c, d, e, f, link] = x;
    (void)link;  // the worker's own word: does not travel
    return std::tie(a, b, c, d, e, f);
  } else if constexpr (std::is_same_v<T, JobUpdate>) {
    const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, y, link] = x;
    (void)link;  // the worker's own word: does not travel
    return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, y);
  } else if constexpr (std::is_same_v<T, CachedVersion>) {
    const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = x;
    return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n);
  } else if constexpr (std::is_same_v<T, CacheReport> || std::is_same_v<T, JobBound>) {
    const auto& [a, b, c, d, e, f] = x;
    return std::tie(a, b, c, d, e, f);
  } else if constexpr (std::is_same_v<T, RankPulse>) {
    const auto& [a, b, c, d, e, f, g, h] = x;
    return std::tie(a, b, c, d, e, f, g, h);
  } else if constexpr (std::is_same_v<T, JobOrder>) {
    const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, y, z, za, zb,
                 zc] = x;
    return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, y, z, za,
                    zb, zc);
  } else {
    static_assert(std::is_same_v<T, NodeHello>);
    const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, accepts] = x;
    (void)accepts;  // the head's own word: does not travel
    return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q);
  }
}

template <class T>
constexpr bool is_ours = std::is_class_v<T> && !std::is_same_v<T, std::string>;

template <class T>
bool same(const T& a, const T& b);
template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (!same(a[i], b[i])) return false;
  return true;
}
template <class K, class V>
bool same(const std::map<K, V>& a, const std::map<K, V>& b) {
  return a == b;
}
template <class T>
bool same(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
  } else if constexpr (is_ours<T>) {
    auto x = members(a), y = members(b);
    return [&]<size_t... i>(std::index_sequence<i...>) {
      return (same(std::get<i>(x), std::get<i>(y)) && ...);
    }
    (std::make_index_sequence<std::tuple_size_v<decltype(x)>>{});
  } else {
    return a == b;
  }
}

/// A value that is nobody's default, another with each call.
class Filler {
 public:
  template <class T>
  void fill(T& x) {
    ++next_;
    if constexpr (std::is_same_v<T, bool>)
      x = !x;  // which is another than its default
    else if constexpr (std::is_same_v<T, Errc>)
      x = Errc::corrupt;
    else if constexpr (std::is_same_v<T, JobStep>)
      x = JobStep::phase_done;
    else if constexpr (std::is_same_v<T, RankPulse::By>)
      x = RankPulse::By::metrics;
    else if constexpr (std::is_same_v<T, CachedVersion::State>)
      x = CachedVersion::State::here;
    else if constexpr (std::is_arithmetic_v<T>)
      x = static_cast<T>(next_ + 100);
    else if constexpr (std::is_same_v<T, std::string>)
      x = "text " + std::to_string(next_) + std::string("\0\xff", 2);
    else
      std::apply(
          [this](auto&... member) {
            (fill(const_cast<std::remove_cvref_t<decltype(member)>&>(member)), ...);
          },
          members(x));
  }
  template <class T>
  void fill(std::vector<T>& x) {
    x.resize(2);
    for (auto& each : x) fill(each);
  }
  void fill(std::map<std::string, std::string>& x) {
    for (int i = 0; i < 2; ++i) {
      std::string key, value;
      fill(key);
      fill(value);
      x[key] = value;
    }
  }

 private:
  int next_ = 0;
};

template <class T>
std::vector<char> bytes_of(const T& x) {
  std::vector<char> bytes;
  caf::binary_serializer sink{nullptr, bytes};
  EXPECT_FALSE(sink(const_cast<T&>(x)));
  return bytes;
}
template <class T>
bool read_back(const std::vector<char>& bytes, T& x) {
  caf::binary_deserializer source{nullptr, bytes};
  return !source(x);
}

template <class T>
class WireType : public ::testing::Test {};
using Types =
    ::testing::Types<ExperimentId, JobId, WireF64, JobKey, Phase, DataOrder, JobOrder, RankPulse,
                     RankPace, JobUpdate, MountShown, WirePoint, MetricBatch, NodeHello,
                     NodeWelcome, LogStatus, CachedVersion, CacheReport, CacheWishes,
                     CheckpointSeen, ResumeChoice, CheckpointDrop, LaunchHost, PhaseStart,
                     ReceiptPart, RankBound, JobBound, GpuDevice, GpuReport, Error>;
TYPED_TEST_SUITE(WireType, Types);

TYPED_TEST(WireType, GoesRoundWithAllItsMembers) {
  TypeParam filled, read, empty;
  Filler{}.fill(filled);
  EXPECT_FALSE(same(filled, empty));
  auto bytes = bytes_of(filled);
  ASSERT_TRUE(read_back(bytes, read));
  EXPECT_TRUE(same(filled, read));
  EXPECT_EQ(bytes_of(read), bytes);
  // Each member by itself: one that does not travel leaves the bytes as they were.
  auto plain = bytes_of(empty);
  std::apply(
      [&](auto&... member) {
        size_t index = 0;
        auto alone = [&](auto& in_empty) {
          auto& writable = const_cast<std::remove_cvref_t<decltype(in_empty)>&>(in_empty);
          auto before = writable;
          Filler{}.fill(writable);
          EXPECT_NE(bytes_of(empty), plain) << "member " << index << " does not travel";
          writable = before;
          ++index;
        };
        (alone(member), ...);
      },
      members(empty));
}

TYPED_TEST(WireType, CutAndChangedBytesOnlyFail) {
  TypeParam filled;
  Filler{}.fill(filled);
  auto bytes = bytes_of(filled);
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    TypeParam read;
    EXPECT_FALSE(read_back({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(cut)}, read))
        << cut;
  }
  std::mt19937 random{20261121};
  for (int round = 0; round < 20'000; ++round) {
    auto changed = bytes;
    for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips)
      changed[random() % changed.size()] ^= static_cast<char>(1 << random() % 8);
    if (random() % 4 == 0) changed.resize(random() % changed.size());
    TypeParam read;
    if (read_back(changed, read)) (void)bytes_of(read);  // whatever it became can go on
  }
}

TEST(Wire, EveryTypeOfTheBlockIsTestedHere) {
  // Error is no type of the block: it travels inside of others.
  constexpr auto tested = 29;
  EXPECT_EQ(caf::id_block::troupe_wire::end - caf::id_block::troupe_wire::begin, tested);
}

TEST(Wire, AnyNumberCrosses) {
  for (double value : {0.0, -0.0, std::numeric_limits<double>::infinity(),
                       -std::numeric_limits<double>::infinity(), std::nan("7"),
                       std::numeric_limits<double>::denorm_min(), 1e308}) {
    WireF64 read;
    ASSERT_TRUE(read_back(bytes_of(WireF64{value}), read));
    EXPECT_TRUE(same(read, WireF64{value}));
  }
}

TEST(Wire, ErrorsKeepTheirFourParts) {
  Error error{Errc::exhausted, "what", "detail", "hint"};
  EXPECT_EQ(from_caf(to_caf(error), "asking"), error);
}

}  // namespace
}  // namespace troupe
