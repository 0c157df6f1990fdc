// Nodes, who and what answers, health, and the description of all routes.
#include "client/api/convert.hpp"
#include "client/api/openapi.hpp"
#include "client/api/router.hpp"

#include <capnp/message.h>

namespace troupe::api {

namespace {

kj::Promise<void> nodes(Exchange& x) {
  return x.service().nodes(x.caller).then([&x](Result<std::vector<NodeView>>&& views) {
    if (!views) return x.send_error(views.error());
    capnp::MallocMessageBuilder message;
    auto out = message.initRoot<wire::Nodes>();
    auto list = out.initNodes(static_cast<uint32_t>(views->size()));
    for (uint32_t i = 0; i < views->size(); ++i) {
      (*views)[i].topology.clear();  // of one alone: it is as long as all the rest
      set_node(list[i], (*views)[i]);
    }
    return x.send_json(out.asReader());
  });
}

kj::Promise<void> node(Exchange& x) {
  return x.service().nodes(x.caller).then([&x](Result<std::vector<NodeView>>&& views) {
    if (!views) return x.send_error(views.error());
    for (const auto& view : *views) {
      if (view.name != x.captures[0]) continue;
      capnp::MallocMessageBuilder message;
      auto out = message.initRoot<wire::Node>();
      set_node(out, view);
      return x.send_json(out.asReader());
    }
    return x.send_error(Error{Errc::not_found, "no node \"" + x.captures[0].substr(0, 100) + "\"",
                              "none of that name has joined", "GET /api/v1/nodes lists them"});
  });
}

kj::Promise<void> whoami(Exchange& x) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::WhoAmI>();
  set_who(out, x.caller);
  return x.send_json(out.asReader());
}

kj::Promise<void> version(Exchange& x) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::Version>();
  set_text(x.service().version(), [&](auto text) { out.setVersion(text); });
  out.setApi("v1");
  return x.send_json(out.asReader());
}

kj::Promise<void> healthz(Exchange& x) {
  return x.send_bytes("ok\n", "text/plain; charset=utf-8");
}

kj::Promise<void> metrics_page(Exchange& x) {
  return x.send_bytes(x.service().metrics_page(),
                      "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

kj::Promise<void> openapi(Exchange& x) {
  return x.send_bytes(openapi_text(x.service().version()), "application/json");
}

}  // namespace

void add_system_routes(std::vector<Route>& routes) {
  auto get = kj::HttpMethod::GET;
  routes.push_back({get,
                    "/api/v1/nodes",
                    nodes,
                    "The nodes",
                    {},
                    std::nullopt,
                    capnp::Schema::from<wire::Nodes>()});
  routes.push_back({get,
                    "/api/v1/nodes/{name}",
                    node,
                    "One node",
                    {},
                    std::nullopt,
                    capnp::Schema::from<wire::Node>()});
  routes.push_back({get,
                    "/api/v1/whoami",
                    whoami,
                    "Whose token this is",
                    {},
                    std::nullopt,
                    capnp::Schema::from<wire::WhoAmI>()});
  routes.push_back({get,
                    "/api/v1/version",
                    version,
                    "The version that runs",
                    {},
                    std::nullopt,
                    capnp::Schema::from<wire::Version>()});
  routes.push_back(
      {get, "/api/v1/openapi.json", openapi, "This description", {}, std::nullopt, std::nullopt});
  routes.push_back({get,
                    "/metrics",
                    metrics_page,
                    "OpenMetrics",
                    {},
                    std::nullopt,
                    std::nullopt,
                    "application/openmetrics-text"});
  Route health{get, "/healthz",   healthz,      "Whether it lives",
               {},  std::nullopt, std::nullopt, "text/plain"};
  health.open = true;
  routes.push_back(health);
}

}  // namespace troupe::api
