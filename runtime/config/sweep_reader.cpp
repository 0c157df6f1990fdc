// The parameters and the sweep section of a project file.
#include "runtime/config/submission_reader.hpp"

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

Parameter read_parameter(NodeReader& in, const YamlEntry& entry, const Path& path) {
  Parameter parameter;
  parameter.name = entry.key;
  const auto& node = entry.value;
  if (node.is_list()) {
    read_choices(in, node, path, parameter.choices);
  } else if (node.is_map()) {
    in.fields(
        node, path,
        {{"range", [&](const auto& n, const Path& p) { parameter.range = read_range(in, n, p); }},
         {"choices",
          [&](const auto& n, const Path& p) { read_choices(in, n, p, parameter.choices); }}});
    if (node.entries.size() != 1)
      in.fail(node, fmt::format("`{}` needs a range or choices, and one of them", path),
              "write {range: {min: A, max: B}}, or [A, B, C]");
  } else {
    in.value(node, path, parameter.choices.emplace_back());
  }
  return parameter;
}

}  // namespace

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
    spec.parameters.push_back(read_parameter(in, entry, entry_path));
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
  in.fields(node, path,
            {{"strategy",
              [&](const auto& n, const Path& p) {
                has_strategy = true;
                in.text(n, p, sweep.strategy);
              }},
             {"trials", count(sweep.trials)},
             {"seed", count(sweep.seed)},
             {"concurrency", count(sweep.concurrency)},
             {"metric",
              [&](const auto& n, const Path& p) {
                std::string text;
                in.text(n, p, text);
                auto metric = parse_metric(text);
                if (metric)
                  sweep.metric = std::move(*metric);
                else
                  in.fail(n, metric.error().what, metric.error().hint);
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
             {"early_stop", [&](const auto& n, const Path&) {
                // Its form is judged when there is something that reads it; until then it is
                // refused by name.
                sweep.early_stop = n.is_scalar() ? Value{n.text} : Value{true};
                if (n.kind == YamlNode::Kind::null) sweep.early_stop = Value{};
              }}});
}

}  // namespace troupe::config
