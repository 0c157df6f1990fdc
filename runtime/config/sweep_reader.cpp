// The parameters and the sweep section of a project file.
#include "runtime/config/submission_reader.hpp"
#include "runtime/core/condition_text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::config {

namespace {

using Path = std::string;

ParameterRange read_range(NodeReader& in, const YamlNode& node, const Path& path) {
  ParameterRange range;
  auto number = [&](const YamlNode& n, const Path& p, Value& out) {
    in.value(n, p, out);
    if (!out.is_number())
      in.fail(n, fmt::format("`{}` must be a number", p), "write digits, such as 0.1 or 1e-4");
  };
  in.fields(node, path,
            {{"min", [&](const auto& n, const Path& p) { number(n, p, range.min); }},
             {"max", [&](const auto& n, const Path& p) { number(n, p, range.max); }},
             {"step", [&](const auto& n, const Path& p) { number(n, p, range.step.emplace()); }},
             {"count", [&](const auto& n, const Path& p) { range.count = in.integer(n, p, 1); }},
             {"scale", [&](const auto& n, const Path& p) {
                std::string scale;
                in.text(n, p, scale);
                range.log = scale == "log";
                if (scale != "log" && scale != "linear")
                  in.fail(n, fmt::format("`{}` must be log or linear, it is \"{}\"", p, scale),
                          "write log, or leave it out for linear");
              }}});
  for (const auto* key : {"min", "max"})
    if (node.is_map() && node.find(key) == nullptr)
      in.fail(node, fmt::format("`{}` has no {}", path, key), "write {min: A, max: B}");
  return range;
}

void read_choices(NodeReader& in, const YamlNode& node, const Path& path, std::vector<Value>& out) {
  in.items(node, path, [&](const YamlNode& item, const Path& item_path) {
    in.value(item, item_path, out.emplace_back());
  });
}

/// A plain value, or a list of them.
Value read_values(NodeReader& in, const YamlNode& node, const Path& path) {
  Value value;
  if (!node.is_list()) {
    in.value(node, path, value);
    return value;
  }
  ValueList values;
  read_choices(in, node, path, values);
  return values;
}

/// `when: {optimizer: sgd, layers: [2, 3]}`, or a condition as text.
std::string read_when(NodeReader& in, const YamlNode& node, const Path& path) {
  std::string text;
  if (!node.is_map()) {
    in.text(node, path, text);
    return text;
  }
  ValueMap values;
  in.entries(node, path, [&](const YamlEntry& entry, const Path& entry_path) {
    values[entry.key] = read_values(in, entry.value, entry_path);
  });
  return all_of_text(values);
}

/// Parameters of a group have its name and a point before their own, and its condition.
void read_parameter(NodeReader& in, const YamlEntry& entry, const Path& path,
                    const std::string& group, const std::string& when,
                    std::vector<Parameter>& out) {
  Parameter parameter;
  parameter.name = group.empty() ? entry.key : group + "." + entry.key;
  parameter.when = when;
  const auto& node = entry.value;
  if (node.is_list()) {
    read_choices(in, node, path, parameter.choices);
    return out.push_back(std::move(parameter));
  }
  if (!node.is_map()) {
    in.value(node, path, parameter.choices.emplace_back());
    return out.push_back(std::move(parameter));
  }
  int kinds = 0;
  const YamlNode* members = nullptr;
  Path members_path;
  in.fields(node, path,
            {{"range",
              [&](const auto& n, const Path& p) {
                parameter.range = read_range(in, n, p);
                ++kinds;
              }},
             {"choices",
              [&](const auto& n, const Path& p) {
                read_choices(in, n, p, parameter.choices);
                ++kinds;
              }},
             {"value",
              [&](const auto& n, const Path& p) {
                in.value(n, p, parameter.choices.emplace_back());
                ++kinds;
              }},
             {"group",
              [&](const auto& n, const Path& p) {
                members = &n;
                members_path = p;
                ++kinds;
              }},
             {"when", [&](const auto& n, const Path& p) {
                parameter.when = both_text(when, read_when(in, n, p));
              }}});
  if (kinds != 1)
    in.fail(node, fmt::format("`{}` needs a range, choices or a group, and one of them", path),
            "write {range: {min: A, max: B}}, or [A, B, C]");
  if (members == nullptr) return out.push_back(std::move(parameter));
  in.entries(*members, members_path, [&](const YamlEntry& one, const Path& one_path) {
    read_parameter(in, one, one_path, parameter.name, parameter.when, out);
  });
}

ValueMap read_point(NodeReader& in, const YamlNode& node, const Path& path) {
  ValueMap point;
  in.entries(node, path, [&](const YamlEntry& entry, const Path& entry_path) {
    in.value(entry.value, entry_path, point[entry.key]);
  });
  return point;
}

}  // namespace

