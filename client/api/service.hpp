// What the public API can do, in core types: the HTTP and RPC fronts call it, the gateway
// implements it. All of it lives on the KJ thread of the gateway. Nothing here blocks for longer
// than a read of the ledger.
#pragma once

#include "client/api/dataset_service.hpp"
#include "client/api/storage_service.hpp"
#include "client/api/trial_service.hpp"
#include "runtime/core/record.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

#include <kj/async.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace troupe::api {

/// Who asks. A job's own token reaches only its experiment and the set around it.
struct Caller {
  std::string user;
  bool admin = false;
  std::optional<ExperimentId> job;
};

struct Submitted {
  ExperimentId id;
  bool is_set = false;
  uint64_t size = 1;      // members of a set
  bool repeated = false;  // the idempotency key was known: this is the earlier one
};

using Entry = std::variant<ExperimentRecord, SetRecord>;

struct ListQuery {
  std::optional<std::string> project;
  std::optional<State> state;
  std::optional<ExperimentId> set;  // the members of this set, lowest number first
  bool live = false;                // only what has not ended
  uint32_t limit = 50;              // at most limits::page_max
  std::string page_token;           // empty: from the newest
};
struct Listing {
  std::vector<Entry> entries;   // newest first
  std::string next_page_token;  // empty: the end
};

/// Why something waits: every reason, the main one first.
struct Waiting {
  State state = State::queued;
  std::vector<std::string> reasons;
  std::string expected_start;       // RFC 3339, or empty where nobody can know
  std::string starts_now_with;      // "with 2 cpus: now", or empty
  std::vector<std::string> data;    // what it reads, and how much of that must travel
  std::vector<std::string> search;  // of a member: why its point was chosen, why it was stopped
};

/// What came of deriving a set's search again.
struct SearchReplay {
  ExperimentId set;
  std::string strategy;
  uint64_t suggestions = 0, reports = 0, differences = 0;
  std::vector<std::string> first;  // of the differences, in words
};

struct LogChunk {
  std::string bytes;         // whole lines of the log store's text form
  uint64_t next_offset = 0;  // ask for this next
  bool end = false;          // nothing will ever follow
};

struct MetricPoint {
  double step = 0;
  double value = 0;
  Timestamp time;
};

struct OutputEntry {
  std::string path;
  uint64_t size = 0;
  Timestamp modified;
  bool is_link = false;
  std::string target;
};
struct OutputList {
  std::vector<OutputEntry> entries;  // by path
  std::string next_page_token;       // empty: the end
  bool complete = true;              // false: more on the next page, or folders too deep
  std::string note;                  // why these are others than its node has; empty: they are not
};
struct FileChunk {
  std::string bytes;
  uint64_t size = 0;  // of the whole file
};

struct GpuView {
  uint32_t index = 0;
  std::string uuid, bus, name;
  std::string closed;  // why nobody gets it; empty: it is in use
};

struct NodeView {
  std::string name;
  std::string state;   // "up", "drained", "suspect", "lost"
  std::string reason;  // of the last two, and where the head drained it
  double cpus = 0, cpus_used = 0;
  uint64_t mem = 0, mem_used = 0;
  uint32_t gpus = 0, gpus_used = 0;
  std::string gpu_type;
  uint64_t gpu_mem = 0;                   // of each GPU
  std::vector<ExperimentId> experiments;  // that have jobs there, at most experiments_max
  static constexpr size_t experiments_max = 1000;
  uint32_t jobs = 0;
  std::string version;
  Timestamp joined;
  std::map<std::string, std::string> labels;
  std::vector<std::string> failures;      // of experiments there, counted against it
  std::optional<int64_t> clock_ahead_ms;  // of the head's clock, when it last joined
  std::optional<NodeCache> cache;         // none: it has not said yet
  std::string topology;                   // JSON; empty: not known
  std::vector<GpuView> devices;
  std::vector<std::string> drift;  // what receipts showed far below usual there
};

/// Changes for a rerun: parameters by name, and options that replace the spec's (the same keys as a
/// submission).
struct RerunChanges {
  std::map<std::string, Value> params;
  Value options;  // null or a map in the form of an API submission
  std::string key;
};

struct EventPage {
  std::vector<Event> events;
  uint64_t last = 0;  // the newest event number there is
};

class Service : public DatasetService, public StorageService, public TrialService {
 public:
  /// The token of a request. unauthenticated where it is not known.
  virtual Result<Caller> authenticate(const std::string& token) = 0;

