// The public API of a head as functions: what the command line, and any C++ program, calls. Answers
// are JSON values in the form of docs/reference/http.md. Every call blocks until the head has
// answered; what the head refuses, and a head that cannot be reached (unavailable), is an Error.
// One per thread (see http_client.hpp).
#pragma once

#include "client/cpp/context.hpp"
#include "client/cpp/http_client.hpp"
#include "runtime/core/ids.hpp"
#include "runtime/core/spec.hpp"
#include "runtime/core/state.hpp"
#include "runtime/core/value.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::client {

/// Which experiments and sets, newest first; what is empty does not choose.
struct ListOptions {
  std::string project;
  std::string state;       // "RUNNING"
  std::string set;         // the members of this one, lowest first
  bool live = false;       // those that have not ended
  uint32_t limit = 50;     // entries of a page
  std::string page_token;  // `next_page_token` of the page before
};

/// A version of a dataset whose blocks are stored.
struct DatasetPush {
  std::string name;
  std::string manifest;  // canonical bytes; empty: the head makes it of the outputs of `from`
  std::string source;    // what was pushed, for people
  std::string from;      // the experiment whose outputs it is made of
  std::string tag;       // that shall stand for it
};

/// Whole lines, and where to go on.
struct LogPage {
  std::vector<Value> lines;
  uint64_t next_offset = 0;  // for logs()
  bool end = false;          // nothing will ever follow
};

/// Cuts a growing text into lines; keeps the unfinished rest.
class LineSplitter {
 public:
  /// Calls `line` for each line without its end.
  void add(std::string_view bytes, const std::function<void(std::string_view)>& line);

 private:
  std::string rest_;
};

/// Server-sent events: calls `event` with the data of each.
class EventParser {
 public:
  void add(std::string_view bytes, const std::function<void(std::string_view data)>& event);

 private:
  LineSplitter lines_;
  std::string data_;
};

class Client {
 public:
  static Result<std::unique_ptr<Client>> connect(const Endpoint& endpoint);

  /// Answers {id, kind, size, repeated}. Where the submission has no key, a repetition after a lost
  /// connection makes no second one all the same.
  Result<Value> submit(const Submission& submission);
  /// Submits the same again, with other parameters and options (the form of a submission); answers
  /// as submit.
  Result<Value> rerun(ExperimentId id, const ValueMap& params, const ValueMap& options,
                      const std::string& key);
  /// Answers it as it is once its end is certain, usually KILLING.
  Result<Value> kill(ExperimentId id);
  Result<Value> show(ExperimentId id);
  Result<Value> list(const ListOptions& options);
  /// All pages of list, at most `most` entries.
  Result<ValueList> list_all(ListOptions options, size_t most);
  /// This user's newest in a project.
  Result<ExperimentId> last(const std::string& project);
  /// What it waits for.
  Result<Value> why(ExperimentId id);
  /// Derives every decision of a set's search again: what came of it.
  Result<Value> replay(ExperimentId set);
  /// Points of a set whose members are run elsewhere: {trials [{id, trial, params}], done, reason}.
  /// Without a key a repetition after a lost connection gets the same ones all the same.
  Result<Value> ask_trials(ExperimentId set, uint32_t count = 1, const std::string& key = {});
  /// Those that were asked for and not told yet.
  Result<Value> pending_trials(ExperimentId set);
  /// {changes {concurrency, ...}, add [{x: 0.5}], skip [7]}; the set as it is then.
  Result<Value> change_set(ExperimentId set, ValueMap change);
  /// What came of one, or with State::running how far it has come: {state, stop, reason, best,
  /// done}.
  Result<Value> tell_trial(ExperimentId set, uint32_t trial, const ValueMap& metrics,
                           State state = State::finished);
  Result<Value> metric_names(ExperimentId id);
  /// Its points in order of arrival; evenly thinned to `limit` where there are more.
  Result<Value> metric(ExperimentId id, const std::string& name, uint32_t limit);
  /// {outputs [{path, ...}], complete, note}, of all pages.
  Result<Value> outputs(ExperimentId id);
  Result<Value> nodes();
  Result<Value> node(const std::string& name);
  /// `what`: "drain" or "resume".
  Result<void> change_node(const std::string& node, const std::string& what);
  Result<void> label_node(const std::string& node, const ValueMap& labels);
  Result<std::string> join_token(uint64_t life_s);
  Result<Value> whoami();
  Result<Value> version();
  /// The number of the newest event.
  Result<uint64_t> last_event();

