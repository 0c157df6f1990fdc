// What admins do with nodes: drain, resume, label, and let new ones join.
#include "client/api/convert.hpp"
#include "client/api/router.hpp"
#include "client/api/schema_json.hpp"
#include "runtime/core/limits.hpp"

#include <capnp/message.h>

namespace troupe::api {

namespace {

// Long enough to carry a token to a machine and start a worker there.
constexpr uint64_t token_life_s = 3600;
constexpr uint64_t token_life_s_max = 7 * 24 * 3600;

kj::Promise<void> drain(Exchange& x, bool drained) {
  return x.service().drain_node(x.caller, x.captures[0], drained).then([&x](Result<void>&& done) {
    return done ? x.send_nothing() : x.send_error(done.error());
  });
}

kj::Promise<void> drain_node(Exchange& x) {
  return drain(x, true);
}

kj::Promise<void> resume_node(Exchange& x) {
  return drain(x, false);
}

kj::Promise<void> remove_node(Exchange& x) {
  auto removed = x.service().remove_node(x.caller, x.captures[0]);
  return removed ? x.send_nothing() : x.send_error(removed.error());
}

kj::Promise<void> label_node(Exchange& x) {
  capnp::MallocMessageBuilder request;
  auto in = request.initRoot<wire::NodeLabels>();
  if (auto read = read_json(x.body, in); !read) return x.send_error(read.error());
  std::map<std::string, std::string> labels;
  for (auto entry : in.asReader().getLabels().getEntries())
    labels[{entry.getName().begin(), entry.getName().size()}] = {entry.getValue().begin(),
                                                                 entry.getValue().size()};
  return x.service()
      .label_node(x.caller, x.captures[0], std::move(labels))
      .then([&x](Result<void>&& done) {
        return done ? x.send_nothing() : x.send_error(done.error());
      });
}

kj::Promise<void> join_token(Exchange& x) {
  auto life = x.number("life_s", token_life_s, token_life_s_max);
  if (!life) return x.send_error(life.error());
  auto token = x.service().join_token(x.caller, std::chrono::seconds{*life});
  if (!token) return x.send_error(token.error());
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::JoinToken>();
  set_text(*token, [&](auto text) { out.setToken(text); });
  return x.send_json(out.asReader(), 201);
}

}  // namespace

void add_cluster_routes(std::vector<Route>& routes) {
  auto post = kj::HttpMethod::POST;
  routes.push_back({post,
                    "/api/v1/nodes/{name}:drain",
                    drain_node,
                    "Start nothing new on a node",
                    {},
                    std::nullopt,
                    std::nullopt,
                    ""});
  routes.push_back({post,
                    "/api/v1/nodes/{name}:resume",
                    resume_node,
                    "Use a drained node again",
                    {},
                    std::nullopt,
                    std::nullopt,
                    ""});
  routes.push_back({post,
                    "/api/v1/nodes/{name}:remove",
                    remove_node,
                    "Take a node's certificate back and cut it off",
                    {},
                    std::nullopt,
                    std::nullopt,
                    ""});
  routes.push_back({post,
                    "/api/v1/nodes/{name}:label",
                    label_node,
                    "Set labels of a node; an empty value removes one",
                    {},
                    capnp::Schema::from<wire::NodeLabels>(),
                    std::nullopt,
                    "",
                    limits::http_body_max});
  routes.push_back({post,
                    "/api/v1/tokens/join",
                    join_token,
                    "A token with which one machine may join as a worker",
                    {"life_s"},
                    std::nullopt,
                    capnp::Schema::from<wire::JoinToken>()});
}

}  // namespace troupe::api
