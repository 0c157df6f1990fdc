#include "gpu/comm/reduce.hpp"

#include "gpu/comm/reduce_variants.hpp"
#include "tests/gpu/comm/values.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace troupe::comm {
namespace {

float half(uint32_t bits) {
  return float16_to_float(static_cast<uint16_t>(bits));
}

TEST(Half, EveryFloat16ComesBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    auto value = half(bits);
    if ((bits & 0x7fff) > 0x7c00) {
      EXPECT_TRUE(std::isnan(value)) << bits;
      EXPECT_TRUE(std::isnan(half(float_to_float16(value)))) << bits;
    } else {
      EXPECT_EQ(float_to_float16(value), bits) << value;
    }
  }
  EXPECT_EQ(half(0x3c00), 1.0f);
  EXPECT_EQ(half(0xc000), -2.0f);
  EXPECT_EQ(half(1), 0x1p-24f);
  EXPECT_EQ(half(0x7bff), 65504.0f);
  EXPECT_EQ(half(0x7c00), std::numeric_limits<float>::infinity());
}

TEST(Half, EveryBfloat16ComesBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    auto value = bfloat16_to_float(static_cast<uint16_t>(bits));
    if ((bits & 0x7fff) > 0x7f80)
      EXPECT_TRUE(std::isnan(bfloat16_to_float(float_to_bfloat16(value)))) << bits;
    else
      EXPECT_EQ(float_to_bfloat16(value), bits) << value;
  }
  // All of a NaN's bits may be those that are cut off.
  EXPECT_TRUE(std::isnan(bfloat16_to_float(float_to_bfloat16(float_of_bits(0x7f800001)))));
}

TEST(Half, Float16IsRoundedToTheNearestAndEven) {
  std::mt19937 random{1};
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    double low = half(bits), high = bits == 0x7bff ? 65536.0 : half(bits + 1);
    auto middle = static_cast<float>((low + high) / 2);  // exact
    auto even = (bits & 1) == 0 ? bits : bits + 1;
    EXPECT_EQ(float_to_float16(middle), even) << bits;
    EXPECT_EQ(float_to_float16(-middle), even | 0x8000) << bits;
    EXPECT_EQ(float_to_float16(std::nextafter(middle, 0.0f)), bits);
    EXPECT_EQ(float_to_float16(std::nextafter(middle, 1e6f)), bits + 1);
  }
  EXPECT_EQ(float_to_float16(1e30f), 0x7c00);
  EXPECT_EQ(float_to_float16(1e-30f), 0);
  EXPECT_EQ(float_to_float16(-1e-30f), 0x8000);
}

TEST(Half, Bfloat16IsRoundedToTheNearestAndEven) {
  for (uint32_t bits = 0; bits < 0x7f80; ++bits) {
    auto middle = float_of_bits(bits << 16 | 0x8000);
    EXPECT_EQ(float_to_bfloat16(middle), (bits & 1) == 0 ? bits : bits + 1);
    EXPECT_EQ(float_to_bfloat16(float_of_bits(bits << 16 | 0x7fff)), bits);
    EXPECT_EQ(float_to_bfloat16(float_of_bits(bits << 16 | 0x8001)), bits + 1);
  }
}

using Kernel = void (*)(DataType, ReduceOp, const KernelArguments&);

std::vector<Kernel> kernels() {
  std::vector<Kernel> all{reduce_baseline};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) all.push_back(reduce_avx2);
#endif
  return all;
}

TEST(Reduce, AgreesWithDoubles) {
  for (auto type : all_types) {
    for (auto op : all_ops) {
      if (op == ReduceOp::avg && !is_float(type)) continue;
      for (size_t inputs : {1, 2, 3, 4, 5, 6}) {
        for (size_t count : {0, 1, 7, 1023, 2049}) {
          std::vector<Values> arrays;
          std::vector<const void*> places;
          for (size_t i = 0; i < inputs; ++i) arrays.emplace_back(type, count, i % 3);
          for (size_t i = 0; i < inputs; ++i) {
            arrays[i].fill(i + 1);
            places.push_back(arrays[i].data());
          }
          std::vector<std::vector<char>> outcomes;
          for (auto kernel : kernels()) {
            Values to{type, count, 1};
            kernel(type, op,
                   {places.data(), inputs, to.data(), count, op == ReduceOp::avg ? inputs : 1});
            for (size_t i = 0; i < count; ++i) {
              std::vector<double> all;
              for (const auto& array : arrays) all.push_back(array[i]);
              auto expected = reference(op, all);
              ASSERT_NEAR(to[i], expected, tolerance(type, expected, inputs))
                  << to_string(type) << ' ' << to_string(op) << ' ' << inputs << " inputs, " << i;
            }
            const auto* bytes = static_cast<const char*>(to.data());
            outcomes.emplace_back(bytes, bytes + count * size_of(type));
          }
          EXPECT_EQ(outcomes.front(), outcomes.back()) << "instruction sets differ";
        }
      }
    }
  }
}

