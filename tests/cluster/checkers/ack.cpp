// What was acknowledged is there: each submission with its name and under one id, however often its
// key was sent; nothing is there that nobody asked for; each kill that was acknowledged ended its
// experiment.
#include "tests/cluster/checkers/history.hpp"

#include <fmt/format.h>

#include <map>
#include <set>

namespace troupe::cluster {

std::vector<std::string> violations(const History& history) {
  std::vector<std::string> found;
  std::map<std::string, const Entry*> finals;
  std::set<std::string> sent;  // names
  for (const auto& entry : history) {
    if (entry.is("final")) finals[entry.text("id")] = &entry;
    if (entry.is("ack") || entry.is("sent")) sent.insert(entry.text("name"));
  }
  std::map<std::string, std::string> id_of_key, key_of_id;
  for (const auto& entry : history) {
    auto id = entry.text("id");
    if (entry.is("ack-kill")) {
      auto it = finals.find(id);
      auto state = it == finals.end() ? "" : it->second->text("state");
      if (state != "KILLED" && state != "FINISHED" && state != "FAILED")
        found.push_back(fmt::format("{}: its kill was acknowledged, and it is \"{}\"", id, state));
    }
    if (!entry.is("ack")) continue;
    auto key = entry.text("key");
    auto [by_key, new_key] = id_of_key.emplace(key, id);
    if (!new_key && by_key->second != id)
      found.push_back(fmt::format("key {} was given the ids {} and {}", key, by_key->second, id));
    auto [by_id, new_id] = key_of_id.emplace(id, key);
    if (!new_id && by_id->second != key)
      found.push_back(
          fmt::format("the keys {} and {} were given one id, {}", by_id->second, key, id));
    auto it = finals.find(id);
    if (it == finals.end())
      found.push_back(fmt::format("{} was acknowledged, and is gone", id));
    else if (it->second->text("name") != entry.text("name"))
      found.push_back(fmt::format("{} was acknowledged as {}, and is {}", id, entry.text("name"),
                                  it->second->text("name")));
  }
  std::map<std::string, std::string> id_of_name;
  for (const auto& [id, final] : finals) {
    auto name = final->text("name");
    if (name.empty()) continue;
    if (!sent.contains(name)) found.push_back(fmt::format("{} ({}) was never asked for", id, name));
    auto [it, fresh] = id_of_name.emplace(name, id);
    if (!fresh) found.push_back(fmt::format("{} was made twice: {} and {}", name, it->second, id));
  }
  return found;
}

}  // namespace troupe::cluster
