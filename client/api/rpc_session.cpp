#include "client/api/rpc_session.hpp"

#include "client/api/convert.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>
#include <kj/async.h>

#include <algorithm>

namespace troupe::api {

namespace {

constexpr uint32_t bytes_a_call_max = 4u << 20;  // half of what a message may hold
constexpr uint32_t points_max = 100'000;
constexpr auto wait_max = 30 * kj::SECONDS;

template <class List>
std::vector<std::string> strings_of(List list) {
  std::vector<std::string> out;
  for (auto item : list) out.push_back(from_text(item));
  return out;
}

/// Fills the results with the value through `use`, or with the error.
template <class Context, class T, class Use>
void give(Context& context, Result<T>& result, Use&& use) {
  if (result)
    use(context.getResults(), *result);
  else
    set_error(context.getResults().initError(), result.error());
}

template <class Context>
kj::Promise<void> refuse(Context& context, const Error& error) {
  set_error(context.getResults().initError(), error);
  return kj::READY_NOW;
}

// KJ's interfaces have no virtual destructor; kj::Own disposes of what was made, not of a base.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class SessionServer final : public wire::Session::Server {
 public:
  SessionServer(Shared& shared, Caller caller) : shared_{shared}, caller_{std::move(caller)} {}

  kj::Promise<void> submit(SubmitContext context) override {
    auto submission = submission_from(context.getParams().getSubmission());
    if (!submission) return refuse(context, submission.error());
    return service()
        .submit(caller_, std::move(*submission))
        .then([context](Result<Submitted>&& result) mutable {
          give(context, result, [](auto out, auto& v) { set_submitted(out.initSubmitted(), v); });
        });
  }

  kj::Promise<void> submitMany(SubmitManyContext context) override {
    std::vector<Result<Submitted>> results;
    std::vector<Submission> good;
    std::vector<size_t> places;
    for (auto item : context.getParams().getSubmissions()) {
      auto submission = submission_from(item);
      if (submission) {
        places.push_back(results.size());
        good.push_back(std::move(*submission));
        results.emplace_back(Submitted{});
      } else {
        results.emplace_back(std::move(submission).error());
      }
    }
    return service()
        .submit_many(caller_, std::move(good))
        .then([context, results = std::move(results),
               places = std::move(places)](std::vector<Result<Submitted>>&& answers) mutable {
          for (size_t i = 0; i < places.size() && i < answers.size(); ++i)
            results[places[i]] = std::move(answers[i]);
          auto list = context.getResults().initResults(static_cast<uint32_t>(results.size()));
          for (uint32_t i = 0; i < results.size(); ++i) set_submit_result(list[i], results[i]);
        });
  }

  kj::Promise<void> rerun(RerunContext context) override {
    auto id = id_of(context);
    if (!id) return refuse(context, id.error());
    auto changes = rerun_from(context.getParams().getRequest());
    if (!changes) return refuse(context, changes.error());
    return service()
        .rerun(caller_, *id, std::move(*changes))
        .then([context](Result<Submitted>&& result) mutable {
          give(context, result, [](auto out, auto& v) { set_submitted(out.initSubmitted(), v); });
        });
  }

  kj::Promise<void> kill(KillContext context) override {
    auto id = id_of(context);
    if (!id) return refuse(context, id.error());
    return service().kill(caller_, *id).then([context](Result<Entry>&& result) mutable {
      give(context, result, [](auto out, auto& v) { set_entry(out.initEntry(), v); });
    });
  }

  kj::Promise<void> show(ShowContext context) override {
    auto id = id_of(context);
    if (!id) return refuse(context, id.error());
    auto entry = service().show(caller_, *id);
    give(context, entry, [](auto out, auto& v) { set_entry(out.initEntry(), v); });
    return kj::READY_NOW;
  }

  kj::Promise<void> list(ListContext context) override {
    auto query = list_query_from(context.getParams().getQuery());
    if (!query) return refuse(context, query.error());
    auto listing = service().list(caller_, *query);
    give(context, listing, [](auto out, auto& v) { set_listing(out.initListing(), v); });
    return kj::READY_NOW;
  }

  kj::Promise<void> last(LastContext context) override {
    auto id = service().last(caller_, from_text(context.getParams().getProject()));
    give(context, id,
         [](auto out, auto& v) { set_text(to_string(v), [&](auto text) { out.setId(text); }); });
    return kj::READY_NOW;
  }

