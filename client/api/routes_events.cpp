// The event stream: server-sent events, resumable from any number; or one page as JSON.
#include "client/api/convert.hpp"
#include "client/api/router.hpp"
#include "client/api/schema_json.hpp"
#include "runtime/core/limits.hpp"

#include <capnp/message.h>
#include <fmt/format.h>

#include <charconv>

namespace troupe::api {

namespace {

// Events of one piece: about 100 kB, far below what a slow reader's socket must take in time.
constexpr uint32_t events_a_piece = 500;

void append_event(std::string& out, const Event& event) {
  capnp::MallocMessageBuilder message;
  auto wire_event = message.initRoot<wire::Event>();
  set_event(wire_event, event);
  fmt::format_to(std::back_inserter(out), "id: {}\nevent: {}\ndata: ", event.number, event.kind);
  append_json(out, wire_event.asReader());
  out += "\n\n";
}

struct Stream {
  Exchange& x;
  uint64_t after = 0;
  kj::Own<kj::AsyncOutputStream> out;

  kj::Promise<void> next() {
    auto page = x.service().events(x.caller, after, events_a_piece);
    if (!page) return kj::READY_NOW;  // the client comes back and gets the error as a status
    if (page->events.empty()) return wait(page->last);
    std::string text;
    for (const auto& event : page->events) append_event(text, event);
    after = page->events.back().number;
    return x.write(*out, std::move(text)).then([this] { return next(); });
  }
  kj::Promise<void> wait(uint64_t last) {
    // The newest may be one this caller does not see: wait for what comes behind it.
    auto news = x.service().events_after(std::max(after, last)).then([] { return true; });
    auto beat =
        x.shared().timer.afterDelay(x.shared().options.heartbeat).then([] { return false; });
    return news.exclusiveJoin(kj::mv(beat)).then([this](bool more) {
      return x.write(*out, more ? "" : ": still here\n\n").then([this] { return next(); });
    });
  }
};

Result<uint64_t> start_of(Exchange& x) {
  auto after = x.number("after", 0, UINT64_MAX);
  if (!after || x.last_event_id.empty()) return after;
  const auto& id = x.last_event_id;
  uint64_t number = 0;
  auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (error != std::errc{} || end != id.data() + id.size())
    return Error{Errc::invalid, "the events cannot be sent", "Last-Event-ID is no number",
                 "send back the id of the last event you saw"};
  return number;
}

kj::Promise<void> send_page(Exchange& x, uint64_t after) {
  auto limit = x.number("limit", events_a_piece, limits::page_max);
  if (!limit) return x.send_error(limit.error());
  auto page = x.service().events(x.caller, after, static_cast<uint32_t>(*limit));
  if (!page) return x.send_error(page.error());
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::EventPage>();
  set_event_page(out, *page);
  return x.send_json(out.asReader());
}

kj::Promise<void> events(Exchange& x) {
  auto after = start_of(x);
  if (!after) return x.send_error(after.error());
  if (x.accept.find("application/json") != std::string::npos) return send_page(x, *after);
  // A first look, so that what is wrong still gets its status.
  if (auto page = x.service().events(x.caller, *after, 1); !page) return x.send_error(page.error());
  auto headers = x.headers("text/event-stream");
  headers.set(x.shared().ids.buffering, "no");
  auto stream = kj::heap<Stream>(Stream{x, *after, x.start(200, headers)});
  auto& self = *stream;
  if (x.head) return kj::READY_NOW;
  auto done = x.write(*self.out, "retry: 1000\n\n").then([&self] { return self.next(); });
  return done.exclusiveJoin(x.shared().stopping.addBranch()).attach(kj::mv(stream));
}

}  // namespace

void add_event_routes(std::vector<Route>& routes) {
  routes.push_back({kj::HttpMethod::GET,
                    "/api/v1/events",
                    events,
                    "What happens, as server-sent events; with Accept: application/json one page",
                    {"after", "limit"},
                    std::nullopt,
                    capnp::Schema::from<wire::Event>(),
                    "text/event-stream"});
}

}  // namespace troupe::api
