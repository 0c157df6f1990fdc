#include "client/cli/cached_text.hpp"

#include "client/cli/session.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

namespace troupe::cli {

namespace {

std::string bytes_of(const Value& value, std::string_view key) {
  return bytes_text(static_cast<uint64_t>(int_of(value, key)));
}

std::string joined(const ValueList& texts) {
  std::string all;
  for (const auto& text : texts) all += (all.empty() ? "" : ", ") + text.to_text();
  return all;
}

}  // namespace

std::string cache_text(const Value& cache) {
  auto limit = int_of(cache, "limit");
  auto count = list_of(cache, "versions").size() + static_cast<size_t>(int_of(cache, "unlisted"));
  return fmt::format("{}{} used, {} version{}, {} free on the disk", bytes_of(cache, "used"),
                     limit == 0 ? "" : " of " + bytes_of(cache, "limit"), count,
                     count == 1 ? "" : "s", bytes_of(cache, "disk_free"));
}

std::string cached_text(const Value& version, bool with_node) {
  auto name = text_of(version, with_node ? "node" : "dataset");
  if (name.empty()) name = text_of(version, "digest").substr(0, 12);
  auto text = name + ": ";
  auto state = text_of(version, "state");
  if (state == "failed") return text + "not brought: " + text_of(version, "error");
  if (state == "coming") {
    auto total = int_of(version, "total");
    text += total == 0
                ? std::string{"coming"}
                : fmt::format("coming, {} of {} ({} %)", bytes_of(version, "arrived"),
                              bytes_of(version, "total"), int_of(version, "arrived") * 100 / total);
  } else {
    text += fmt::format("{}, used by {} job{}", bytes_of(version, "bytes"), int_of(version, "hits"),
                        int_of(version, "hits") == 1 ? "" : "s");
    if (auto mount = text_of(version, "mount"); !mount.empty()) text += ", shown by " + mount;
  }
  if (const auto& sources = list_of(version, "sources"); !sources.empty())
    text += ", from " + joined(sources);
  if (const auto& holders = list_of(version, "holders"); !holders.empty())
    text += ", held by " + joined(holders);
  if (const auto* wanted = version.find("wanted"); wanted != nullptr && wanted->is_bool())
    if (wanted->as_bool()) text += ", needed by the queue";
  return text;
}

}  // namespace troupe::cli