  kj::Promise<void> why(WhyContext context) override {
    auto id = id_of(context);
    if (!id) return refuse(context, id.error());
    return service().why(caller_, *id).then([context](Result<Waiting>&& result) mutable {
      give(context, result, [](auto out, auto& v) { set_waiting(out.initWaiting(), v); });
    });
  }

  kj::Promise<void> logs(LogsContext context) override {
    context.allowCancellation();
    auto params = context.getParams();
    auto job = parse_job_id(from_text(params.getJob()));
    if (!job) return refuse(context, job.error());
    return service()
        .logs(caller_, *job, params.getOffset(), piece(params.getLimit()), params.getWait())
        .then([context](Result<LogChunk>&& result) mutable {
          give(context, result, [](auto out, auto& v) {
            set_bytes(v.bytes, [&](auto bytes) { out.setBytes(bytes); });
            out.setNextOffset(v.next_offset);
            out.setEnd(v.end);
          });
        });
  }

  kj::Promise<void> logTailOffset(LogTailOffsetContext context) override {
    auto job = parse_job_id(from_text(context.getParams().getJob()));
    if (!job) return refuse(context, job.error());
    return service()
        .log_tail_offset(caller_, *job, context.getParams().getLines())
        .then([context](Result<uint64_t>&& result) mutable {
          give(context, result, [](auto out, auto& v) { out.setOffset(v); });
        });
  }

  kj::Promise<void> metricNames(MetricNamesContext context) override {
    auto id = id_of(context);
    if (!id) return refuse(context, id.error());
    auto names = service().metric_names(caller_, *id);
    give(context, names,
         [](auto out, auto& v) { set_strings(v, [&](uint32_t n) { return out.initNames(n); }); });
    return kj::READY_NOW;
  }

  kj::Promise<void> metric(MetricContext context) override {
    auto id = id_of(context);
    if (!id) return refuse(context, id.error());
    auto name = from_text(context.getParams().getName());
    auto limit = std::min(context.getParams().getLimit(), points_max);
    auto points = service().metric(caller_, *id, name, limit == 0 ? points_max : limit);
    give(context, points, [&](auto out, auto& v) { set_series(out.initSeries(), name, v); });
    return kj::READY_NOW;
  }

  kj::Promise<void> outputs(OutputsContext context) override {
    auto id = id_of(context);
    if (!id) return refuse(context, id.error());
    auto limit = context.getParams().getLimit();
    if (limit == 0 || limit > limits::outputs_page_max) limit = limits::outputs_page_max;
    return service()
        .outputs(caller_, *id, from_text(context.getParams().getPageToken()), limit)
        .then([context](Result<OutputList>&& result) mutable {
          give(context, result, [](auto out, auto& v) {
            auto rows = out.initOutputs(static_cast<uint32_t>(v.entries.size()));
            for (uint32_t i = 0; i < v.entries.size(); ++i) set_output(rows[i], v.entries[i]);
            out.setComplete(v.complete);
            out.setNextPageToken(to_text(v.next_page_token));
          });
        });
  }

  kj::Promise<void> readOutput(ReadOutputContext context) override {
    auto id = id_of(context);
    if (!id) return refuse(context, id.error());
    auto params = context.getParams();
    return service()
        .read_output(caller_, *id, from_text(params.getPath()), params.getOffset(),
                     piece(params.getLimit()))
        .then([context](Result<FileChunk>&& result) mutable {
          give(context, result, [](auto out, auto& v) {
            set_bytes(v.bytes, [&](auto bytes) { out.setBytes(bytes); });
            out.setSize(v.size);
          });
        });
  }

  kj::Promise<void> missingBlobs(MissingBlobsContext context) override {
    auto result = service().missing_blobs(caller_, strings_of(context.getParams().getDigests()));
    give(context, result,
         [](auto out, auto& v) { set_strings(v, [&](uint32_t n) { return out.initMissing(n); }); });
    return kj::READY_NOW;
  }

  kj::Promise<void> putBlob(PutBlobContext context) override {
    auto bytes = context.getParams().getBytes().asChars();
    return service()
        .put_blob(caller_, from_text(context.getParams().getDigest()),
                  std::string{bytes.begin(), bytes.size()})
        .then([context](Result<void>&& result) mutable {
          if (!result) set_error(context.getResults().initError(), result.error());
        });
  }

