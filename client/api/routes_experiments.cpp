// Looking at experiments and sets, and killing them.
#include "client/api/convert.hpp"
#include "client/api/router.hpp"
#include "runtime/core/limits.hpp"

#include <capnp/message.h>

namespace troupe::api {

namespace {

constexpr uint32_t metric_points_default = 1000;
constexpr uint32_t metric_points_max = 100'000;

kj::Promise<void> send_entry(Exchange& x, const Entry& entry) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::Entry>();
  const auto* set = std::get_if<SetRecord>(&entry);
  if (set == nullptr) {
    set_entry(out, entry);
    return x.send_json(out.asReader());
  }
  ListQuery query;
  query.set = set->id;
  query.limit = static_cast<uint32_t>(limits::page_max);
  auto members = x.service().list(x.caller, query);
  if (!members) return x.send_error(members.error());
  set_entry(out, entry, &*members);
  return x.send_json(out.asReader());
}

kj::Promise<void> list(Exchange& x) {
  capnp::MallocMessageBuilder request;
  auto in = request.initRoot<wire::ListRequest>();
  auto text = [&](const char* name, auto&& set) {
    if (auto value = x.text(name); !value.empty()) set_text(value, set);
  };
  text("project", [&](auto t) { in.setProject(t); });
  text("state", [&](auto t) { in.setState(t); });
  text("set", [&](auto t) { in.setSet(t); });
  text("page_token", [&](auto t) { in.setPageToken(t); });
  auto limit = x.number("limit", limits::page_default, UINT32_MAX);
  if (!limit) return x.send_error(limit.error());
  in.setLimit(static_cast<uint32_t>(*limit));
  auto live = x.flag("live");
  if (!live) return x.send_error(live.error());
  in.setLive(*live);
  auto query = list_query_from(in.asReader());
  if (!query) return x.send_error(query.error());
  auto listing = x.service().list(x.caller, *query);
  if (!listing) return x.send_error(listing.error());
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::Listing>();
  set_listing(out, *listing);
  return x.send_json(out.asReader());
}

kj::Promise<void> show(Exchange& x) {
  auto id = x.id();
  if (!id) return x.send_error(id.error());
  auto entry = x.service().show(x.caller, *id);
  return entry ? send_entry(x, *entry) : x.send_error(entry.error());
}

kj::Promise<void> show_set(Exchange& x) {
  auto id = x.id();
  if (!id) return x.send_error(id.error());
  auto entry = x.service().show(x.caller, *id);
  if (!entry) return x.send_error(entry.error());
  if (!std::holds_alternative<SetRecord>(*entry))
    return x.send_error(Error{Errc::not_found, "no set " + to_string(*id),
                              "it is an experiment, not a set",
                              "ask GET /api/v1/experiments/" + to_string(*id)});
  return send_entry(x, *entry);
}

kj::Promise<void> last(Exchange& x) {
  auto id = x.service().last(x.caller, x.text("project"));
  if (!id) return x.send_error(id.error());
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::LastId>();
  set_text(to_string(*id), [&](auto text) { out.setId(text); });
  return x.send_json(out.asReader());
}

kj::Promise<void> kill(Exchange& x) {
  auto id = x.id();
  if (!id) return x.send_error(id.error());
  return x.service().kill(x.caller, *id).then([&x](Result<Entry>&& entry) {
    if (!entry) return x.send_error(entry.error());
    // Without members: killing a set of a million answers as fast as one of one.
    capnp::MallocMessageBuilder message;
    auto out = message.initRoot<wire::Entry>();
    set_entry(out, *entry);
    return x.send_json(out.asReader());
  });
}

kj::Promise<void> why(Exchange& x) {
  auto id = x.id();
  if (!id) return x.send_error(id.error());
  return x.service().why(x.caller, *id).then([&x](Result<Waiting>&& waiting) {
    if (!waiting) return x.send_error(waiting.error());
    capnp::MallocMessageBuilder message;
    auto out = message.initRoot<wire::Waiting>();
    set_waiting(out, *waiting);
    return x.send_json(out.asReader());
  });
}

kj::Promise<void> replay(Exchange& x) {
  auto id = x.id();
  if (!id) return x.send_error(id.error());
  return x.service().replay(x.caller, *id).then([&x](Result<SearchReplay>&& replay) {
    if (!replay) return x.send_error(replay.error());
    capnp::MallocMessageBuilder message;
    auto out = message.initRoot<wire::SearchReplay>();
    set_replay(out, *replay);
    return x.send_json(out.asReader());
  });
}

kj::Promise<void> metric_names(Exchange& x, ExperimentId id) {
  auto names = x.service().metric_names(x.caller, id);
  if (!names) return x.send_error(names.error());
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::MetricNames>();
  auto list = out.initNames(static_cast<uint32_t>(names->size()));
  for (uint32_t i = 0; i < names->size(); ++i)
    set_text((*names)[i], [&](auto text) { list.set(i, text); });
  auto entry = x.service().show(x.caller, id);
  if (!entry) return x.send_error(entry.error());
  if (const auto* experiment = std::get_if<ExperimentRecord>(&*entry)) {
    auto last = out.initLast().initEntries(static_cast<uint32_t>(experiment->metrics.size()));
    uint32_t i = 0;
    for (const auto& [name, value] : experiment->metrics) {
      set_text(name, [&](auto text) { last[i].setName(text); });
      last[i++].setValue(value);
    }
  }
  return x.send_json(out.asReader());
}

kj::Promise<void> metrics(Exchange& x) {
  auto id = x.id();
  if (!id) return x.send_error(id.error());
  auto name = x.text("name");
  if (name.empty()) return metric_names(x, *id);
  auto limit = x.number("limit", metric_points_default, metric_points_max);
  if (!limit) return x.send_error(limit.error());
  auto points = x.service().metric(x.caller, *id, name, static_cast<uint32_t>(*limit));
  if (!points) return x.send_error(points.error());
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::MetricSeries>();
  set_series(out, name, *points);
  return x.send_json(out.asReader());
}

}  // namespace

