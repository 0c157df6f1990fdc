#include "client/cli/receipt_text.hpp"

#include "client/cli/session.hpp"
#include "client/cli/set_study.hpp"
#include "runtime/core/receipt.hpp"

#include <fmt/format.h>

#include <cmath>

namespace troupe::cli {

namespace {

/// Empty where it was not measured.
std::string rate_of(const Value& map, const char* key) {
  auto rate = number_of(map.find(key));
  return std::isfinite(rate) && rate > 0 ? rate_text(static_cast<uint64_t>(rate)) : "";
}

std::string node_line(const Value& node) {
  auto name = text_of(node, "node"), next = text_of(node, "next");
  if (auto error = text_of(node, "error"); !error.empty())
    return fmt::format("{} was not measured: {}", name, error);
  auto copy = rate_of(node, "copy"), link = rate_of(node, "link");
  if (copy.empty()) return fmt::format("{} has not told yet", name);
  return fmt::format("{}: memory {}, to {} {}", name, copy, next, link);
}

}  // namespace

std::vector<std::string> receipt_lines(const Value& receipt) {
  std::vector<std::string> lines;
  const auto& nodes = list_of(receipt, "nodes");
  if (nodes.empty()) return lines;
  auto whole = rate_of(receipt, "all_reduce");
  auto line = whole.empty() ? std::string{"no all_reduce"}
                            : fmt::format("all_reduce {}, 1 KiB in {:.0f} us", whole,
                                          number_of(receipt.find("latency")) * 1e6);
  if (auto of = text_of(receipt, "of"); !of.empty())
    line += fmt::format("; measured for {} at {}", of, text_of(receipt, "time"));
  lines.push_back(std::move(line));
  for (const auto& node : nodes) lines.push_back(node_line(node));
  for (const auto& note : list_of(receipt, "notes"))
    lines.push_back("far below usual: " + note.to_text());
  return lines;
}

}  // namespace troupe::cli
