// What tests of the search share: parameters in short form, random ones, and the golden files of
// the data folder.
#pragma once

#include "hpo/space.hpp"
#include "runtime/core/json.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace troupe::hpo {

inline Parameter range(std::string name, Value min, Value max, std::optional<Value> step = {},
                       std::optional<int64_t> count = {}, bool log = false) {
  return {std::move(name), {}, ParameterRange{min, max, step, count, log}};
}

inline Parameter choices(std::string name, std::vector<Value> values) {
  return {std::move(name), std::move(values), {}};
}

/// Parameters of every kind, with names p0, p1, ...
inline std::vector<Parameter> random_parameters(std::mt19937_64& random, size_t count) {
  std::vector<Parameter> parameters;
  for (size_t i = 0; i < count; ++i) {
    auto name = "p" + std::to_string(i);
    auto least = static_cast<int64_t>(random() % 40) + 1,
         width = static_cast<int64_t>(random() % 60);
    auto low = std::ldexp(1.0 + static_cast<double>(random() % 1000),
                          static_cast<int>(random() % 20) - 10);
    switch (random() % 8) {
      case 0:
        parameters.push_back(range(name, low, low * 100));
        break;
      case 1:
        parameters.push_back(range(name, low, low * 100, {}, {}, true));
        break;
      case 2:
        parameters.push_back(range(name, least, least + width));
        break;
      case 3:
        parameters.push_back(range(name, least, least + width, {}, {}, true));
        break;
      case 4:
        parameters.push_back(range(name, -1.0, 2.0, 0.25));
        break;
      case 5:
        parameters.push_back(choices(name, {"a", "b", nullptr, true}));
        break;
      case 6:
        parameters.push_back(choices(name, {8, 16, 64, 256}));
        break;
      default:
        parameters.push_back(choices(name, {42}));
        break;
    }
  }
  return parameters;
}

/// The folder with tables and golden values; none where this machine lacks it.
inline std::optional<std::string> hpo_data() {
  const char* given = std::getenv("TROUPE_HPO_DATA");
  for (std::string folder :
       {given ? given : "", "../shared/data/hpo", TROUPE_SOURCE "/../shared/data/hpo"})
    if (!folder.empty() && std::ifstream{folder + "/golden/log_ei.json"}) return folder;
  return std::nullopt;
}

/// A golden file; skips the test where the folder is absent.
#define TROUPE_GOLDEN(name, file)                                                        \
  if (!hpo_data())                                                                       \
    GTEST_SKIP() << "no golden files here: set TROUPE_HPO_DATA to the folder with them"; \
  const Value name = read_golden(file)

inline Value read_golden(const std::string& file) {
  std::stringstream text;
  text << std::ifstream{*hpo_data() + "/golden/" + file}.rdbuf();
  auto parsed = parse_json(text.str());
  EXPECT_TRUE(parsed) << file;
  return parsed ? *parsed : Value{};
}

inline std::vector<double> numbers(const Value& list) {
  std::vector<double> out;
  for (const auto& item : list.as_list()) out.push_back(item.as_number());
  return out;
}

inline const Value& at(const Value& map, std::string_view key) {
  static const Value none;
  const auto* found = map.find(key);
  EXPECT_NE(found, nullptr) << key;
  return found ? *found : none;
}

}  // namespace troupe::hpo
