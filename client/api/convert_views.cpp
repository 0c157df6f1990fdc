// Small answers: submissions, waiting, series, outputs, nodes, events.
#include "client/api/convert.hpp"

namespace troupe::api {

void set_submitted(wire::Submitted::Builder out, const Submitted& submitted) {
  set_text(to_string(submitted.id), [&](auto text) { out.setId(text); });
  out.setKind(submitted.is_set ? "set" : "experiment");
  out.setSize(submitted.size);
  out.setRepeated(submitted.repeated);
}

void set_submit_result(wire::SubmitResult::Builder out, const Result<Submitted>& result) {
  if (result)
    set_submitted(out.initSubmitted(), *result);
  else
    set_error(out.initError(), result.error());
}

void set_waiting(wire::Waiting::Builder out, const Waiting& waiting) {
  out.setState(to_text(to_string(waiting.state)));
  set_strings(waiting.reasons, [&](auto count) { return out.initReasons(count); });
  if (!waiting.expected_start.empty()) out.setExpectedStart(to_text(waiting.expected_start));
  if (!waiting.starts_now_with.empty()) out.setStartsNowWith(to_text(waiting.starts_now_with));
  set_strings(waiting.data, [&](auto count) { return out.initData(count); });
  set_strings(waiting.search, [&](auto count) { return out.initSearch(count); });
}

void set_replay(wire::SearchReplay::Builder out, const SearchReplay& replay) {
  set_text(to_string(replay.set), [&](auto text) { out.setSet(text); });
  out.setStrategy(to_text(replay.strategy));
  out.setSuggestions(replay.suggestions);
  out.setReports(replay.reports);
  out.setDifferences(replay.differences);
  set_strings(replay.first, [&](auto count) { return out.initFirst(count); });
}

void set_series(wire::MetricSeries::Builder out, const std::string& name,
                const std::vector<MetricPoint>& points) {
  out.setName(to_text(name));
  auto list = out.initPoints(static_cast<uint32_t>(points.size()));
  for (uint32_t i = 0; i < points.size(); ++i) {
    list[i].setStep(points[i].step);
    list[i].setValue(points[i].value);
    set_text(rfc3339(points[i].time), [&](auto text) { list[i].setTime(text); });
  }
}

void set_output(wire::OutputEntry::Builder out, const OutputEntry& entry) {
  out.setPath(to_text(entry.path));
  out.setSize(entry.size);
  set_text(rfc3339(entry.modified), [&](auto text) { out.setModified(text); });
  out.setIsLink(entry.is_link);
  out.setTarget(to_text(entry.target));
}

void set_dataset(wire::DatasetVersion::Builder out, const DatasetVersion& version) {
  out.setName(to_text(version.name));
  out.setVersion(version.version);
  out.setDigest(to_text(version.digest));
  out.setBytes(version.bytes);
  out.setPayload(version.payload);
  out.setFiles(version.files);
  out.setRecords(version.records);
  out.setBlocks(version.blocks);
  out.setUser(to_text(version.user));
  set_text(rfc3339(version.created), [&](auto text) { out.setCreated(text); });
  out.setSource(to_text(version.source));
  if (!version.from.empty()) out.setFrom(to_text(version.from));
}

void set_cached(wire::CachedVersion::Builder out, const CachedVersion& version) {
  out.setNode(to_text(version.node));
  if (!version.dataset.empty()) out.setDataset(to_text(version.dataset));
  out.setDigest(to_text(version.digest));
  out.setState(to_text(version.state));
  out.setBytes(version.bytes);
  out.setTotal(version.total);
  out.setArrived(version.arrived);
  if (version.since) set_text(rfc3339(version.since), [&](auto text) { out.setSince(text); });
  if (version.used) set_text(rfc3339(version.used), [&](auto text) { out.setUsed(text); });
  out.setHits(version.hits);
  if (!version.mount.empty()) out.setMount(to_text(version.mount));
  set_strings(version.holders, [&](auto count) { return out.initHolders(count); });
  out.setWanted(version.wanted);
  set_strings(version.sources, [&](auto count) { return out.initSources(count); });
  set_strings(version.left, [&](auto count) { return out.initLeft(count); });
  if (!version.error.empty()) out.setError(to_text(version.error));
}

void set_node(wire::Node::Builder out, const NodeView& node) {
  out.setName(to_text(node.name));
  out.setState(to_text(node.state));
  if (!node.reason.empty()) out.setReason(to_text(node.reason));
  out.setCpus(node.cpus);
  out.setCpusUsed(node.cpus_used);
  out.setMem(node.mem);
  out.setMemUsed(node.mem_used);
  out.setGpus(node.gpus);
  out.setGpusUsed(node.gpus_used);
  out.setGpuType(to_text(node.gpu_type));
  out.setGpuMem(node.gpu_mem);
  auto experiments = out.initExperiments(static_cast<uint32_t>(node.experiments.size()));
  for (uint32_t e = 0; e < node.experiments.size(); ++e)
    set_text(to_string(node.experiments[e]), [&](auto text) { experiments.set(e, text); });
  out.setJobs(node.jobs);
  out.setVersion(to_text(node.version));
  if (node.joined) set_text(rfc3339(node.joined), [&](auto text) { out.setJoined(text); });
  set_strings(node.failures, [&](auto count) { return out.initFailures(count); });
  if (node.clock_ahead_ms) out.initClockAheadMs().setValue(*node.clock_ahead_ms);
  if (node.cache) {
    auto cache = out.initCache();
    cache.setLimit(node.cache->limit);
    cache.setUsed(node.cache->used);
    cache.setDiskFree(node.cache->disk_free);
    cache.setUnlisted(node.cache->unlisted);
    auto versions = cache.initVersions(static_cast<uint32_t>(node.cache->versions.size()));
    for (uint32_t v = 0; v < node.cache->versions.size(); ++v)
      set_cached(versions[v], node.cache->versions[v]);
  }
  if (!node.topology.empty()) out.setTopology(to_text(node.topology));
  auto devices = out.initDevices(static_cast<uint32_t>(node.devices.size()));
  for (uint32_t d = 0; d < node.devices.size(); ++d) {
    const auto& device = node.devices[d];
    devices[d].setIndex(device.index);
    devices[d].setUuid(to_text(device.uuid));
    devices[d].setBus(to_text(device.bus));
    devices[d].setName(to_text(device.name));
    if (!device.closed.empty()) devices[d].setClosed(to_text(device.closed));
  }
  set_strings(node.drift, [&](auto count) { return out.initDrift(count); });
  auto labels = out.initLabels().initEntries(static_cast<uint32_t>(node.labels.size()));
  uint32_t i = 0;
  for (const auto& [name, value] : node.labels) {
    labels[i].setName(to_text(name));
    labels[i].setValue(to_text(value));
    ++i;
  }
}

void set_event(wire::Event::Builder out, const Event& event) {
  out.setNumber(event.number);
  set_text(rfc3339(event.time), [&](auto text) { out.setTime(text); });
  out.setKind(to_text(event.kind));
  out.setSubject(to_text(event.subject));
  out.setProject(to_text(event.project));
  out.setFrom(to_text(event.from));
  out.setTo(to_text(event.to));
  out.setCause(to_text(event.cause));
  if (event.error) set_error(out.initError(), *event.error);
}

void set_event_page(wire::EventPage::Builder out, const EventPage& page) {
  auto events = out.initEvents(static_cast<uint32_t>(page.events.size()));
  for (uint32_t i = 0; i < page.events.size(); ++i) set_event(events[i], page.events[i]);
  out.setLast(page.last);
}

void set_who(wire::WhoAmI::Builder out, const Caller& caller) {
  out.setUser(to_text(caller.user));
  out.setAdmin(caller.admin);
  if (caller.job) set_text(to_string(*caller.job), [&](auto text) { out.setJob(text); });
}

}  // namespace troupe::api
