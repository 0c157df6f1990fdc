// Every role's messages: the interface of each actor, one line of comment a handler. Types ending
// in `Ref` are shared pointers that never leave the process.
#pragma once

#include "actors/atoms.hpp"
#include "client/api/service.hpp"
#include "runtime/cluster/link_server.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/lease.hpp"
#include "runtime/core/record.hpp"
#include "runtime/process/launcher.hpp"
#include "runtime/schedule/scheduler.hpp"
#include "runtime/wire/errors.hpp"
#include "runtime/wire/messages.hpp"
#include "storage/ledger.hpp"
#include "storage/series_store.hpp"

#include <caf/all.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace troupe::actors {

/// A value shared inside the process; CAF sees an opaque handle.
template <class T>
struct Shared {
  std::shared_ptr<T> value;

  T& operator*() const { return *value; }
  T* operator->() const { return value.get(); }
};

template <class T>
auto share(T value) {
  return Shared<T>{std::make_shared<T>(std::move(value))};
}

/// A link to the head: CAF's end, and what the head said of itself.
struct HeadLink {
  UniqueFd fd;
  cluster::LinkHello head;
};

/// Changes of the ledger that become durable together.
struct Mutations {
  std::vector<storage::Mutation> list;

  // The ledger actor's own: the newest event number when they became durable.
  std::optional<uint64_t> written{};
};

/// What the stager makes ready, and then starts, for one job.
struct Staging {
  std::shared_ptr<const JobOrder> order;
  std::shared_ptr<const struct HeldData> data;  // none where it reads none
  std::shared_ptr<process::Launcher> launcher;
  /// Not negative: it is to be stopped, with that grace. Set by the job; a message would have to
  /// wait behind the very work that it is to end. The stager looks before it starts and once more
  /// behind it: a stop that the job sent itself may have come to the launcher before the start.
  std::atomic<int64_t> stop_grace_ms{-1};
  LeaseTerm lease;  // where it is exclusive
};

/// In the order of the calls.
using TrialAnswers = std::vector<std::variant<Result<api::Asked>, Result<api::Told>>>;

using MutationsRef = Shared<Mutations>;
using ChunksRef = Shared<std::vector<storage::SeriesChunk>>;
using SubmitRef = Shared<struct SubmitBatch>;
using SubmittedRef = Shared<std::vector<Result<api::Submitted>>>;
using NodeSpecRef = Shared<schedule::NodeSpec>;
using RequestRef = Shared<schedule::Request>;
using PlacementRef = Shared<schedule::Placement>;
using JobPlacesRef = Shared<std::vector<schedule::JobPlace>>;
using RecordRef = Shared<const ExperimentRecord>;
using WaitingRef = Shared<api::Waiting>;
using NodeViewsRef = Shared<std::vector<api::NodeView>>;
using RunStatusRef = Shared<process::RunStatus>;
using BlobRef = Shared<std::pair<std::string, std::string>>;  // digest and bytes
using TextRef = Shared<std::string>;
using RunStatusesRef = Shared<std::vector<process::RunStatus>>;
using LabelsRef = Shared<std::map<std::string, std::string>>;
using StagingRef = Shared<Staging>;
using JobKeysRef = Shared<std::vector<JobKey>>;
using DatasetPushRef = Shared<std::pair<std::string, api::DatasetPush>>;  // user and push
using DatasetVersionRef = Shared<DatasetVersion>;
using CheckRequestRef = Shared<const api::StoreCheckRequest>;
using StoreCheckRef = Shared<api::StoreCheck>;
using CollectRequestRef = Shared<const api::CollectRequest>;
using CollectionRef = Shared<api::Collection>;
using StoreUseRef = Shared<api::StoreUse>;
using OrderRef = Shared<const JobOrder>;
using FilledRef = Shared<struct Filled>;
using HeldDataRef = Shared<struct HeldData>;
using CacheReportRef = Shared<const CacheReport>;
using CacheWishesRef = Shared<const CacheWishes>;
using FoundRef = Shared<std::vector<CachedVersion>>;
using VictimsRef = Shared<std::vector<std::string>>;
using WarmRef = Shared<struct Warm>;
using ResumeRef = Shared<struct Resume>;
using MemberReportsRef = Shared<struct MemberReports>;
using SearchReplayRef = Shared<api::SearchReplay>;
using TrialCallsRef = Shared<const struct TrialCalls>;
using SetChangeRef = Shared<const api::SetChange>;
using FollowedRef = Shared<const struct Followed>;
using TrialAnswersRef = Shared<TrialAnswers>;
using DriftRef = Shared<const std::set<std::string>>;  // nodes
using LinkRef = Shared<cluster::Link>;
using HeadLinkRef = Shared<HeadLink>;

