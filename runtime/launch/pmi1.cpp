#include "runtime/launch/pmi1.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::launch {

namespace {

constexpr const char* space_name = "troupe";
// What MPICH's own starter says.
constexpr int name_max = 256, key_max = 64, value_max = 1024;

/// "a=1 b=2": none of the values holds a blank.
std::map<std::string, std::string> words_of(std::string_view text) {
  std::map<std::string, std::string> words;
  while (!text.empty()) {
    auto blank = text.find(' ');
    auto word = text.substr(0, blank);
    auto equals = word.find('=');
    if (equals != std::string_view::npos)
      words.emplace(word.substr(0, equals), word.substr(equals + 1));
    if (blank == std::string_view::npos) break;
    text.remove_prefix(blank + 1);
  }
  return words;
}

}  // namespace

Pmi1::Pmi1(uint32_t nodes, uint32_t processes) : nodes_{nodes}, processes_{processes} {
  // From node 0 on, so many nodes with so many ranks each.
  values_["PMI_process_mapping"] = fmt::format("(vector,(0,{},{}))", nodes_, processes_);
}

std::vector<Pmi1::Answer> Pmi1::line(uint32_t client, std::string_view text) {
  auto words = words_of(text);
  auto command = words["cmd"];
  if (command == "abort") return {};  // its exit says the rest
  if (command == "barrier_in") {
    if (std::find(waiting_.begin(), waiting_.end(), client) == waiting_.end())
      waiting_.push_back(client);
    return {};
  }
  return {{client, answer(command, words) + "\n"}};
}

std::string Pmi1::answer(std::string_view command,
                         const std::map<std::string, std::string>& words) {
  auto word = [&](const char* name) {
    auto found = words.find(name);
    return found == words.end() ? std::string{} : found->second;
  };
  if (command == "init") {
    ++begun_;
    bool known = word("pmi_version") == "1";
    return fmt::format("cmd=response_to_init pmi_version=1 pmi_subversion=1 rc={}", known ? 0 : -1);
  }
  if (command == "get_maxes")
    return fmt::format("cmd=maxes kvsname_max={} keylen_max={} vallen_max={}", name_max, key_max,
                       value_max);
  if (command == "get_appnum") return "cmd=appnum appnum=0";
  if (command == "get_my_kvsname") return fmt::format("cmd=my_kvsname kvsname={}", space_name);
  if (command == "get_universe_size")
    return fmt::format("cmd=universe_size size={}", nodes_ * processes_);
  if (command == "put") {
    auto key = word("key"), value = word("value");
    if (key.empty() || key.size() > key_max || value.size() > value_max)
      return "cmd=put_result rc=-1 msg=invalid";
    if (!values_.emplace(key, value).second)
      return fmt::format("cmd=put_result rc=-1 msg=duplicate_key_{}", key);
    fresh_.emplace(key, value);
    return "cmd=put_result rc=0 msg=success";
  }
  if (command == "get") {
    auto found = values_.find(word("key"));
    if (found == values_.end()) return "cmd=get_result rc=-1 msg=key_not_found value=unknown";
    return fmt::format("cmd=get_result rc=0 msg=success value={}", found->second);
  }
  if (command == "finalize") return "cmd=finalize_ack";
  return fmt::format("cmd={}_result rc=-1 msg=not_supported", command);
}

std::string Pmi1::puts() const {
  std::string text;
  for (const auto& [key, value] : fresh_) text += fmt::format("key={} value={}\n", key, value);
  return text;
}

void Pmi1::merge(std::string_view puts) {
  while (!puts.empty()) {
    auto end = puts.find('\n');
    auto words = words_of(puts.substr(0, end));
    values_.emplace(words["key"], words["value"]);
    if (end == std::string_view::npos) break;
    puts.remove_prefix(end + 1);
  }
}

std::vector<Pmi1::Answer> Pmi1::release() {
  std::vector<Answer> answers;
  for (auto client : std::exchange(waiting_, {})) answers.push_back({client, "cmd=barrier_out\n"});
  fresh_.clear();
  return answers;
}

}  // namespace troupe::launch