void add_experiment_routes(std::vector<Route>& routes) {
  auto get = kj::HttpMethod::GET;
  auto entry = capnp::Schema::from<wire::Entry>();
  routes.push_back({get,
                    "/api/v1/experiments",
                    list,
                    "List experiments and sets, newest first",
                    {"project", "state", "set", "live", "limit", "page_token"},
                    std::nullopt,
                    capnp::Schema::from<wire::Listing>()});
  routes.push_back({get,
                    "/api/v1/experiments/last",
                    last,
                    "My newest in a project",
                    {"project"},
                    std::nullopt,
                    capnp::Schema::from<wire::LastId>()});
  routes.push_back({get,
                    "/api/v1/experiments/{id}",
                    show,
                    "An experiment, a member or a set",
                    {},
                    std::nullopt,
                    entry});
  routes.push_back({get,
                    "/api/v1/sets/{id}",
                    show_set,
                    "A set with its members and its best",
                    {},
                    std::nullopt,
                    capnp::Schema::from<wire::ExperimentSet>()});
  routes.push_back({kj::HttpMethod::POST,
                    "/api/v1/experiments/{id}:kill",
                    kill,
                    "End an experiment or a set",
                    {},
                    std::nullopt,
                    entry});
  routes.push_back({get,
                    "/api/v1/experiments/{id}/why",
                    why,
                    "Why it waits",
                    {},
                    std::nullopt,
                    capnp::Schema::from<wire::Waiting>()});
  routes.push_back({get,
                    "/api/v1/sets/{id}/replay",
                    replay,
                    "Derives every decision of its search again and says whether each matches",
                    {},
                    std::nullopt,
                    capnp::Schema::from<wire::SearchReplay>()});
  routes.push_back({get,
                    "/api/v1/experiments/{id}/metrics",
                    metrics,
                    "Names and last values, or with `name` one series",
                    {"name", "limit"},
                    std::nullopt,
                    capnp::Schema::from<wire::MetricNames>()});
}

}  // namespace troupe::api