ValueMap rule_of(std::string_view text) {
  auto colon = text.find(':');
  ValueMap rule{{"algorithm", std::string{text.substr(0, colon)}}};
  while (colon != std::string_view::npos) {
    text.remove_prefix(colon + 1);
    colon = text.find(',');
    auto part = text.substr(0, colon);
    auto equals = part.find('=');
    auto value = equals == std::string_view::npos ? std::string_view{} : part.substr(equals + 1);
    auto read = scalar_value(value);
    rule.insert_or_assign(std::string{part.substr(0, equals)},
                          read ? std::move(*read) : Value{std::string{value}});
  }
  return rule;
}

void read_parameters(NodeReader& in, const YamlNode& node, const std::string& path,
                     ExperimentSpec& spec, std::vector<std::map<std::string, Value>>& points) {
  if (node.is_list()) {
    in.items(node, path, [&](const YamlNode& item, const Path& item_path) {
      auto& point = points.emplace_back();
      in.entries(item, item_path, [&](const YamlEntry& entry, const Path& entry_path) {
        in.value(entry.value, entry_path, point[entry.key]);
      });
    });
    if (points.empty()) in.fail(node, "`parameters` is an empty list", "list points, or remove it");
    return;
  }
  in.entries(node, path, [&](const YamlEntry& entry, const Path& entry_path) {
    read_parameter(in, entry, entry_path, "", "", spec.parameters);
  });
}

void read_sweep(NodeReader& in, const YamlNode& node, const std::string& path, SweepSpec& sweep,
                bool& has_strategy) {
  auto count = [&](auto& out) {
    return [&](const YamlNode& n, const Path& p) {
      using Number = typename std::remove_reference_t<decltype(out)>::value_type;
      int64_t max = std::min<uint64_t>(std::numeric_limits<Number>::max(),
                                       std::numeric_limits<int64_t>::max());
      out = static_cast<Number>(in.integer(n, p, 0, max));
    };
  };
  in.fields(
      node, path,
      {{"strategy",
        [&](const auto& n, const Path& p) {
          has_strategy = true;
          in.text(n, p, sweep.strategy);
        }},
       {"trials", count(sweep.trials)},
       {"seed", count(sweep.seed)},
       {"concurrency",
        [&](const auto& n, const Path& p) {
          if (!n.is_scalar() || n.text.find("..") == std::string::npos)
            return count(sweep.concurrency)(n, p);
          if (auto read = read_concurrency(Value{n.text}, sweep); !read)
            in.fail(n, fmt::format("`{}`: {}", p, read.error().detail), read.error().hint);
        }},
       {"metric",
        [&](const auto& n, const Path& p) {
          std::string text;
          if (n.is_list())
            in.items(n, p, [&](const YamlNode& item, const Path& item_path) {
              std::string one;
              in.text(item, item_path, one);
              text += (text.empty() ? "" : ",") + one;
            });
          else
            in.text(n, p, text);
          if (auto read = read_objectives(text, sweep); !read)
            in.fail(n, read.error().what, read.error().hint);
        }},
       {"stop_when", [&](const auto& n, const Path& p) { in.text(n, p, sweep.stop_when); }},
       {"max_failures", count(sweep.max_failures)},
       {"on_stop",
        [&](const auto& n, const Path& p) {
          std::string text;
          in.text(n, p, text);
          sweep.kill_on_stop = text == "kill";
          if (text != "kill" && text != "finish")
            in.fail(n, fmt::format("`{}` must be kill or finish, it is \"{}\"", p, text),
                    "kill ends running members when stop_when holds, finish lets them end");
        }},
       {"early_stop",
        [&](const auto& n, const Path& p) {
          if (n.is_scalar())
            sweep.early_stop = ValueMap{rule_of(n.text)};
          else if (n.kind != YamlNode::Kind::null)
            sweep.early_stop = ValueMap{read_point(in, n, p)};
        }},
       {"budget",
        [&](const auto& n, const Path& p) {
          std::string text;
          in.text(n, p, text);
          if (auto budget = parse_budget(text))
            sweep.budget = *budget;
          else
            in.fail(n, fmt::format("`{}`: {}", p, budget.error().what), budget.error().hint);
        }},
       {"enqueue",
        [&](const auto& n, const Path& p) {
          in.items(n, p, [&](const YamlNode& item, const Path& item_path) {
            auto point = read_point(in, item, item_path);
            sweep.enqueue.emplace_back(point.begin(), point.end());
          });
        }},
       {"from", [&](const auto& n,
                    const Path& p) { sweep.from = static_cast<uint64_t>(in.integer(n, p, 1)); }},
       {"ask", [&](const auto& n, const Path& p) { in.boolean(n, p, sweep.ask); }},
       {"constraints",
        [&](const auto& n, const Path& p) {
          if (!n.is_list()) return in.text(n, p, sweep.constraints.emplace_back());
          in.items(n, p, [&](const YamlNode& item, const Path& item_path) {
            in.text(item, item_path, sweep.constraints.emplace_back());
          });
        }},
       {"forbidden", [&](const auto& n, const Path& p) {
          in.items(n, p, [&](const YamlNode& item, const Path& item_path) {
            auto& values = sweep.forbidden.emplace_back();
            in.entries(item, item_path, [&](const YamlEntry& one, const Path& one_path) {
              values[one.key] = read_values(in, one.value, one_path);
            });
          });
        }}});
}

}  // namespace troupe::config
