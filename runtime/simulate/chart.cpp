// The chart of a report: an SVG of its own, no script, readable on light and dark pages.
#include "runtime/simulate/simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe::simulate {
namespace {

constexpr double width = 960, left = 70, right = 20, panel = 150, gap = 60, top = 60;
constexpr double span = width - left - right;

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (static_cast<unsigned char>(c) >= ' ')
      out += c;
  }
  return out;
}

/// The least of 1, 2, 5, 10, 20, ... that is not below the value.
double round_up(double value) {
  if (value <= 0) return 1;
  auto step = std::pow(10, std::floor(std::log10(value)));
  for (double factor : {1.0, 2.0, 5.0})
    if (step * factor >= value) return step * factor;
  return step * 10;
}

std::string number(double value) {
  return value >= 10 ? fmt::format("{:.0f}", value)
                     : fmt::format("{:g}", std::round(value * 100) / 100);
}

/// Axes with a title; y from 0 to `most`.
std::string frame(double y, std::string_view title, double most) {
  auto text = fmt::format("<text x=\"{}\" y=\"{:.0f}\" font-weight=\"bold\">{}</text>\n", left,
                          y - 8, title);
  for (double part : {0.0, 0.5, 1.0})
    text += fmt::format(
        "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"#8884\"/>"
        "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>\n",
        left, width - right, y + panel * (1 - part), left - 8, y + panel * (1 - part) + 4,
        number(most * part));
  return text;
}

template <class Of>
std::string area(const Report& report, double y, double most, std::string_view colour, Of of) {
  if (report.samples.empty()) return {};
  auto each = span / static_cast<double>(report.samples.size());
  auto path = fmt::format("M{} {:.1f}", left, y + panel);
  for (size_t i = 0; i < report.samples.size(); ++i)
    path +=
        fmt::format("V{:.1f}H{:.1f}", y + panel * (1 - std::min(1.0, of(report.samples[i]) / most)),
                    left + each * static_cast<double>(i + 1));
  path += fmt::format("V{:.1f}Z", y + panel);
  return fmt::format("<path d=\"{}\" fill=\"{}\" fill-opacity=\"0.6\"/>\n", path, colour);
}

/// Hours of all that is sampled, below the axis.
std::string time_marks(const Report& report, double y) {
  auto hours = static_cast<double>(report.sample_every.count()) *
               static_cast<double>(report.samples.size()) / 3'600'000.0;
  std::string text;
  for (double part : {0.0, 0.25, 0.5, 0.75, 1.0})
    text += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"middle\">{} h</text>\n",
                        left + span * part, y + panel + 18, number(hours * part));
  return text;
}

/// How many were done within so long, on a logarithmic axis from a minute on.
std::string done_within(const Report& report, double y) {
  const auto& spread = report.completion;
  constexpr double first = 1.0 / 60;  // hours
  auto last = std::max(1.0, spread.max);
  auto x = [&](double hours) {
    return left + span * std::log(std::max(hours, first) / first) / std::log(last / first);
  };
  std::string text;
  for (auto [name, value] :
       {std::pair{"p50", spread.p50}, std::pair{"p90", spread.p90}, std::pair{"p99", spread.p99},
        std::pair{"max", spread.max}, std::pair{"mean", spread.mean}})
    text += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\" stroke=\"#3b82f6\" "
        "stroke-width=\"2\"/><text x=\"{0:.1f}\" y=\"{3:.1f}\" text-anchor=\"middle\">{4} {5} "
        "h</text>\n",
        x(value), y + 24, y + 44, name == std::string_view{"mean"} ? y + 60 : y + 18, name,
        number(value));
  return text;
}

}  // namespace

std::string chart(const Report& report, const std::string& title) {
  bool by_gpu = report.gpus > 0;
  auto capacity = std::max(1.0, by_gpu ? report.gpus : report.cpus);
  double waiting = 0;
  for (const auto& sample : report.samples) waiting = std::max(waiting, sample.waiting);
  waiting = round_up(waiting);
  auto second = top + panel + gap, third = second + panel + gap;
  auto svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#777\">\n"
      "<text x=\"{2}\" y=\"24\" font-size=\"16\">{3}</text>\n",
      width, third + 80, left, escaped(title));
  svg += frame(top, by_gpu ? "GPUs held" : "CPUs held", capacity);
  svg += area(report, top, capacity, "#22a06b",
              [&](const Sample& sample) { return by_gpu ? sample.gpus : sample.cpus; });
  svg += time_marks(report, top);
  svg += frame(second, "waiting", waiting);
  svg +=
      area(report, second, waiting, "#d9822b", [](const Sample& sample) { return sample.waiting; });
  svg += time_marks(report, second);
  svg += fmt::format(
      "<text x=\"{}\" y=\"{:.0f}\" font-weight=\"bold\">from submission to end</text>\n", left,
      third - 8);
  svg += done_within(report, third);
  return svg + "</svg>\n";
}

}  // namespace troupe::simulate
