#include "client/cpp/client.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/limits.hpp"

#include <fmt/format.h>

#include <charconv>

namespace troupe::client {

namespace {

const std::string experiments = "/api/v1/experiments";
/// A show of a set with 1,000 members, or a page of that many experiments.
constexpr JsonLimits answer_limits{128u << 20, 64};
constexpr uint32_t log_page_bytes = 1u << 20;

std::string route(ExperimentId id, std::string_view rest = {}) {
  return fmt::format("{}/{}{}", experiments, to_string(id), rest);
}

Result<Value> json_of(const HttpResponse& answer, const std::string& path) {
  auto value = parse_json(answer.body, answer_limits);
  if (value) return value;
  return Error{Errc::bug, fmt::format("the head's answer to {} cannot be read", path),
               value.error().detail, "are both of the same version? see `troupe version`"};
}

Result<std::string> text_field(const Result<Value>& answer, std::string_view key) {
  if (!answer) return answer.error();
  const auto* field = answer->find(key);
  if (field == nullptr || !field->is_string())
    return Error{Errc::bug, fmt::format("the head's answer has no {}", key), "",
                 "are both of the same version? see `troupe version`"};
  return field->as_string();
}

uint64_t number_of(const std::string& text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

void LineSplitter::add(std::string_view bytes, const std::function<void(std::string_view)>& line) {
  rest_.append(bytes);
  size_t from = 0;
  for (size_t end; (end = rest_.find('\n', from)) != std::string::npos; from = end + 1)
    line(std::string_view{rest_}.substr(from, end - from));
  rest_.erase(0, from);
}

void EventParser::add(std::string_view bytes,
                      const std::function<void(std::string_view data)>& event) {
  lines_.add(bytes, [&](std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) {
      if (!data_.empty()) event(data_);
      data_.clear();
    } else if (line.starts_with("data:")) {
      line.remove_prefix(line.starts_with("data: ") ? 6 : 5);
      if (!data_.empty()) data_.push_back('\n');
      data_.append(line);
    }
  });
}

Result<std::unique_ptr<Client>> Client::connect(const Endpoint& endpoint) {
  auto address = parse_url(endpoint.url);
  if (!address) return std::move(address).error();
  return std::unique_ptr<Client>{new Client{std::move(*address), endpoint}};
}

Client::Client(Address address, const Endpoint& endpoint)
    : url_{endpoint.url}, http_{std::move(address), endpoint.url, endpoint.token} {}

Result<Value> Client::get(const std::string& path) {
  HttpRequest request;
  request.path = path;
  request.headers.emplace_back("Accept", "application/json");
  return ask(request);
}

Result<Value> Client::ask(const HttpRequest& request) {
  auto answer = http_.send(request);
  if (!answer) return std::move(answer).error();
  return json_of(*answer, request.path);
}

Result<Value> Client::post(const std::string& path, const Value& body, const std::string& key) {
  HttpRequest request;
  request.method = "POST";
  request.path = path;
  request.body = body.is_null() ? "" : json_text(body);
  if (!body.is_null()) request.content_type = "application/json";
  if (!key.empty()) request.headers.emplace_back("Idempotency-Key", key);
  return ask(request);
}

Result<Value> Client::submit(const Submission& submission) {
  // Our own key where the user gave none: a repetition after a lost connection makes no second one.
  auto key = submission.key.empty() ? hex(random_bytes(16)) : submission.key;
  const auto* path = submission.sweep ? "/api/v1/sets" : "/api/v1/experiments";
  return post(path, submission_value(submission), key);
}

Result<Value> Client::rerun(ExperimentId id, const ValueMap& params, const ValueMap& options,
                            const std::string& key) {
  ValueMap body;
  if (!params.empty()) body.emplace("params", params);
  if (!options.empty()) body.emplace("options", options);
  return post(route(id, ":rerun"), body, key.empty() ? hex(random_bytes(16)) : key);
}

Result<Value> Client::kill(ExperimentId id) {
  return post(route(id, ":kill"), Value{});
}

Result<Value> Client::show(ExperimentId id) {
  return get(route(id));
}

Result<Value> Client::list(const ListOptions& options) {
  std::string query = fmt::format("?limit={}", options.limit);
  auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) query += fmt::format("&{}={}", name, url_encode(value));
  };
  add("project", options.project);
  add("state", options.state);
  add("set", options.set);
  if (options.live) query += "&live=true";
  add("page_token", options.page_token);
  return get(experiments + query);
}

