// A service of a few fixed objects, kept in memory. Lives on the KJ thread of the test server.
#pragma once

#include "client/api/service.hpp"
#include "runtime/core/digest.hpp"

#include <algorithm>
#include <stdexcept>

namespace troupe::api {

class FakeService final : public Service {
 public:
  FakeService() {
    auto spec = std::make_shared<ExperimentSpec>();
    spec->project = "digits";
    spec->name = "mlp";
    spec->run = {Command{"python3 train.py --lr {{lr}}", {}}};
    spec->resources.mem = 2u << 20;
    spec->parameters = {{"epochs", {Value{3}}, std::nullopt},
                        {"lr", {}, ParameterRange{Value{0.1}, Value{1.0}, {}, {}, true}}};
    one_.id = {1, 0};
    one_.user = "ada";
    one_.spec = spec;
    one_.params = {{"int", Value{1}}, {"float", Value{1.0}}, {"big", Value{int64_t{1} << 60}}};
    one_.state = State::running;
    one_.created = Timestamp{1'700'000'000'000'000};
    one_.metrics = {{"accuracy", 0.5}, {"bad", std::numeric_limits<double>::quiet_NaN()}};
    AttemptRecord attempt;
    attempt.state = State::running;
    attempt.jobs.push_back({"worker", 0, "n1", State::running, {}, {}, {0, 1}, {}, {}, {}, {}});
    one_.attempts = {attempt};
    set_.id = {2, 0};
    set_.user = "ada";
    set_.spec = spec;
    set_.sweep.seed = UINT64_MAX;
    set_.sweep.metric = Metric{true, "accuracy"};
    set_.size = 3;
    set_.best_member = 1;
    set_.best_value = 0.5;
    member_ = one_;
    member_.id = {2, 1};
  }

  Result<Caller> authenticate(const std::string& token) override {
    if (token == "secret") return Caller{"ada", true, std::nullopt};
    return Error{Errc::unauthenticated, "the token is not known", "it is not in the list", "login"};
  }
  kj::Promise<Result<Submitted>> submit(const Caller&, Submission submission) override {
    if (submission.experiment.project == "throws") throw std::runtime_error("inner secret text");
    last_submission = submission;
    if (!submission.key.empty()) {
      auto [it, fresh] = keys_.try_emplace(submission.key, next_id_);
      if (!fresh) return Result<Submitted>{Submitted{{it->second, 0}, false, 1, true}};
    }
    Submitted out{{next_id_++, 0}, submission.sweep.has_value(), 1, false};
    return Result<Submitted>{out};
  }
  kj::Promise<std::vector<Result<Submitted>>> submit_many(const Caller& caller,
                                                          std::vector<Submission> all) override {
    std::vector<Result<Submitted>> out;
    for (auto& one : all)
      out.emplace_back(Submitted{{next_id_++, 0}, one.sweep.has_value(), 1, false});
    (void)caller;
    return out;
  }
  kj::Promise<Result<Submitted>> rerun(const Caller&, ExperimentId id,
                                       RerunChanges changes) override {
    last_changes = std::move(changes);
    if (auto entry = find(id); !entry) return Result<Submitted>{entry.error()};
    return Result<Submitted>{Submitted{{next_id_++, 0}, false, 1, false}};
  }
  kj::Promise<Result<Entry>> kill(const Caller&, ExperimentId id) override { return find(id); }
  Result<Entry> show(const Caller&, ExperimentId id) override { return find(id); }
  Result<Listing> list(const Caller&, const ListQuery& query) override {
    last_query = query;
    if (query.set) return Listing{{member_}, ""};
    return Listing{{set_, one_}, "next"};
  }
  Result<ExperimentId> last(const Caller&, const std::string& project) override {
    if (project == "digits") return ExperimentId{2, 0};
    return missing("nothing in that project");
  }
  kj::Promise<Result<SearchReplay>> replay(const Caller&, ExperimentId set) override {
    return Result<SearchReplay>{SearchReplay{set, "tpe", 3, 2, 1, {"member 2 has another point"}}};
  }
  /// Set 42 is run elsewhere: it gives up to two trials, and its trial 9 has ended otherwise.
  kj::Promise<Result<Asked>> ask(const Caller&, ExperimentId set, AskRequest request) override {
    last_ask = request;
    if (set.top != 42) return Result<Asked>{missing("no such set")};
    Asked asked;
    for (uint32_t i = 1; i <= std::min(request.count, 2u); ++i)
      asked.trials.push_back({{42, i}, {{"lr", 0.25}, {"layers", int64_t{3}}}, State::running, {}});
    if (request.count > 2) asked.reason = "2 may run at a time";
    return Result<Asked>{std::move(asked)};
  }
  kj::Promise<Result<Told>> tell(const Caller&, ExperimentId set, TellRequest request) override {
    last_tell = request;
    if (set.top != 42) return Result<Told>{missing("no such set")};
    if (request.trial == 9)
      return Result<Told>{Error{Errc::conflict, "trial 42.9 was told otherwise", "", ""}};
    return Result<Told>{
        Told{{42, request.trial}, request.state, true, "below the median", false, false, false}};
  }
  Result<std::vector<Trial>> pending_trials(const Caller&, ExperimentId set) override {
    if (set.top != 42) return missing("no such set");
    return std::vector<Trial>{{{42, 7}, {{"lr", 0.5}}, State::running, {}}};
  }
  kj::Promise<Result<Waiting>> why(const Caller&, ExperimentId id) override {
    if (auto entry = find(id); !entry) return Result<Waiting>{entry.error()};
    return Result<Waiting>{
        Waiting{State::queued, {"needs 8 cpus, 4 are free"}, "", "4 cpus", {}, {}}};
  }
  kj::Promise<Result<LogChunk>> logs(const Caller&, const JobId& job, uint64_t offset,
                                     uint32_t limit, bool) override {
    if (auto entry = find(job.experiment); !entry) return Result<LogChunk>{entry.error()};
    auto end = std::min<uint64_t>(log.size(), offset + limit);
    if (offset > log.size()) return Result<LogChunk>{LogChunk{"", offset, true}};
    // Whole lines, one at a time, so that following takes several rounds.
    auto line = log.find('\n', offset);
    if (line != std::string::npos) end = std::min<uint64_t>(end, line + 1);
    return Result<LogChunk>{LogChunk{log.substr(offset, end - offset), end, end == log.size()}};
  }
  kj::Promise<Result<uint64_t>> log_tail_offset(const Caller&, const JobId&, uint32_t) override {
    return Result<uint64_t>{uint64_t{log.rfind('\n', log.size() - 2) + 1}};
  }
  Result<std::vector<std::string>> metric_names(const Caller&, ExperimentId id) override {
    if (auto entry = find(id); !entry) return entry.error();
    return std::vector<std::string>{"accuracy", "bad"};
  }
  Result<std::vector<MetricPoint>> metric(const Caller&, ExperimentId, const std::string& name,
                                          uint32_t) override {
    if (name != "accuracy") return missing("no such metric");
    return std::vector<MetricPoint>{{1, 0.5, Timestamp{1'700'000'000'000'000}}};
  }
  kj::Promise<Result<OutputList>> outputs(const Caller&, ExperimentId id, std::string page_token,
                                          uint32_t limit) override {
    using Answer = Result<OutputList>;
    if (auto entry = find(id); !entry) return Answer{entry.error()};
    OutputList list{{{"sub/model.bin", output.size(), {}, false, ""}}, "", true, ""};
    if (limit == 1 && page_token.empty()) {
      list.next_page_token = "6d";
      list.complete = false;
    }
    return Answer{std::move(list)};
  }
  kj::Promise<Result<FileChunk>> read_output(const Caller&, ExperimentId, std::string path,
                                             uint64_t offset, uint32_t limit) override {
    if (path != "sub/model.bin") return Result<FileChunk>{missing("no such file")};
    auto bytes = offset < output.size() ? output.substr(offset, limit) : "";
    return Result<FileChunk>{FileChunk{bytes, output.size()}};
  }
  Result<std::vector<std::string>> missing_blobs(const Caller&,
                                                 std::vector<std::string> digests) override {
    std::erase_if(digests, [&](const auto& d) { return blobs.contains(d); });
    return digests;
  }
  kj::Promise<Result<void>> put_blob(const Caller&, std::string digest,
                                     std::string bytes) override {
    if (sha256_hex(bytes) != digest)
      return Result<void>{Error{Errc::invalid, "the blob is not what it says", "digest", "again"}};
    blobs[digest] = std::move(bytes);
    return Result<void>{};
  }
  kj::Promise<Result<std::string>> put_manifest(const Caller&, std::string text) override {
    auto digest = sha256_hex(text);
    blobs[digest] = std::move(text);
    return Result<std::string>{digest};
  }
  Result<std::string> get_manifest(const Caller&, const std::string& digest) override {
    if (!blobs.contains(digest)) return missing("no such manifest");
    return blobs[digest];
  }
  Result<FileChunk> get_blob(const Caller&, const std::string& digest, uint64_t offset,
                             uint32_t limit) override {
    if (!blobs.contains(digest)) return missing("no such blob");
    const auto& all = blobs[digest];
    return FileChunk{offset < all.size() ? all.substr(offset, limit) : "", all.size()};
  }
  kj::Promise<Result<std::vector<NodeView>>> nodes(const Caller&) override {
    NodeView node;
    node.name = "n1";
    node.state = "up";
    node.cpus = 4;
    node.labels = {{"rack", "7"}};
    return Result<std::vector<NodeView>>{std::vector<NodeView>{node}};
  }
  Result<EventPage> events(const Caller&, uint64_t after, uint32_t limit) override {
    EventPage page;
    page.last = all_events.size();
    for (auto n = after; n < all_events.size() && page.events.size() < limit; ++n)
      page.events.push_back(all_events[n]);
    return page;
  }
  kj::Promise<void> events_after(uint64_t after) override {
    if (all_events.size() > after) return kj::READY_NOW;
    auto paf = kj::newPromiseAndFulfiller<void>();
    waiting_.push_back(kj::mv(paf.fulfiller));
    return kj::mv(paf.promise);
  }
  std::string metrics_page() override { return "# EOF\n"; }
  std::string version() override { return "0.1.0"; }

  void add_event(std::string cause) {
    Event event;
    event.number = all_events.size() + 1;
    event.time = Timestamp{1'700'000'000'000'000};
    event.kind = "state";
    event.subject = "1";
    event.from = "QUEUED";
    event.to = "PREPARING";
    event.cause = std::move(cause);
    all_events.push_back(std::move(event));
    for (auto& waiter : std::exchange(waiting_, {})) waiter->fulfill();
  }

  std::optional<AskRequest> last_ask;
  std::optional<TellRequest> last_tell;
  std::optional<Submission> last_submission;
  std::optional<RerunChanges> last_changes;
  std::optional<ListQuery> last_query;
  std::string log =
      "2026-11-21T01:29:00.123456Z 0o F first\n2026-11-21T01:29:00.123457Z 1e P half\n"
      "2026-11-21T01:29:00.123458Z 1e F  rest\n";
  std::string output = std::string(600'000, 'x') + "end";
  std::map<std::string, std::string> blobs;
  std::vector<Event> all_events;

 private:
  static Error missing(std::string what) {
    return {Errc::not_found, std::move(what), "it is not there", "list what there is"};
  }
  Result<Entry> find(ExperimentId id) const {
    if (id == one_.id) return Entry{one_};
    if (id == set_.id) return Entry{set_};
    if (id == member_.id) return Entry{member_};
    return missing("no experiment " + to_string(id));
  }

  ExperimentRecord one_, member_;
  SetRecord set_;
  uint64_t next_id_ = 100;
  std::map<std::string, uint64_t> keys_;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> waiting_;
};

}  // namespace troupe::api
