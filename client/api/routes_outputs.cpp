// Outputs: the list, and files in pieces.
#include "client/api/convert.hpp"
#include "client/api/router.hpp"
#include "client/api/send_file.hpp"
#include "runtime/core/limits.hpp"

#include <capnp/message.h>

#include <algorithm>

namespace troupe::api {

namespace {

kj::Promise<void> list(Exchange& x) {
  auto id = x.id();
  if (!id) return x.send_error(id.error());
  auto limit = x.number("limit", limits::outputs_page_max, limits::outputs_page_max);
  if (!limit) return x.send_error(limit.error());
  auto page = static_cast<uint32_t>(std::max<uint64_t>(*limit, 1));
  return x.service()
      .outputs(x.caller, *id, x.text("page_token"), page)
      .then([&x](Result<OutputList>&& list) {
        if (!list) return x.send_error(list.error());
        capnp::MallocMessageBuilder message;
        auto out = message.initRoot<wire::Outputs>();
        auto rows = out.initOutputs(static_cast<uint32_t>(list->entries.size()));
        for (uint32_t i = 0; i < list->entries.size(); ++i) set_output(rows[i], list->entries[i]);
        out.setComplete(list->complete);
        if (!list->next_page_token.empty()) out.setNextPageToken(list->next_page_token);
        if (!list->note.empty()) out.setNote(list->note);
        return x.send_json(out.asReader());
      });
}

kj::Promise<void> get(Exchange& x) {
  auto id = x.id();
  if (!id) return x.send_error(id.error());
  return send_file(x, [&x, id = *id](uint64_t offset, uint32_t limit) {
    return x.service().read_output(x.caller, id, x.captures[1], offset, limit);
  });
}

}  // namespace

void add_output_routes(std::vector<Route>& routes) {
  routes.push_back({kj::HttpMethod::GET,
                    "/api/v1/experiments/{id}/outputs",
                    list,
                    "The files it left",
                    {"limit", "page_token"},
                    std::nullopt,
                    capnp::Schema::from<wire::Outputs>()});
  routes.push_back({kj::HttpMethod::GET,
                    "/api/v1/experiments/{id}/outputs/{path*}",
                    get,
                    "The bytes of one file; takes Range",
                    {},
                    std::nullopt,
                    std::nullopt,
                    "application/octet-stream"});
}

}  // namespace troupe::api