  /// `job` as "worker.0". With `tail`, begins about so many lines before the end.
  Result<LogPage> logs(ExperimentId id, const std::string& job, uint64_t offset, uint64_t tail = 0);

  using OnValue = std::function<void(const Value&)>;
  using OnEnd = std::function<void(Result<void>)>;
  /// One JSON value a line of the log, until the log ends.
  std::unique_ptr<Stream> follow_logs(ExperimentId id, const std::string& job, uint64_t offset,
                                      uint64_t tail, OnValue line, OnEnd end);
  /// Events after a number, for ever.
  std::unique_ptr<Stream> follow_events(uint64_t after, OnValue event, OnEnd end);
  /// The bytes of one output file.
  std::unique_ptr<Stream> read_output(ExperimentId id, const std::string& path,
                                      std::function<void(std::string_view)> bytes, OnEnd end);

  Result<std::vector<std::string>> missing_blobs(const std::vector<std::string>& digests);
  Result<std::string> put_manifest(const std::string& text);
  Result<std::string> get_manifest(const std::string& digest);
  Result<std::string> get_blob(const std::string& digest);
  /// The request that stores one file; for HttpClient::send_all.
  static HttpRequest blob_upload(const std::string& digest, std::string bytes);

  Result<std::vector<std::string>> missing_blocks(const std::vector<std::string>& digests);
  /// The request that stores one block; for HttpClient::send_all.
  static HttpRequest block_upload(const std::string& digest, std::string bytes);
  Result<std::string> get_block(const std::string& digest);
  /// Makes a version whose blocks are stored; answers it. conflict where some are missing.
  Result<Value> push_dataset(const DatasetPush& push);
  /// The newest version of each.
  Result<ValueList> datasets();
  /// All versions and tags of one.
  Result<Value> dataset(const std::string& name);
  /// By number or tag; the newest where `which` is empty.
  Result<Value> dataset_version(const std::string& name, const std::string& which);
  Result<std::string> dataset_manifest(const std::string& name, const std::string& which);
  Result<void> drop_dataset(const std::string& name, const std::string& version);
  /// Lets nodes fetch it (none named: all that are up); where it lies then.
  Result<Value> warm_dataset(const std::string& name, const std::string& version,
                             const std::vector<std::string>& nodes);
  /// Version 0 removes the tag.
  Result<void> tag_dataset(const std::string& name, const std::string& tag, uint32_t version);

  /// What takes how much; without asking the nodes where `head_only`.
  Result<Value> store_use(bool head_only);
  /// Reads and hashes all that is stored.
  Result<Value> check_store(bool repair, bool nodes);
  /// Removes what nothing needs; `older_than` empty: as the head's rules say.
  Result<Value> collect_store(bool dry_run, const std::optional<Duration>& older_than);

  HttpClient& http() { return http_; }
  const std::string& url() const { return url_; }

 private:
  Client(Address address, const Endpoint& endpoint);
  Result<Value> get(const std::string& path);
  Result<Value> post(const std::string& path, const Value& body, const std::string& key = {});
  Result<Value> ask(const HttpRequest& request);
  Result<std::vector<std::string>> missing(const std::string& path,
                                           const std::vector<std::string>& digests);
  static HttpRequest upload(std::string path, std::string bytes);
  Result<void> tell(const std::string& path, const Value& body);

  std::string url_;
  HttpClient http_;
};

/// A submission in the form the HTTP API takes.
Value submission_value(const Submission& submission);

}  // namespace troupe::client