/// Submissions that become durable in one step.
struct SubmitBatch {
  std::string user;
  std::vector<Submission> submissions;
  std::vector<std::string> rerun_of;  // by submission; may be empty
};

/// What people ask of one set whose members they run themselves, and tell of it.
struct TrialCalls {
  struct Call {
    std::string user;
    std::variant<api::AskRequest, api::TellRequest> request;
    std::string cause{};  // of an end, in words; empty: it was told
  };

  uint64_t top = 0;
  std::vector<Call> calls;
};

/// Nodes that are to fetch a dataset version.
struct Warm {
  std::string digest;
  std::vector<std::string> nodes;  // empty: all that are up; filled in by who answers
};

/// What a new attempt may go on from.
struct Resume {
  std::vector<ResumeChoice> choices;  // the newest first
  std::string note;                   // why not from a newer one; empty: there is none
};

/// A metric, and the one that says how far a member is.
struct Followed {
  std::string metric;
  std::string resource;  // a metric's name, or "step": that of each report
};

/// What a member of a set with early stopping has reported, in its order.
struct MemberReports {
  struct Report {
    double resource = 0;
    double value = 0;
  };

  ExperimentId id;
  std::vector<Report> reports;
};

}  // namespace troupe::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::MutationsRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::ChunksRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::SubmitRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::SubmittedRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::NodeSpecRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::RequestRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::PlacementRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::JobPlacesRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::RecordRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::WaitingRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::NodeViewsRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::RunStatusRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::RunStatusesRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::BlobRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::TextRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::LabelsRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::StagingRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::JobKeysRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::DatasetPushRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::DatasetVersionRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::CheckRequestRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::StoreCheckRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::CollectRequestRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::CollectionRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::StoreUseRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::OrderRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::FilledRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::HeldDataRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::CacheReportRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::CacheWishesRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::FoundRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::VictimsRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::WarmRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::ResumeRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::MemberReportsRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::SearchReplayRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::TrialCallsRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::SetChangeRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::FollowedRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::TrialAnswersRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::DriftRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::LinkRef)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::actors::HeadLinkRef)