  virtual kj::Promise<Result<Submitted>> submit(const Caller& caller, Submission submission) = 0;
  /// One durable step for all; each succeeds or fails by itself.
  virtual kj::Promise<std::vector<Result<Submitted>>> submit_many(
      const Caller& caller, std::vector<Submission> submissions) = 0;
  virtual kj::Promise<Result<Submitted>> rerun(const Caller& caller, ExperimentId id,
                                               RerunChanges changes) = 0;
  /// Answers when the wish is durable; the end itself comes as an event. Killing what has ended is
  /// no error.
  virtual kj::Promise<Result<Entry>> kill(const Caller& caller, ExperimentId id) = 0;

  virtual Result<Entry> show(const Caller& caller, ExperimentId id) = 0;
  virtual Result<Listing> list(const Caller& caller, const ListQuery& query) = 0;
  /// The newest top-level id of the caller in a project; not_found where there is none.
  virtual Result<ExperimentId> last(const Caller& caller, const std::string& project) = 0;
  virtual kj::Promise<Result<Waiting>> why(const Caller& caller, ExperimentId id) = 0;
  virtual kj::Promise<Result<SearchReplay>> replay(const Caller& caller, ExperimentId set) = 0;

  /// Whole lines from `offset` on, at most `limit` bytes. With `wait`, holds the answer until there
  /// is something, the log has ended, or some seconds have passed (then it is empty without `end`).
  virtual kj::Promise<Result<LogChunk>> logs(const Caller& caller, const JobId& job,
                                             uint64_t offset, uint32_t limit, bool wait) = 0;
  /// Where to begin to get about the last `lines` lines.
  virtual kj::Promise<Result<uint64_t>> log_tail_offset(const Caller& caller, const JobId& job,
                                                        uint32_t lines) = 0;

  virtual Result<std::vector<std::string>> metric_names(const Caller& caller, ExperimentId id) = 0;
  /// In order of arrival, at most `limit` points, evenly thinned where there are more.
  virtual Result<std::vector<MetricPoint>> metric(const Caller& caller, ExperimentId id,
                                                  const std::string& name, uint32_t limit) = 0;

  /// At most `limit` files; from the beginning where the token is empty.
  virtual kj::Promise<Result<OutputList>> outputs(const Caller& caller, ExperimentId id,
                                                  std::string page_token, uint32_t limit) = 0;
  virtual kj::Promise<Result<FileChunk>> read_output(const Caller& caller, ExperimentId id,
                                                     std::string path, uint64_t offset,
                                                     uint32_t limit) = 0;

  /// Code snapshots: which of these file digests are not stored yet; store one; store the manifest,
  /// which answers with the snapshot's digest; read both back.
  virtual Result<std::vector<std::string>> missing_blobs(const Caller& caller,
                                                         std::vector<std::string> digests) = 0;
  virtual kj::Promise<Result<void>> put_blob(const Caller& caller, std::string digest,
                                             std::string bytes) = 0;
  virtual kj::Promise<Result<std::string>> put_manifest(const Caller& caller, std::string text) = 0;
  virtual Result<std::string> get_manifest(const Caller& caller, const std::string& digest) = 0;
  virtual Result<FileChunk> get_blob(const Caller& caller, const std::string& digest,
                                     uint64_t offset, uint32_t limit) = 0;

  virtual kj::Promise<Result<std::vector<NodeView>>> nodes(const Caller& caller) = 0;
  /// Whether a node takes no more jobs; what runs there goes on. Holds across restarts.
  virtual kj::Promise<Result<void>> drain_node(const Caller& caller, std::string node,
                                               bool drained);
  /// Sets labels of a node; an empty value removes one.
  virtual kj::Promise<Result<void>> label_node(const Caller& caller, std::string node,
                                               std::map<std::string, std::string> labels);
  /// Takes a node's certificate back and cuts it off; what ran there counts as lost.
  virtual Result<void> remove_node(const Caller& caller, const std::string& node);
  /// A token with which one machine may join as a worker.
  virtual Result<std::string> join_token(const Caller& caller, Duration life);

  /// Events with numbers above `after`, oldest first.
  virtual Result<EventPage> events(const Caller& caller, uint64_t after, uint32_t limit) = 0;
  /// Resolves when the newest event number is above `after`.
  virtual kj::Promise<void> events_after(uint64_t after) = 0;

  /// OpenMetrics text.
  virtual std::string metrics_page() = 0;
  virtual std::string version() = 0;
};

}  // namespace troupe::api