TEST(Reduce, TheOutputMayBeAnInput) {
  for (size_t inputs : {2, 3, 5, 7}) {
    for (size_t own = 0; own < inputs; ++own) {
      std::vector<std::vector<int64_t>> arrays(inputs, std::vector<int64_t>(3000));
      std::vector<const void*> places;
      for (size_t i = 0; i < inputs; ++i) {
        std::iota(arrays[i].begin(), arrays[i].end(), static_cast<int64_t>(i) * 1000);
        places.push_back(arrays[i].data());
      }
      reduce(DataType::int64, ReduceOp::sum, places, arrays[own].data(), 3000);
      for (int64_t i = 0; i < 3000; ++i) {
        auto n = static_cast<int64_t>(inputs);
        ASSERT_EQ(arrays[own][static_cast<size_t>(i)], n * i + 1000 * n * (n - 1) / 2);
      }
    }
  }
}

TEST(Reduce, ManyInputsAreRounds) {
  std::vector<float> ones(10, 1.0f), to(10);
  std::vector<const void*> places(200, ones.data());
  reduce(DataType::float32, ReduceOp::sum, places, to.data(), 10);
  EXPECT_EQ(to, std::vector<float>(10, 200.0f));
  reduce(DataType::float32, ReduceOp::avg, places, to.data(), 10, 200);
  EXPECT_EQ(to, ones);
}

TEST(Reduce, ANotANumberWins) {
  auto nan = std::numeric_limits<double>::quiet_NaN();
  for (auto type : {DataType::float32, DataType::float64, DataType::float16, DataType::bfloat16}) {
    for (auto op : all_ops) {
      for (bool first : {true, false}) {
        Values a{type, 40}, b{type, 40}, to{type, 40};
        for (size_t i = 0; i < 40; ++i) {
          write_element(type, a.data(), i, first ? nan : 1.0);
          write_element(type, b.data(), i, first ? 1.0 : nan);
        }
        const void* places[] = {a.data(), b.data()};
        reduce(type, op, places, to.data(), 40);
        for (size_t i = 0; i < 40; ++i)
          EXPECT_TRUE(std::isnan(to[i])) << to_string(type) << ' ' << to_string(op);
      }
    }
  }
}

TEST(Reduce, IntegersWrapAround) {
  std::vector<int32_t> a(5, std::numeric_limits<int32_t>::max()), b(5, 1), to(5);
  const void* places[] = {a.data(), b.data()};
  reduce(DataType::int32, ReduceOp::sum, places, to.data(), 5);
  EXPECT_EQ(to, std::vector<int32_t>(5, std::numeric_limits<int32_t>::min()));
  std::vector<int8_t> c(5, 100), d(5, 100), e(5);
  const void* small[] = {c.data(), d.data()};
  reduce(DataType::int8, ReduceOp::sum, small, e.data(), 5);
  EXPECT_EQ(e, std::vector<int8_t>(5, -56));
}

TEST(Types, NamesComeBack) {
  for (auto type : all_types) EXPECT_EQ(data_type_from_string(to_string(type)), type);
  EXPECT_FALSE(data_type_from_string("complex64"));
  EXPECT_EQ(to_string(Signature{Call::all_reduce, DataType::float32, ReduceOp::max, 0, 0, 12}),
            "all_reduce of 12 float32 (max)");
  EXPECT_EQ(to_string(Signature{Call::broadcast, DataType::int8, ReduceOp::sum, 0, 2, 5}),
            "broadcast of 5 int8 from rank 2");
}

}  // namespace
}  // namespace troupe::comm