namespace troupe::actors {

/// What every long-lived actor answers: a line about itself, for people.
using status_actor = caf::typed_actor<caf::replies_to<status_atom>::with<std::string>>;

/// Runs jobs on one machine. Event-based; what blocks is done by its stager.
using node_actor = caf::typed_actor<
    caf::reacts_to<start_atom, JobOrder>,            // begin a job; a known key changes nothing
    caf::reacts_to<stop_atom, JobKey, uint32_t>,     // end it, SIGKILL after so many milliseconds
    caf::reacts_to<phase_atom, JobKey, PhaseStart>,  // the gang may begin this line of `run`
    caf::reacts_to<forget_atom, JobKey>,             // its end is recorded: drop what is kept of it
    caf::replies_to<log_atom, JobId, uint64_t, bool>::with<LogStatus>,  // offset; wait for more
                                                                        // than that
    caf::reacts_to<known_atom, RunStatusesRef>,  // INTERNAL: the launcher is there, with these runs
    caf::reacts_to<launched_atom, RunStatusRef>,  // INTERNAL: a run started, ended or was not
                                                  // started
    caf::reacts_to<logged_atom, std::string, uint64_t>,  // INTERNAL: the log of a run grew to so
                                                         // many bytes
    caf::reacts_to<gone_atom, JobKey>,                   // INTERNAL: a job actor is done
    caf::reacts_to<stuck_atom, RunStatusRef>,  // INTERNAL: these processes do not end although they
                                               // were killed
    caf::reacts_to<fetch_atom, CacheWishes>,   // datasets to bring before a job asks for them
    caf::reacts_to<forget_atom, CheckpointDrop>,  // its rule keeps these no longer
    caf::reacts_to<devices_atom, GpuReport>,      // INTERNAL: all its GPUs, as one has changed
    caf::reacts_to<devices_atom, JobKey, std::string>,  // INTERNAL: what went bad below this job
    caf::reacts_to<tick_atom>,            // INTERNAL: time for the jobs to look at their metrics
    caf::reacts_to<lease_atom, int64_t>,  // INTERNAL: the head answered a beat that was sent then
                                          // (nanoseconds, monotonic)
    caf::reacts_to<linked_atom, std::string>,  // INTERNAL: the head can be reached (again), and
                                               // this is its API: say hello
    caf::reacts_to<leave_atom>                 // end in order: stop the launcher client, quit
    >::extend_with<status_actor>;

/// Where a node introduces itself.
using hello_port =
    caf::typed_actor<caf::replies_to<hello_atom, NodeHello, node_actor>::with<NodeWelcome>,
                     // node, what there cannot be killed, in words; empty: nothing any more
                     caf::reacts_to<stuck_atom, std::string, std::string>,
                     caf::reacts_to<cache_atom, std::string, CacheReport>,   // node, all it keeps
                     caf::reacts_to<devices_atom, std::string, GpuReport>>;  // node, all its GPUs

/// Where a node tells what becomes of its jobs.
using report_port = caf::typed_actor<caf::reacts_to<update_atom, JobUpdate>,
                                     caf::reacts_to<metrics_atom, MetricBatch>>;

/// The head's end of one link, and all that a worker of another process can reach of the head. It
/// knows the worker's name from its certificate, and lets it speak for itself alone.
using desk_actor = hello_port::extend_with<report_port>::extend<
    caf::replies_to<beat_atom, uint64_t>::with<bool>,  // the worker lives; counted. Whether the
                                                       // head goes by that
    caf::replies_to<goodbye_atom>::with<bool>          // it is being stopped; its jobs go on
    >;

/// Where the scheduler sends its decisions.
using placement_sink =
    caf::typed_actor<caf::reacts_to<placed_atom, PlacementRef>,
                     caf::reacts_to<preempt_atom, ExperimentId, std::string>,  // stop it, for this
                                                                               // cause
                     caf::reacts_to<wish_atom, std::string, CacheWishesRef>    // what this node
                                                                               // should have
                     >;

}  // namespace troupe::actors

CAF_BEGIN_TYPE_ID_BLOCK(troupe_actors, caf::id_block::troupe_atoms::end)

  CAF_ADD_TYPE_ID(troupe_actors, (troupe::actors::node_actor))
  CAF_ADD_TYPE_ID(troupe_actors, (troupe::actors::placement_sink))
  CAF_ADD_TYPE_ID(troupe_actors, (troupe::actors::desk_actor))

CAF_END_TYPE_ID_BLOCK(troupe_actors)

