#include "client/api/router.hpp"

namespace troupe::api {

Router::Router() {
  add_submit_routes(routes_);
  add_experiment_routes(routes_);
  add_trial_routes(routes_);
  add_log_routes(routes_);
  add_output_routes(routes_);
  add_code_routes(routes_);
  add_dataset_routes(routes_);
  add_storage_routes(routes_);
  add_event_routes(routes_);
  add_system_routes(routes_);
  add_cluster_routes(routes_);
  for (const auto& route : routes_) parts_.push_back(parts_of(route.pattern));
}

std::vector<Router::Part> Router::parts_of(std::string_view pattern) {
  std::vector<Part> parts;
  pattern.remove_prefix(1);
  while (true) {
    auto slash = pattern.find('/');
    auto text = pattern.substr(0, slash);
    Part part;
    if (auto open = text.find('{'); open != std::string_view::npos) {
      auto close = text.find('}');
      part = {text.substr(0, open), text.substr(close + 1), true, text[close - 1] == '*'};
    } else {
      part.before = text;
    }
    parts.push_back(part);
    if (slash == std::string_view::npos) return parts;
    pattern.remove_prefix(slash + 1);
  }
}

bool Router::matches(const std::vector<Part>& parts, const std::vector<std::string>& path,
                     std::vector<std::string>* captures) {
  bool open_end = parts.back().rest;
  if (open_end ? path.size() < parts.size() : path.size() != parts.size()) return false;
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto& part = parts[i];
    std::string_view text = path[i];
    if (!part.capture) {
      if (text != part.before) return false;
      continue;
    }
    if (part.rest) {
      if (captures == nullptr) return true;
      std::string all = path[i];
      for (size_t k = i + 1; k < path.size(); ++k) all += "/" + path[k];
      captures->push_back(std::move(all));
      return true;
    }
    if (text.size() <= part.before.size() + part.after.size() || !text.starts_with(part.before) ||
        !text.ends_with(part.after))
      return false;
    // "42:kill" is not an id: a capture without literal text after it takes no verb.
    text = text.substr(part.before.size(), text.size() - part.before.size() - part.after.size());
    if (text.find(':') != std::string_view::npos) return false;
    if (captures != nullptr) captures->emplace_back(text);
  }
  return true;
}

Match Router::find(kj::HttpMethod method, const std::vector<std::string>& path) const {
  // KJ discards the body of an answer to HEAD by itself.
  auto wanted = method == kj::HttpMethod::HEAD ? kj::HttpMethod::GET : method;
  Match out;
  for (size_t i = 0; i < routes_.size(); ++i) {
    if (routes_[i].method != wanted) continue;
    std::vector<std::string> captures;
    if (!matches(parts_[i], path, &captures)) continue;
    out.route = &routes_[i];
    out.captures = std::move(captures);
    return out;
  }
  for (size_t i = 0; i < routes_.size(); ++i) {
    if (!matches(parts_[i], path, nullptr)) continue;
    if (!out.allow.empty()) out.allow += ", ";
    out.allow += kj::str(routes_[i].method).cStr();
    if (routes_[i].method == kj::HttpMethod::GET) out.allow += ", HEAD";
  }
  return out;
}

}  // namespace troupe::api
