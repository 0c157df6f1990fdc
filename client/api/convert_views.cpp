// Small answers: submissions, waiting, series, outputs, nodes, events.
#include "client/api/convert.hpp"

namespace troupe::api {

namespace {

capnp::Text::Reader as_text(const std::string& text) {
  return {text.c_str(), text.size()};
}

template <class Init>
void set_texts(const std::vector<std::string>& texts, Init init) {
  auto list = init(static_cast<uint32_t>(texts.size()));
  for (uint32_t i = 0; i < texts.size(); ++i) list.set(i, as_text(texts[i]));
}

}  // namespace

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
  auto reasons = out.initReasons(static_cast<uint32_t>(waiting.reasons.size()));
  for (uint32_t i = 0; i < waiting.reasons.size(); ++i) reasons.set(i, as_text(waiting.reasons[i]));
  if (!waiting.expected_start.empty()) out.setExpectedStart(as_text(waiting.expected_start));
  if (!waiting.starts_now_with.empty()) out.setStartsNowWith(as_text(waiting.starts_now_with));
  set_texts(waiting.data, [&](auto count) { return out.initData(count); });
  set_texts(waiting.search, [&](auto count) { return out.initSearch(count); });
}

void set_replay(wire::SearchReplay::Builder out, const SearchReplay& replay) {
  set_text(to_string(replay.set), [&](auto text) { out.setSet(text); });
  out.setStrategy(as_text(replay.strategy));
  out.setSuggestions(replay.suggestions);
  out.setReports(replay.reports);
  out.setDifferences(replay.differences);
  set_texts(replay.first, [&](auto count) { return out.initFirst(count); });
}

void set_series(wire::MetricSeries::Builder out, const std::string& name,
                const std::vector<MetricPoint>& points) {
  out.setName(as_text(name));
  auto list = out.initPoints(static_cast<uint32_t>(points.size()));
  for (uint32_t i = 0; i < points.size(); ++i) {
    list[i].setStep(points[i].step);
    list[i].setValue(points[i].value);
    set_text(rfc3339(points[i].time), [&](auto text) { list[i].setTime(text); });
  }
}

void set_output(wire::OutputEntry::Builder out, const OutputEntry& entry) {
  out.setPath(as_text(entry.path));
  out.setSize(entry.size);
  set_text(rfc3339(entry.modified), [&](auto text) { out.setModified(text); });
  out.setIsLink(entry.is_link);
  out.setTarget(as_text(entry.target));
}

void set_dataset(wire::DatasetVersion::Builder out, const DatasetVersion& version) {
  out.setName(as_text(version.name));
  out.setVersion(version.version);
  out.setDigest(as_text(version.digest));
  out.setBytes(version.bytes);
  out.setPayload(version.payload);
  out.setFiles(version.files);
  out.setRecords(version.records);
  out.setBlocks(version.blocks);
  out.setUser(as_text(version.user));
  set_text(rfc3339(version.created), [&](auto text) { out.setCreated(text); });
  out.setSource(as_text(version.source));
  if (!version.from.empty()) out.setFrom(as_text(version.from));
}

void set_cached(wire::CachedVersion::Builder out, const CachedVersion& version) {
  out.setNode(as_text(version.node));
  if (!version.dataset.empty()) out.setDataset(as_text(version.dataset));
  out.setDigest(as_text(version.digest));
  out.setState(as_text(version.state));
  out.setBytes(version.bytes);
  out.setTotal(version.total);
  out.setArrived(version.arrived);
  if (version.since) set_text(rfc3339(version.since), [&](auto text) { out.setSince(text); });
  if (version.used) set_text(rfc3339(version.used), [&](auto text) { out.setUsed(text); });
  out.setHits(version.hits);
  if (!version.mount.empty()) out.setMount(as_text(version.mount));
  set_texts(version.holders, [&](auto count) { return out.initHolders(count); });
  out.setWanted(version.wanted);
  set_texts(version.sources, [&](auto count) { return out.initSources(count); });
  set_texts(version.left, [&](auto count) { return out.initLeft(count); });
  if (!version.error.empty()) out.setError(as_text(version.error));
}

void set_node(wire::Node::Builder out, const NodeView& node) {
  out.setName(as_text(node.name));
  out.setState(as_text(node.state));
  if (!node.reason.empty()) out.setReason(as_text(node.reason));
  out.setCpus(node.cpus);
  out.setCpusUsed(node.cpus_used);
  out.setMem(node.mem);
  out.setMemUsed(node.mem_used);
  out.setGpus(node.gpus);
  out.setGpusUsed(node.gpus_used);
  out.setGpuType(as_text(node.gpu_type));
  out.setGpuMem(node.gpu_mem);
  auto experiments = out.initExperiments(static_cast<uint32_t>(node.experiments.size()));
  for (uint32_t e = 0; e < node.experiments.size(); ++e)
    set_text(to_string(node.experiments[e]), [&](auto text) { experiments.set(e, text); });
  out.setJobs(node.jobs);
  out.setVersion(as_text(node.version));
  if (node.joined) set_text(rfc3339(node.joined), [&](auto text) { out.setJoined(text); });
  auto failures = out.initFailures(static_cast<uint32_t>(node.failures.size()));
  for (uint32_t f = 0; f < node.failures.size(); ++f) failures.set(f, as_text(node.failures[f]));
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
  if (!node.topology.empty()) out.setTopology(as_text(node.topology));
  auto devices = out.initDevices(static_cast<uint32_t>(node.devices.size()));
  for (uint32_t d = 0; d < node.devices.size(); ++d) {
    const auto& device = node.devices[d];
    devices[d].setIndex(device.index);
    devices[d].setUuid(as_text(device.uuid));
    devices[d].setBus(as_text(device.bus));
    devices[d].setName(as_text(device.name));
    if (!device.closed.empty()) devices[d].setClosed(as_text(device.closed));
  }
  set_texts(node.drift, [&](auto count) { return out.initDrift(count); });
  auto labels = out.initLabels().initEntries(static_cast<uint32_t>(node.labels.size()));
  uint32_t i = 0;
  for (const auto& [name, value] : node.labels) {
    labels[i].setName(as_text(name));
    labels[i].setValue(as_text(value));
    ++i;
  }
}

void set_event(wire::Event::Builder out, const Event& event) {
  out.setNumber(event.number);
  set_text(rfc3339(event.time), [&](auto text) { out.setTime(text); });
  out.setKind(as_text(event.kind));
  out.setSubject(as_text(event.subject));
  out.setProject(as_text(event.project));
  out.setFrom(as_text(event.from));
  out.setTo(as_text(event.to));
  out.setCause(as_text(event.cause));
  if (event.error) set_error(out.initError(), *event.error);
}

void set_event_page(wire::EventPage::Builder out, const EventPage& page) {
  auto events = out.initEvents(static_cast<uint32_t>(page.events.size()));
  for (uint32_t i = 0; i < page.events.size(); ++i) set_event(events[i], page.events[i]);
  out.setLast(page.last);
}

void set_who(wire::WhoAmI::Builder out, const Caller& caller) {
  out.setUser(as_text(caller.user));
  out.setAdmin(caller.admin);
  if (caller.job) set_text(to_string(*caller.job), [&](auto text) { out.setJob(text); });
}

}  // namespace troupe::api