Result<ValueList> Client::list_all(ListOptions options, size_t most) {
  ValueList all;
  while (all.size() < most) {
    options.limit = static_cast<uint32_t>(std::min<size_t>(limits::page_max, most - all.size()));
    auto page = list(options);
    if (!page) return std::move(page).error();
    if (const auto* entries = page->find("experiments"); entries != nullptr && entries->is_list())
      all.insert(all.end(), entries->as_list().begin(), entries->as_list().end());
    const auto* next = page->find("next_page_token");
    if (next == nullptr || !next->is_string() || next->as_string().empty()) break;
    options.page_token = next->as_string();
  }
  return all;
}

Result<ExperimentId> Client::last(const std::string& project) {
  auto id = text_field(get(experiments + "/last?project=" + url_encode(project)), "id");
  if (!id) return std::move(id).error();
  return parse_experiment_id(*id);
}

Result<Value> Client::why(ExperimentId id) {
  return get(route(id, "/why"));
}

Result<Value> Client::replay(ExperimentId set) {
  return get(fmt::format("/api/v1/sets/{}/replay", to_string(set)));
}

Result<Value> Client::metric_names(ExperimentId id) {
  return get(route(id, "/metrics"));
}

Result<Value> Client::metric(ExperimentId id, const std::string& name, uint32_t limit) {
  return get(route(id, fmt::format("/metrics?name={}&limit={}", url_encode(name), limit)));
}

Result<Value> Client::outputs(ExperimentId id) {
  ValueList outputs;
  std::string query;
  while (true) {
    auto page = get(route(id, "/outputs" + query));
    if (!page) return page;
    if (auto* rows = page->find("outputs"); rows != nullptr && rows->is_list())
      for (const auto& row : rows->as_list()) outputs.push_back(row);
    const auto* next = page->find("next_page_token");
    const auto* complete = page->find("complete");
    if (next == nullptr || !next->is_string() || next->as_string().empty()) {
      ValueMap all{{"outputs", std::move(outputs)},
                   {"complete", complete != nullptr ? *complete : Value{true}}};
      if (const auto* note = page->find("note"); note != nullptr) all.emplace("note", *note);
      return Value{std::move(all)};
    }
    query = "?page_token=" + url_encode(next->as_string());
  }
}

Result<Value> Client::nodes() {
  return get("/api/v1/nodes");
}

Result<Value> Client::node(const std::string& name) {
  return get("/api/v1/nodes/" + url_encode(name));
}

Result<Value> Client::whoami() {
  return get("/api/v1/whoami");
}

Result<Value> Client::version() {
  return get("/api/v1/version");
}

Result<uint64_t> Client::last_event() {
  auto page = get("/api/v1/events?after=0&limit=1");
  if (!page) return std::move(page).error();
  const auto* last = page->find("last");
  return last != nullptr && last->is_int() ? static_cast<uint64_t>(last->as_int()) : 0;
}

Result<LogPage> Client::logs(ExperimentId id, const std::string& job, uint64_t offset,
                             uint64_t tail) {
  HttpRequest request;
  request.path = route(id, fmt::format("/logs?job={}&limit={}", url_encode(job), log_page_bytes));
  if (tail != 0)
    request.path += fmt::format("&tail={}", tail);
  else
    request.path += fmt::format("&offset={}", offset);
  request.headers.emplace_back("Accept", "application/x-ndjson");
  auto answer = http_.send(request);
  if (!answer) return std::move(answer).error();
  LogPage page;
  page.next_offset = number_of(answer->header("x-troupe-next-offset"));
  page.end = answer->header("x-troupe-log-end") == "true";
  std::optional<Error> failure;
  LineSplitter splitter;
  splitter.add(answer->body, [&](std::string_view line) {
    auto value = parse_json(line);
    if (value)
      page.lines.push_back(std::move(*value));
    else
      failure = value.error();
  });
  if (failure) return *failure;
  return page;
}

