#include "actors/worker/receipt_rank.hpp"

#include "actors/worker/environment.hpp"
#include "gpu/comm/receipt.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <unistd.h>

namespace troupe::actors {

namespace {

// All have come to where they begin: who is not there within this does not come in time. Another
// start pays for it once: it is remembered.
constexpr uint32_t receipt_meet_s = 3;
// The whole process, whatever it hangs in.
constexpr unsigned receipt_alarm_s = 2 * receipt_meet_s + 2;
constexpr size_t receipt_bytes_max = 4096, receipt_error_max = 300;

struct ReceiptField {
  const char* name;
  uint64_t ReceiptPart::*figure;
};
constexpr std::array receipt_fields{ReceiptField{"copy", &ReceiptPart::copy},
                                    ReceiptField{"link", &ReceiptPart::link},
                                    ReceiptField{"all_reduce", &ReceiptPart::all_reduce},
                                    ReceiptField{"latency_ns", &ReceiptPart::latency_ns}};

void put_variable(std::vector<std::string>& env, std::string_view name, const std::string& value) {
  auto begin = fmt::format("{}=", name);
  std::erase_if(env, [&](const std::string& entry) { return entry.starts_with(begin); });
  if (!value.empty()) env.push_back(begin + value);
}

Result<ReceiptPart> measure() {
  auto options = comm::options_from_environment("receipt");
  if (!options) return std::move(options).error();
  auto ranks = comm::Communicator::open(*options);
  if (!ranks) return std::move(ranks).error();
  auto look = comm::look_briefly(**ranks);
  if (!look) return std::move(look).error();
  return ReceiptPart{look->copy, look->link, look->all_reduce, look->latency_ns, {}};
}

std::string in_words(const Error& error) {
  auto text = error.detail.empty() ? error.what : fmt::format("{}: {}", error.what, error.detail);
  return text.substr(0, receipt_error_max);
}

}  // namespace

ReceiptPlace receipt_place(const JobOrder& order) {
  ReceiptPlace place;
  std::vector<std::string_view> ring;
  for (size_t job = 0; job < order.hosts.size(); ++job) {
    const auto& node = order.hosts[job].node;
    bool first = std::find(ring.begin(), ring.end(), node) == ring.end();
    if (job == order.node_rank && first)
      place.rank = static_cast<uint32_t>(ring.size()), place.measures = true;
    if (first) ring.push_back(node);
  }
  place.size = static_cast<uint32_t>(ring.size());
  return place;
}

std::string receipt_file(const WorkerPaths& paths, uint32_t slot) {
  return paths.scratch(slot) + "/.receipt";
}

process::ProcessSpec receipt_process(const WorkerContext& context, const JobOrder& order,
                                     uint32_t slot) {
  auto place = receipt_place(order);
  process::ProcessSpec process;
  process.argv = {context.program, "receipt-rank", receipt_file(context.paths, slot)};
  process.env = job_environment(context.environment, context.paths, order, slot, 0, {});
  process.cwd = context.paths.scratch(slot);
  put_variable(process.env, "RANK", fmt::to_string(place.rank));
  put_variable(process.env, "WORLD_SIZE", fmt::to_string(place.size));
  put_variable(process.env, "TROUPE_COMM_STORE", "");
  put_variable(process.env, "TROUPE_COMM_HOST", "");
  put_variable(process.env, "TROUPE_COMM_TRANSPORT", "tcp");
  put_variable(process.env, "TROUPE_COMM_JOIN_S", fmt::to_string(receipt_meet_s));
  put_variable(process.env, "TROUPE_COMM_DEADLINE_S", fmt::to_string(receipt_meet_s));
  return process;
}

int run_receipt_rank(const std::string& file) {
  ::alarm(receipt_alarm_s);
  auto measured = measure();
  auto part = measured ? std::move(*measured) : ReceiptPart{};
  if (!measured) part.error = in_words(measured.error());
  return replace_file(file, receipt_text(part), 0600, false) ? 0 : 1;
}

ReceiptPart read_receipt(const std::string& file, const process::RunStatus& status) {
  ReceiptPart part;
  if (auto text = read_file(file, receipt_bytes_max)) {
    ::unlink(file.c_str());
    if (auto parsed = parse_receipt(*text)) return std::move(*parsed);
  }
  part.error = "what measures wrote nothing";
  if (status.error)
    part.error = in_words(*status.error);
  else if (!status.exits.empty() && status.exits[0].signal != 0)
    part.error = fmt::format("what measures was ended by signal {}", status.exits[0].signal);
  return part;
}

std::string receipt_text(const ReceiptPart& part) {
  ValueMap map;
  for (const auto& field : receipt_fields)
    map.emplace(field.name, static_cast<int64_t>(part.*field.figure));
  if (!part.error.empty()) map.emplace("error", part.error);
  return json_text(map);
}

Result<ReceiptPart> parse_receipt(std::string_view text) {
  auto value = parse_json(text);
  if (!value) return std::move(value).error();
  ReceiptPart part;
  for (const auto& field : receipt_fields) {
    const auto* figure = value->find(field.name);
    if (figure == nullptr || !figure->is_int() || figure->as_int() < 0)
      return Error{Errc::corrupt, "a receipt cannot be read", fmt::format("{} is none", field.name),
                   ""};
    part.*field.figure = static_cast<uint64_t>(figure->as_int());
  }
  if (const auto* error = value->find("error")) part.error = error->to_text();
  return part;
}

}  // namespace troupe::actors
