// Between the structs of troupe.capnp and the core types. Both fronts, HTTP and RPC, use it, so a
// request is checked once and an answer looks the same. Pure functions.
#pragma once

#include "client/api/service.hpp"
#include "client/api/troupe.capnp.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::api {

inline capnp::Text::Reader to_text(std::string_view text) {
  // Cap'n Proto's text ends with a zero byte that a view need not have; callers pass strings.
  return {text.data(), text.size()};
}
template <class Set>
void set_text(const std::string& text, Set&& set) {
  set(capnp::Text::Reader(text.c_str(), text.size()));
}
/// Fills the list of texts that init(size) makes.
template <class Init>
void set_strings(const std::vector<std::string>& strings, Init&& init) {
  auto list = init(static_cast<uint32_t>(strings.size()));
  for (uint32_t i = 0; i < strings.size(); ++i) list.set(i, to_text(strings[i]));
}
inline std::string from_text(capnp::Text::Reader text) {
  return {text.begin(), text.size()};
}

void set_value(wire::Value::Builder out, const Value& value);
void set_values(wire::Values::Builder out, const ValueMap& values);
void set_values(wire::Values::Builder out, const std::map<std::string, Value>& values);
/// Refuses what is nested too deep.
Result<Value> value_from(wire::Value::Reader in);
Result<ValueMap> values_from(wire::Values::Reader in);

/// Checked: names, bounds, limits. What no single submission can know (whether a predecessor
/// exists, whether it fits a node) is left to the service.
Result<Submission> submission_from(wire::Submission::Reader in);
Result<RerunChanges> rerun_from(wire::RerunRequest::Reader in);
/// Changes a submission by the options of a rerun: null, or a map in the form of a submission; of
/// `resources`, `limits`, `retry`, `env` and `labels` only the keys given.
Result<void> apply_options(Submission& submission, const Value& options);
Result<ListQuery> list_query_from(wire::ListRequest::Reader in);

/// What an experiment and a set show of their spec in the same way.
void set_spec(wire::Experiment::Builder out, const ExperimentSpec& spec);
void set_spec(wire::ExperimentSet::Builder out, const ExperimentSpec& spec);
void set_parameter(wire::Parameter::Builder out, const Parameter& parameter);
void set_sweep(wire::ExperimentSet::Builder out, const SweepSpec& sweep);

void set_error(wire::Error::Builder out, const Error& error);
void set_submitted(wire::Submitted::Builder out, const Submitted& submitted);
void set_submit_result(wire::SubmitResult::Builder out, const Result<Submitted>& result);
void set_experiment(wire::Experiment::Builder out, const ExperimentRecord& record);
/// `members` are those begun, lowest first; none in a list.
void set_set(wire::ExperimentSet::Builder out, const SetRecord& record,
             const Listing* members = nullptr);
void set_entry(wire::Entry::Builder out, const Entry& entry, const Listing* members = nullptr);
void set_listing(wire::Listing::Builder out, const Listing& listing);
void set_waiting(wire::Waiting::Builder out, const Waiting& waiting);
void set_replay(wire::SearchReplay::Builder out, const SearchReplay& replay);
void set_series(wire::MetricSeries::Builder out, const std::string& name,
                const std::vector<MetricPoint>& points);
void set_output(wire::OutputEntry::Builder out, const OutputEntry& entry);
void set_node(wire::Node::Builder out, const NodeView& node);
void set_event(wire::Event::Builder out, const Event& event);
void set_event_page(wire::EventPage::Builder out, const EventPage& page);
void set_dataset(wire::DatasetVersion::Builder out, const DatasetVersion& version);
void set_cached(wire::CachedVersion::Builder out, const CachedVersion& version);
void set_who(wire::WhoAmI::Builder out, const Caller& caller);

}  // namespace troupe::api
