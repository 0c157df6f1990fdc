#include "storage/attempt_codec.hpp"

#include "storage/row_parts.hpp"

namespace troupe::storage {

namespace {

void fill(rows::Binding::Builder row, const BindingRecord& binding) {
  row.setCpus(text(binding.cpus));
  row.setMemory(text(binding.memory));
  row.setOwn(binding.own);
  auto gpus = row.initGpus(static_cast<unsigned>(binding.gpus.size()));
  for (unsigned i = 0; i < gpus.size(); ++i) gpus.set(i, text(binding.gpus[i]));
  auto nics = row.initNics(static_cast<unsigned>(binding.nics.size()));
  for (unsigned i = 0; i < nics.size(); ++i) nics.set(i, text(binding.nics[i]));
  row.setNote(text(binding.note));
}

BindingRecord binding_record(rows::Binding::Reader row) {
  BindingRecord binding{str(row.getCpus()), str(row.getMemory()), row.getOwn(), {}, {},
                        str(row.getNote())};
  for (auto gpu : row.getGpus()) binding.gpus.push_back(str(gpu));
  for (auto nic : row.getNics()) binding.nics.push_back(str(nic));
  return binding;
}

void fill(rows::Job::Builder row, const JobRecord& job) {
  row.setRole(text(job.role));
  row.setIndex(job.index);
  row.setNode(text(job.node));
  row.setState(static_cast<uint8_t>(job.state));
  row.setHasExit(job.exit_code.has_value());
  row.setExit(job.exit_code.value_or(0));
  row.setHasSignal(job.signal.has_value());
  row.setSignal(job.signal.value_or(0));
  if (!job.gpus.empty()) {
    auto gpus = row.initGpus(static_cast<unsigned>(job.gpus.size()));
    for (unsigned i = 0; i < gpus.size(); ++i) gpus.set(i, job.gpus[i]);
  }
  row.setStarted(job.started.us);
  row.setEnded(job.ended.us);
  if (job.binding != BindingRecord{}) fill(row.initBinding(), job.binding);
  if (job.mounts.empty()) return;
  auto mounts = row.initMounts(static_cast<unsigned>(job.mounts.size()));
  for (unsigned i = 0; i < mounts.size(); ++i) {
    mounts[i].setMount(text(job.mounts[i].mount));
    mounts[i].setMethod(text(job.mounts[i].method));
    mounts[i].setPlace(text(job.mounts[i].place));
    mounts[i].setWritable(job.mounts[i].writable);
  }
}

JobRecord job_record(rows::Job::Reader row) {
  JobRecord job;
  job.role = str(row.getRole());
  job.index = row.getIndex();
  job.node = str(row.getNode());
  job.state = state_of(row.getState());
  if (row.getHasExit()) job.exit_code = row.getExit();
  if (row.getHasSignal()) job.signal = row.getSignal();
  for (auto gpu : row.getGpus()) job.gpus.push_back(gpu);
  job.started = {row.getStarted()};
  job.ended = {row.getEnded()};
  for (auto mount : row.getMounts())
    job.mounts.push_back({str(mount.getMount()), str(mount.getMethod()), str(mount.getPlace()),
                          mount.getWritable()});
  if (row.hasBinding()) job.binding = binding_record(row.getBinding());
  return job;
}

void fill(rows::Receipt::Builder row, const Receipt& receipt) {
  row.setTime(receipt.time.us);
  auto nodes = row.initNodes(static_cast<unsigned>(receipt.nodes.size()));
  for (unsigned i = 0; i < nodes.size(); ++i) {
    nodes[i].setNode(text(receipt.nodes[i].node));
    nodes[i].setNext(text(receipt.nodes[i].next));
    nodes[i].setCopy(receipt.nodes[i].copy);
    nodes[i].setLink(receipt.nodes[i].link);
    nodes[i].setError(text(receipt.nodes[i].error));
    nodes[i].setTold(receipt.nodes[i].told);
  }
  row.setAllReduce(receipt.all_reduce);
  row.setLatency(receipt.latency_ns);
  row.setOf(text(receipt.of));
  auto notes = row.initNotes(static_cast<unsigned>(receipt.notes.size()));
  for (unsigned i = 0; i < notes.size(); ++i) notes.set(i, text(receipt.notes[i]));
}

Receipt receipt_of(rows::Receipt::Reader row) {
  Receipt receipt;
  receipt.time = {row.getTime()};
  for (auto node : row.getNodes())
    receipt.nodes.push_back({str(node.getNode()), str(node.getNext()), node.getCopy(),
                             node.getLink(), str(node.getError()), node.getTold()});
  receipt.all_reduce = row.getAllReduce();
  receipt.latency_ns = row.getLatency();
  receipt.of = str(row.getOf());
  for (auto note : row.getNotes()) receipt.notes.push_back(str(note));
  return receipt;
}

}  // namespace

void fill(rows::Attempt::Builder row, const AttemptRecord& attempt) {
  row.setNumber(attempt.number);
  row.setEpoch(attempt.epoch);
  row.setState(static_cast<uint8_t>(attempt.state));
  row.setStarted(attempt.started.us);
  row.setEnded(attempt.ended.us);
  if (attempt.error) fill(row.initError(), *attempt.error);
  auto jobs = row.initJobs(static_cast<unsigned>(attempt.jobs.size()));
  for (unsigned i = 0; i < jobs.size(); ++i) fill(jobs[i], attempt.jobs[i]);
  if (!attempt.resumed.empty()) row.setResumed(text(attempt.resumed));
  row.setRunning(attempt.pace.running.us);
  row.setFirstReport(attempt.pace.first_report.us);
  row.setFirstStep(attempt.pace.first_step);
  row.setLastStep(attempt.pace.last_step);
  row.setFailed(attempt.pace.failed.us);
  row.setNoticed(attempt.pace.noticed.us);
  auto stragglers = row.initStragglers(static_cast<unsigned>(attempt.stragglers.size()));
  for (unsigned i = 0; i < stragglers.size(); ++i) {
    stragglers[i].setRank(attempt.stragglers[i].rank);
    stragglers[i].setNode(text(attempt.stragglers[i].node));
    stragglers[i].setLate(attempt.stragglers[i].late_us);
    stragglers[i].setShare(attempt.stragglers[i].share);
  }
  if (!attempt.receipt.nodes.empty()) fill(row.initReceipt(), attempt.receipt);
}

AttemptRecord attempt_record(rows::Attempt::Reader row) {
  AttemptRecord attempt;
  attempt.number = row.getNumber();
  attempt.epoch = row.getEpoch();
  attempt.state = state_of(row.getState());
  attempt.started = {row.getStarted()};
  attempt.ended = {row.getEnded()};
  if (row.hasError()) attempt.error = problem(row.getError());
  for (auto job : row.getJobs()) attempt.jobs.push_back(job_record(job));
  attempt.resumed = str(row.getResumed());
  attempt.pace = {{row.getRunning()}, {row.getFirstReport()}, row.getFirstStep(),
                  row.getLastStep(),  {row.getFailed()},      {row.getNoticed()}};
  for (auto one : row.getStragglers())
    attempt.stragglers.push_back(
        {one.getRank(), str(one.getNode()), one.getLate(), one.getShare()});
  if (row.hasReceipt()) attempt.receipt = receipt_of(row.getReceipt());
  return attempt;
}

void fill(rows::Checkpoint::Builder row, const CheckpointMark& mark) {
  row.setName(text(mark.name));
  row.setEpoch(mark.epoch);
  row.setAttempt(mark.attempt);
  row.setMade(mark.made.us);
  row.setNode(text(mark.node));
  row.setHasValue(mark.value.has_value());
  row.setValue(mark.value.value_or(0));
  auto parts = row.initParts(static_cast<uint32_t>(mark.parts.size()));
  for (uint32_t i = 0; i < mark.parts.size(); ++i) {
    parts[i].setNode(text(mark.parts[i].node));
    parts[i].setMade(mark.parts[i].made.us);
  }
}

CheckpointMark checkpoint_mark(rows::Checkpoint::Reader row) {
  CheckpointMark mark;
  mark.name = str(row.getName());
  mark.epoch = row.getEpoch();
  mark.attempt = row.getAttempt();
  mark.made = {row.getMade()};
  mark.node = str(row.getNode());
  if (row.getHasValue()) mark.value = row.getValue();
  for (auto part : row.getParts()) mark.parts.push_back({str(part.getNode()), {part.getMade()}});
  return mark;
}

}  // namespace troupe::storage
