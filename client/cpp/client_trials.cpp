// Ask and tell.
#include "client/cpp/client.hpp"
#include "runtime/core/digest.hpp"

#include <fmt/format.h>

namespace troupe::client {

Result<Value> Client::ask_trials(ExperimentId set, uint32_t count, const std::string& key) {
  return post(fmt::format("/api/v1/sets/{}:ask", to_string(set)), ValueMap{{"count", count}},
              key.empty() ? hex(random_bytes(16)) : key);
}

Result<Value> Client::pending_trials(ExperimentId set) {
  return get(fmt::format("/api/v1/sets/{}:ask", to_string(set)));
}

Result<Value> Client::change_set(ExperimentId set, ValueMap change) {
  return post(fmt::format("/api/v1/sets/{}:change", to_string(set)), std::move(change));
}

Result<Value> Client::tell_trial(ExperimentId set, uint32_t trial, const ValueMap& metrics,
                                 State state) {
  ValueMap body{{"trial", trial}, {"metrics", metrics}, {"state", std::string{to_string(state)}}};
  return post(fmt::format("/api/v1/sets/{}:tell", to_string(set)), body);
}

}  // namespace troupe::client