std::unique_ptr<Stream> Client::follow_logs(ExperimentId id, const std::string& job,
                                            uint64_t offset, uint64_t tail, OnValue line,
                                            OnEnd end) {
  HttpRequest request;
  request.path = route(id, fmt::format("/logs?job={}&follow=true", url_encode(job)));
  if (tail != 0)
    request.path += fmt::format("&tail={}", tail);
  else
    request.path += fmt::format("&offset={}", offset);
  request.headers.emplace_back("Accept", "application/x-ndjson");
  auto splitter = std::make_shared<LineSplitter>();
  auto bytes = [splitter, line = std::move(line)](std::string_view piece) {
    splitter->add(piece, [&](std::string_view text) {
      if (auto value = parse_json(text)) line(*value);
    });
  };
  return http_.open(request, {bytes, std::move(end)});
}

std::unique_ptr<Stream> Client::follow_events(uint64_t after, OnValue event, OnEnd end) {
  HttpRequest request;
  request.path = fmt::format("/api/v1/events?after={}", after);
  request.headers.emplace_back("Accept", "text/event-stream");
  auto parser = std::make_shared<EventParser>();
  auto bytes = [parser, event = std::move(event)](std::string_view piece) {
    parser->add(piece, [&](std::string_view data) {
      if (auto value = parse_json(data)) event(*value);
    });
  };
  return http_.open(request, {bytes, std::move(end)});
}

std::unique_ptr<Stream> Client::read_output(ExperimentId id, const std::string& path,
                                            std::function<void(std::string_view)> bytes,
                                            OnEnd end) {
  HttpRequest request;
  request.path = route(id, "/outputs/" + url_encode(path, true));
  return http_.open(request, {std::move(bytes), std::move(end)});
}

Result<std::vector<std::string>> Client::missing_blobs(const std::vector<std::string>& digests) {
  return missing("/api/v1/code:missing", digests);
}

Result<std::vector<std::string>> Client::missing(const std::string& path,
                                                 const std::vector<std::string>& digests) {
  std::vector<std::string> lacking;
  // 1 MiB is the limit of a body; a digest takes 67 bytes of it.
  constexpr size_t batch = 10'000;
  for (size_t from = 0; from < digests.size(); from += batch) {
    auto to = std::min(digests.size(), from + batch);
    ValueList list(digests.begin() + static_cast<ptrdiff_t>(from),
                   digests.begin() + static_cast<ptrdiff_t>(to));
    auto answer = post(path, ValueMap{{"digests", std::move(list)}}, "q");
    if (!answer) return std::move(answer).error();
    if (const auto* found = answer->find("missing"); found != nullptr && found->is_list())
      for (const auto& digest : found->as_list()) lacking.push_back(digest.to_text());
  }
  return lacking;
}

HttpRequest Client::blob_upload(const std::string& digest, std::string bytes) {
  return upload("/api/v1/code/blobs/" + digest, std::move(bytes));
}

HttpRequest Client::upload(std::string path, std::string bytes) {
  HttpRequest request;
  request.method = "PUT";
  request.path = std::move(path);
  request.body = std::move(bytes);
  request.content_type = "application/octet-stream";
  return request;
}

Result<std::string> Client::put_manifest(const std::string& text) {
  HttpRequest request;
  request.method = "POST";
  request.path = "/api/v1/code/manifests";
  request.body = text;
  request.content_type = "text/plain";
  auto answer = http_.send(request);
  if (!answer) return std::move(answer).error();
  return text_field(json_of(*answer, request.path), "digest");
}

Result<std::string> Client::get_manifest(const std::string& digest) {
  HttpRequest request;
  request.path = "/api/v1/code/manifests/" + digest;
  auto answer = http_.send(request);
  if (!answer) return std::move(answer).error();
  return std::move(answer->body);
}

Result<std::string> Client::get_blob(const std::string& digest) {
  HttpRequest request;
  request.path = "/api/v1/code/blobs/" + digest;
  auto answer = http_.send(request);
  if (!answer) return std::move(answer).error();
  return std::move(answer->body);
}

}  // namespace troupe::client
