#include "runtime/schedule/request.hpp"

#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace troupe::schedule {

bool is_gpu_type(std::string_view device, std::string_view asked) {
  if (asked.empty() || device == asked) return true;
  auto lower = [](unsigned char c) { return std::tolower(c); };
  auto same = [&](char a, char b) { return lower(a) == lower(b); };
  auto in_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  auto from = device.begin();
  while (true) {
    auto at = std::search(from, device.end(), asked.begin(), asked.end(), same);
    if (at == device.end()) return false;
    auto end = at + static_cast<std::ptrdiff_t>(asked.size());
    bool begins = at == device.begin() || !in_word(*(at - 1)) || !in_word(*at);
    if (begins && (end == device.end() || !in_word(*end) || !in_word(*(end - 1)))) return true;
    from = at + 1;
  }
}

std::string cpus_text(int64_t milli_cpus) {
  return fmt::format("{}", static_cast<double>(milli_cpus) / 1000.0);
}

std::string to_text(const Amount& amount) {
  std::string text;
  auto add = [&](std::string part) { text += (text.empty() ? "" : ", ") + part; };
  if (amount.milli_cpus != 0)
    add(fmt::format("{} cpu{}", cpus_text(amount.milli_cpus),
                    amount.milli_cpus == 1000 ? "" : "s"));
  if (amount.mem != 0) add(bytes_text(amount.mem) + " mem");
  if (amount.shares())
    add(fmt::format("{} of a gpu", static_cast<double>(amount.gpu_share) / whole_gpu));
  else if (amount.gpus != 0)
    add(fmt::format("{} gpu{}", amount.gpus, amount.gpus == 1 ? "" : "s"));
  return text.empty() ? "nothing" : text;
}

const Amount& Request::amount_at(uint32_t worker) const {
  for (const auto& group : groups) {
    if (worker < group.count) return group.amount;
    worker -= group.count;
  }
  return amount;
}

Request Request::part(const Group& group) const {
  auto one = *this;
  one.groups.clear();
  one.amount = group.amount;
  one.gpu_type = group.gpu_type;
  one.gpu_mem = group.gpu_mem;
  one.labels = group.labels;
  one.workers_min = one.workers_max = group.count;
  return one;
}

}  // namespace troupe::schedule