  kj::Promise<void> putManifest(PutManifestContext context) override {
    return service()
        .put_manifest(caller_, from_text(context.getParams().getText()))
        .then([context](Result<std::string>&& result) mutable {
          give(context, result, [](auto out, auto& v) { out.setDigest(to_text(v)); });
        });
  }

  kj::Promise<void> getManifest(GetManifestContext context) override {
    auto result = service().get_manifest(caller_, from_text(context.getParams().getDigest()));
    give(context, result, [](auto out, auto& v) { out.setText(to_text(v)); });
    return kj::READY_NOW;
  }

  kj::Promise<void> getBlob(GetBlobContext context) override {
    auto params = context.getParams();
    auto result = service().get_blob(caller_, from_text(params.getDigest()), params.getOffset(),
                                     piece(params.getLimit()));
    give(context, result, [](auto out, auto& v) {
      set_bytes(v.bytes, [&](auto bytes) { out.setBytes(bytes); });
      out.setSize(v.size);
    });
    return kj::READY_NOW;
  }

  kj::Promise<void> nodes(NodesContext context) override {
    return service().nodes(caller_).then([context](Result<std::vector<NodeView>>&& result) mutable {
      give(context, result, [](auto out, auto& v) {
        auto rows = out.initNodes(static_cast<uint32_t>(v.size()));
        for (uint32_t i = 0; i < v.size(); ++i) set_node(rows[i], v[i]);
      });
    });
  }

  kj::Promise<void> events(EventsContext context) override {
    context.allowCancellation();
    auto params = context.getParams();
    auto after = params.getAfter();
    auto limit = params.getLimit();
    if (limit == 0 || limit > limits::page_max) limit = limits::page_max;
    auto page = service().events(caller_, after, limit);
    if (!params.getWait() || !page || !page->events.empty()) return send_events(context, page);
    auto late = shared_.timer.afterDelay(wait_max);
    return service()
        .events_after(std::max(after, page->last))
        .exclusiveJoin(kj::mv(late))
        .then([this, context, after, limit]() mutable {
          auto next = service().events(caller_, after, limit);
          return send_events(context, next);
        });
  }

  kj::Promise<void> whoami(WhoamiContext context) override {
    set_who(context.getResults().initWho(), caller_);
    return kj::READY_NOW;
  }

 private:
  Service& service() { return shared_.service; }

  template <class Context>
  static Result<ExperimentId> id_of(Context& context) {
    return parse_experiment_id(from_text(context.getParams().getId()));
  }
  static uint32_t piece(uint32_t limit) {
    return limit == 0 ? bytes_a_call_max : std::min(limit, bytes_a_call_max);
  }
  template <class Set>
  static void set_bytes(const std::string& bytes, Set&& set) {
    set(capnp::Data::Reader(reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()));
  }
  static kj::Promise<void> send_events(EventsContext& context, Result<EventPage>& page) {
    give(context, page, [](auto out, auto& v) { set_event_page(out.initPage(), v); });
    return kj::READY_NOW;
  }

  Shared& shared_;
  const Caller caller_;
};

#pragma GCC diagnostic pop
// KJ's interfaces have no virtual destructor; kj::Own disposes of what was made, not of a base.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class TroupeServer final : public wire::Troupe::Server {
 public:
  TroupeServer(Shared& shared, kj::Function<void()> logged_in)
      : shared_{shared}, logged_in_{kj::mv(logged_in)} {}

  kj::Promise<void> login(LoginContext context) override {
    auto caller = shared_.service.authenticate(from_text(context.getParams().getToken()));
    if (!caller) return refuse(context, caller.error());
    logged_in_();
    context.getResults().setSession(kj::heap<SessionServer>(shared_, std::move(*caller)));
    return kj::READY_NOW;
  }
  kj::Promise<void> version(VersionContext context) override {
    set_text(shared_.service.version(), [&](auto t) { context.getResults().setVersion(t); });
    return kj::READY_NOW;
  }

 private:
  Shared& shared_;
  kj::Function<void()> logged_in_;
};

#pragma GCC diagnostic pop
}  // namespace

kj::Own<wire::Troupe::Server> make_troupe(Shared& shared, kj::Function<void()> logged_in) {
  return kj::heap<TroupeServer>(shared, kj::mv(logged_in));
}

}  // namespace troupe::api
