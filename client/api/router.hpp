// The table of routes, and how a request finds its own. The OpenAPI description is made from the
// same table. Routes are registered by the routes_*.cpp files; constant afterwards.
#pragma once

#include "client/api/exchange.hpp"

#include <capnp/schema.h>
#include <kj/compat/http.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::api {

using Handler = kj::Promise<void> (*)(Exchange&);

struct Route {
  kj::HttpMethod method;
  std::string_view pattern;  // "/api/v1/experiments/{id}:kill"; "{path*}" takes the rest
  Handler handler;
  std::string_view summary;
  std::vector<std::string> query;  // known query parameters; others are errors
  std::optional<capnp::StructSchema> request;
  std::optional<capnp::StructSchema> response;
  std::string_view type = "application/json";  // of the answer where it is not JSON
  size_t body_max = 0;                         // 0: no body is taken
  bool open = false;                           // needs no token
};

struct Match {
  const Route* route = nullptr;       // null: no such path, or not with this method
  std::vector<std::string> captures;  // of `route`
  std::string allow;                  // where the path exists: "GET, HEAD, POST"
};

class Router {
 public:
  Router();
  Match find(kj::HttpMethod method, const std::vector<std::string>& path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Part {
    std::string_view before, after;  // literal text around a capture, or all in `before`
    bool capture = false;
    bool rest = false;
  };
  static std::vector<Part> parts_of(std::string_view pattern);
  static bool matches(const std::vector<Part>& parts, const std::vector<std::string>& path,
                      std::vector<std::string>* captures);

  std::vector<Route> routes_;
  std::vector<std::vector<Part>> parts_;
};

// Each adds the routes of one group.
void add_experiment_routes(std::vector<Route>& routes);
void add_submit_routes(std::vector<Route>& routes);
void add_trial_routes(std::vector<Route>& routes);
void add_log_routes(std::vector<Route>& routes);
void add_output_routes(std::vector<Route>& routes);
void add_code_routes(std::vector<Route>& routes);
void add_dataset_routes(std::vector<Route>& routes);
void add_storage_routes(std::vector<Route>& routes);
void add_event_routes(std::vector<Route>& routes);
void add_system_routes(std::vector<Route>& routes);
void add_cluster_routes(std::vector<Route>& routes);

}  // namespace troupe::api