namespace troupe::actors {

/// The worker's end of the link: stands in for the head while there is one, and says that it is
/// away while there is none.
using uplink_actor = hello_port::extend_with<report_port>::extend<
    caf::reacts_to<attach_atom, node_actor>,   // first message: who joins when there is a link
    caf::reacts_to<linked_atom, HeadLinkRef>,  // INTERNAL: a link is there
    caf::reacts_to<unlinked_atom>,             // INTERNAL: it ended
    caf::reacts_to<tick_atom, uint64_t>,       // INTERNAL: time for a beat of this link
    caf::reacts_to<leave_atom>                 // say goodbye, quit
    >;

/// All links of the head: gives each its desk.
using links_actor = caf::typed_actor<
    caf::reacts_to<linked_atom, LinkRef>,  // a worker has proved its name
    caf::reacts_to<unlinked_atom, uint64_t, std::string, std::string>,  // link, worker, cause
    caf::reacts_to<silent_atom, std::string, bool>,  // worker, whether its machine says nothing
    caf::reacts_to<leave_atom>                       // end all desks, quit
    >;

/// One job: folders, phases, exit, metrics. Lives while the job does.
using job_actor = caf::typed_actor<
    caf::reacts_to<begin_atom>,                   // first message
    caf::reacts_to<adopt_atom, RunStatusRef>,     // instead of begin: its processes exist already
    caf::reacts_to<stop_atom, uint32_t>,          // grace in milliseconds
    caf::reacts_to<phase_atom, PhaseStart>,       // the gang may begin this line of `run`
    caf::reacts_to<launched_atom, RunStatusRef>,  // its run started, ended or was not started
    caf::reacts_to<report_atom>,  // send the newest update again, to a head that came back
    caf::replies_to<status_atom>::with<JobUpdate>,  // the newest update
    caf::reacts_to<devices_atom, std::string>,      // a GPU of it went bad: why; it ends
    caf::reacts_to<tick_atom>                       // INTERNAL: look at the metrics
    >;

/// Watches the GPUs of one node: which of them may be given away, and whether they live. Detached:
/// a driver may take its time.
using gpu_watch_actor = caf::typed_actor<
    caf::reacts_to<hold_atom, OrderRef>,   // this job has its GPUs now
    caf::reacts_to<release_atom, JobKey>,  // it has ended: nothing of it may be left on them
    caf::replies_to<check_atom, JobKey>::with<std::string>,  // looks: what is wrong with a GPU of
                                                             // that job; empty: nothing
    caf::reacts_to<tick_atom>                                // INTERNAL: time to look at all
    >;

/// Does what blocks on files for one node. Detached.
using stager_actor = caf::typed_actor<
    caf::replies_to<stage_atom, StagingRef>::with<uint32_t, bool>,  // makes its folders and code
                                                                    // and starts its first line;
                                                                    // answers its slot's number
                                                                    // and whether it is started
    caf::reacts_to<clean_atom, JobKey>,       // it has ended: empties its folders, keeps its order
    caf::reacts_to<forget_atom, JobKeysRef>,  // empties their folders; their slots are free
    caf::reacts_to<forget_atom, CheckpointDrop>  // removes these, where they are as they were
    >;

/// A dataset version on a node, and the way its files are to be shown; none: the best there is.
struct DataWish {
  std::string digest;
  std::optional<MountMethod> method;
  auto operator<=>(const DataWish&) const = default;
};

/// Where the files of a version are to be found on a node.
struct DataTree {
  std::string path;
  MountMethod method = MountMethod::plain_copy;
};

/// What became of bringing a dataset version to this node.
struct Filled {
  DataWish wish;
  Result<DataTree> done = DataTree{};
  bool whole = false;  // it is on the disk, even where its files could not be shown
  bool was_here = false;
  uint64_t bytes = 0;  // on the disk
  std::vector<std::string> sources, left;
};

/// What a job reads, in the order of its data.
struct HeldData {
  std::vector<DataTree> trees;
};

/// Keeps dataset versions on one node for the jobs that read them.
using cache_actor = caf::typed_actor<
    caf::replies_to<hold_atom, JobKey, OrderRef>::with<HeldDataRef>,  // once all its data is
                                                                      // here; it stays until
    caf::reacts_to<release_atom, JobKey>,
    caf::reacts_to<fetch_atom, CacheWishes>,  // bring these before a job asks for them
    caf::reacts_to<report_atom>,              // the head knows nothing (any more): tell it all
    caf::reacts_to<found_atom, FoundRef>,     // INTERNAL: what was on the disk at the start
    caf::replies_to<room_atom, std::string, uint64_t,
                    uint64_t>::with<VictimsRef>,  // INTERNAL: digest, bytes that it needs, bytes
                                                  // the disk lacks: what has to go for them
    caf::reacts_to<progress_atom, std::string, uint64_t,
                   uint64_t>,                      // INTERNAL: digest, bytes that have come, of all
    caf::reacts_to<gone_atom, std::string, bool>,  // INTERNAL: digest, whether it was removed
    caf::reacts_to<filled_atom, FilledRef>,        // INTERNAL
    caf::reacts_to<tick_atom>,  // INTERNAL: time to look for fills that nobody goes on with
    caf::reacts_to<flush_atom>  // INTERNAL: time to tell the head what has changed
    >;

/// The only writer of the head's ledger: groups what arrives while it syncs into one commit.
/// Detached.
using ledger_actor = caf::typed_actor<
    caf::replies_to<commit_atom, MutationsRef>::with<uint64_t>,  // durable; answers the newest
                                                                 // event number
    caf::replies_to<later_atom, MutationsRef>::with<uint64_t>,   // the same, with the next commit
    caf::reacts_to<note_atom>,                                   // a first note is in the box:
                                                                 // durable soon, kept until it is
    caf::reacts_to<flush_atom>                                   // INTERNAL: commit what is waiting
    >::extend_with<status_actor>;

/// Writes metric series, some times a second. Detached.
using series_actor =
    caf::typed_actor<caf::reacts_to<metrics_atom, ChunksRef>,
                     caf::reacts_to<flush_atom>,             // INTERNAL
                     caf::replies_to<sync_atom>::with<bool>  // all that was sent before is stored
                     >::extend_with<status_actor>;

/// Takes code snapshots from clients. Detached.
using code_actor = caf::typed_actor<
    caf::replies_to<store_atom, BlobRef>::with<bool>,
    caf::replies_to<manifest_atom, TextRef>::with<std::string>  // stores it; answers the snapshot's
                                                                // digest
    >;

/// Keeps datasets: takes blocks and versions from clients. Detached.
using dataset_actor = caf::typed_actor<
    caf::replies_to<store_atom, BlobRef>::with<bool>,  // a block
    caf::replies_to<manifest_atom, DatasetPushRef>::with<DatasetVersionRef>,
    caf::replies_to<label_atom, std::string, std::string, uint32_t>::with<bool>,  // name, tag,
                                                                                  // version or 0
    caf::replies_to<leave_atom, std::string, std::string, uint32_t>::with<bool>,  // user, name,
                                                                                  // version
    caf::replies_to<find_atom, ExperimentId>::with<DatasetVersionRef>,  // its outputs as a version,
                                                                        // fetched from where it ran
    caf::replies_to<forget_atom, ExperimentId, std::string>::with<bool>,  // the version of its
                                                                          // outputs, for this
                                                                          // cause, where nothing
                                                                          // needs it
    caf::reacts_to<note_atom, RecordRef>,                        // it has these checkpoints now
    caf::replies_to<resume_atom, RecordRef>::with<ResumeRef>,    // once the newest is wherever its
                                                                 // newest attempt needs it
    caf::replies_to<why_atom, ExperimentId>::with<std::string>,  // what that waits for; empty:
                                                                 // nothing
    caf::reacts_to<lost_atom, std::string>,   // a node went: what only it had cannot be waited for
    caf::reacts_to<known_atom, std::string>,  // it came (back)
    caf::reacts_to<flush_atom>                // INTERNAL: answers of nodes have come
    >;

/// Looks after what lies on disks: counts, checks, removes what nothing needs. One thing at a time,
/// each as long as it takes. Detached.
using keeper_actor =
    caf::typed_actor<caf::replies_to<check_atom, CheckRequestRef>::with<StoreCheckRef>,
                     caf::replies_to<clean_atom, CollectRequestRef>::with<CollectionRef>,
                     caf::replies_to<usage_atom, bool>::with<StoreUseRef>,  // of nodes, too
                     caf::reacts_to<tick_atom>  // INTERNAL: time to apply the rules
                     >;

/// The queue and the placement decisions.
using scheduler_actor = caf::typed_actor<
    caf::reacts_to<attach_atom, placement_sink>,          // first message
    caf::replies_to<check_atom, RequestRef>::with<bool>,  // an error where it can never fit
    caf::reacts_to<queue_atom, RequestRef>,
    caf::replies_to<unqueue_atom, ExperimentId>::with<bool>,   // whether it was waiting
    caf::reacts_to<adopt_atom, RequestRef, JobPlacesRef>,      // runs already
    caf::reacts_to<release_atom, ExperimentId, uint32_t>,      // one job's resources are free
    caf::reacts_to<note_atom, ExperimentId>,                   // has just written a checkpoint
    caf::reacts_to<node_atom, NodeSpecRef>,                    // a node came, or changed
    caf::reacts_to<lost_atom, std::string>,                    // a node went
    caf::reacts_to<range_atom, uint64_t, uint32_t>,            // a set, and how many of its members
                                                               // are sure of a place; 0: all
    caf::reacts_to<drift_atom, DriftRef>,                      // where something is far below usual
    caf::reacts_to<open_atom>,                                 // recovery is over: begin to place
    caf::reacts_to<cached_atom, std::string, CacheReportRef>,  // what this node keeps now
    caf::reacts_to<pass_atom>,                                 // INTERNAL
    caf::reacts_to<wish_atom>,  // INTERNAL: let nodes fetch what they will need
    caf::replies_to<why_atom, ExperimentId>::with<WaitingRef>,
    caf::replies_to<nodes_atom>::with<NodeViewsRef>  // use of each node, by name
    >::extend_with<status_actor>;

/// Which nodes exist, what they have, whether they live.
using registry_actor =
    caf::typed_actor<caf::replies_to<hello_atom, NodeHello, node_actor>::with<NodeWelcome>,
                     caf::reacts_to<stuck_atom, std::string, std::string>,  // as in hello_port
                     caf::reacts_to<cache_atom, std::string, CacheReport>,  // likewise
                     caf::reacts_to<devices_atom, std::string, GpuReport>,  // likewise
                     caf::replies_to<fetch_atom, WarmRef>::with<WarmRef>,   // now they fetch it
                     caf::replies_to<find_atom, std::string>::with<node_actor>,
                     caf::replies_to<nodes_atom>::with<NodeViewsRef>,
                     caf::replies_to<sync_atom>::with<bool>,  // when all nodes that were awaited
                                                              // are here, or given up
                     caf::reacts_to<recovery_atom>,  // INTERNAL: stop waiting for nodes that are
                                                     // missing
                     caf::replies_to<beat_atom, std::string>::with<bool>,  // a node lives; whether
                                                                           // it counts as up
                     caf::reacts_to<goodbye_atom, std::string>,  // a node's worker is being stopped
                     caf::reacts_to<unlinked_atom, std::string, std::string>,  // node, cause
                     caf::reacts_to<silent_atom, std::string, bool>,  // node, whether its machine
                                                                      // says nothing
                     caf::replies_to<drain_atom, std::string, bool>::with<bool>,  // node, whether
                                                                                  // it takes no
                                                                                  // more
                     caf::replies_to<label_atom, std::string,
                                     LabelsRef>::with<bool>,  // node, labels; empty value: removed
                     caf::reacts_to<suspect_atom>,            // INTERNAL: look for silent nodes
                     caf::reacts_to<leave_atom, std::string>  // a node leaves in order
                     >::extend_with<status_actor>;

/// One experiment from its placement to its end.
using experiment_actor = caf::typed_actor<
    caf::reacts_to<node_atom, std::string, node_actor, std::string>,  // how to reach a node it is
                                                                      // on, and its address
    caf::reacts_to<known_atom, std::string, JobKeysRef>,  // a node came back, with these jobs
    caf::reacts_to<placed_atom, PlacementRef, uint64_t>,  // begin an attempt with this epoch
    caf::reacts_to<adopt_atom, JobUpdate, std::string>,  // an attempt that runs already, unknown to
                                                         // the ledger
    caf::reacts_to<update_atom, std::string, JobUpdate>,     // from this node; empty: it is trusted
    caf::reacts_to<metrics_atom, std::string, MetricBatch>,  // likewise
    caf::replies_to<kill_atom, std::string>::with<bool>,     // cause; durable when answered
    caf::reacts_to<stop_atom, std::string>,                  // early stopping sees no hope: why
    caf::reacts_to<pause_atom, std::string>,   // it gives its place away until its set says so: why
    caf::reacts_to<change_atom, FollowedRef>,  // what its set's rule looks at from now on, if any
    caf::reacts_to<lost_atom, std::string, int64_t>,  // a node went, and was last heard of
                                                      // so many milliseconds ago
    caf::reacts_to<preempt_atom, std::string>,        // cause
    caf::reacts_to<limit_atom, uint64_t>,  // INTERNAL: running limit of the attempt with this epoch
    caf::reacts_to<requeue_atom>           // INTERNAL: the backoff is over
    >;

/// One sweep: its members, its best.
using experiment_set_actor = caf::typed_actor<
    caf::reacts_to<begin_atom>, caf::reacts_to<ended_atom, RecordRef>,  // a member ended
    caf::reacts_to<placed_atom, ExperimentId>,      // a member was placed: the first, or, where a
                                                    // strategy learns, each
    caf::reacts_to<metrics_atom, RecordRef>,        // a member reported
    caf::reacts_to<report_atom, MemberReportsRef>,  // and this is what its rule looks at
    caf::reacts_to<pause_atom, ExperimentId>,  // a member that it paused has given its place away
    caf::replies_to<change_atom, std::string, SetChangeRef>::with<bool>,  // user; durable when
                                                                          // answered
    caf::reacts_to<tick_atom, uint64_t>,  // INTERNAL: time for this look at the budget
    caf::reacts_to<flush_atom>,           // INTERNAL: a commit failed, or there is more to do
    caf::replies_to<kill_atom, std::string>::with<bool>  // cause; durable when answered
    >;

/// The same of one whose members are run elsewhere.
using asked_set_actor = experiment_set_actor::extend<
    caf::replies_to<ask_atom, TrialCallsRef>::with<TrialAnswersRef>>;  // durable when answered

/// Derives the decisions of a set's search again.
using search_checker_actor =
    caf::typed_actor<caf::replies_to<check_atom, uint64_t>::with<SearchReplayRef>>;

/// Admits submissions, gives ids, starts and ends the actors of experiments and sets, and routes
/// what nodes say to them.
using director_actor = caf::typed_actor<
    caf::replies_to<submit_atom, SubmitRef>::with<SubmittedRef>,
    caf::replies_to<kill_atom, std::string, ExperimentId>::with<bool>,  // cause; durable when
                                                                        // answered
    caf::reacts_to<member_atom, RecordRef>,                 // a set's member is durable: queue it
    caf::reacts_to<stop_atom, std::string, ExperimentId>,   // a set's rule stops a member: why
    caf::reacts_to<pause_atom, std::string, ExperimentId>,  // or lets it wait: why
    caf::reacts_to<resume_atom, ExperimentId>,              // and lets it go on
    caf::replies_to<change_atom, std::string, uint64_t, SetChangeRef>::with<bool>,  // user, set;
                                                                                    // durable
    caf::reacts_to<placed_atom, PlacementRef>,
    caf::reacts_to<preempt_atom, ExperimentId, std::string>,  // from the scheduler
    caf::reacts_to<wish_atom, std::string, CacheWishesRef>,   // likewise
    caf::reacts_to<update_atom, JobUpdate>,                   // from nodes of this process
    caf::reacts_to<metrics_atom, MetricBatch>,                // likewise
    caf::reacts_to<update_atom, std::string, JobUpdate>,  // from a node that proved this name alone
    caf::reacts_to<metrics_atom, std::string, MetricBatch>,                 // likewise
    caf::replies_to<hello_atom, NodeHello, node_actor>::with<NodeWelcome>,  // a node came (back)
                                                                            // with these jobs
    caf::reacts_to<recovery_atom>,                        // no more nodes are waited for
    caf::reacts_to<lost_atom, std::string, int64_t>,      // a node went, and was last heard of so
                                                          // many milliseconds ago
    caf::reacts_to<ended_atom, RecordRef>,                // an experiment ended; durable
    caf::reacts_to<requeue_atom, RecordRef, int64_t>,     // an experiment is QUEUED again; durable;
                                                          // not placed before that monotonic time,
                                                          // in nanoseconds
    caf::reacts_to<lease_atom, RecordRef>,                // INTERNAL: so much for that time
    caf::reacts_to<set_ended_atom, uint64_t>,             // a set ended; durable
    caf::reacts_to<pending_atom, ExperimentId, int64_t>,  // INTERNAL: pending limit since `queued`
    caf::reacts_to<find_atom, ExperimentId>,              // INTERNAL: outputs may be here now
    caf::replies_to<ask_atom, TrialCallsRef>::with<TrialAnswersRef>,  // of a set run elsewhere
    caf::replies_to<why_atom, ExperimentId>::with<WaitingRef>,
    caf::replies_to<drain_atom, std::string>::with<uint64_t>  // stop all that runs; how many when
                                                              // all ended
    >::extend_with<status_actor>;

}  // namespace troupe::actors
