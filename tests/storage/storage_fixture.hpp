// What the storage tests share: a folder that vanishes, and records with something in every field.
#pragma once

#include "storage/ledger.hpp"
#include "tests/temp_dir.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace troupe::storage {

inline std::shared_ptr<const ExperimentSpec> spec_of(const std::string& project) {
  ExperimentSpec spec;
  spec.project = project;
  spec.name = "digits";
  spec.run.push_back({"python3 train.py --lr {{lr}}", {}});
  spec.labels = {{"team", "vision"}};
  spec.priority = 70;
  return std::make_shared<const ExperimentSpec>(std::move(spec));
}

inline ExperimentRecord record_of(ExperimentId id, State state = State::queued,
                                  const std::string& project = "demo",
                                  const std::string& user = "ada") {
  ExperimentRecord record;
  record.id = id;
  record.user = user;
  record.spec = spec_of(project);
  record.params = {{"lr", 0.25}, {"layers", 3}, {"name", "wide"}, {"flag", true}};
  record.state = state;
  record.reason = "waits for 2 cpus";
  record.created = {1'700'000'000'000'001};
  record.queued = {1'700'000'000'000'002};
  return record;
}

inline PutExperiment put(ExperimentRecord record, bool is_new = true) {
  return {std::make_shared<const ExperimentRecord>(std::move(record)), is_new};
}

inline SetRecord set_of(uint64_t top, State state = State::running,
                        const std::string& project = "demo") {
  SetRecord record;
  record.id = {top, 0};
  record.user = "ada";
  record.spec = spec_of(project);
  record.sweep.seed = 17;
  record.sweep.trials = 12;
  record.sweep.metric = Metric{true, "accuracy"};
  record.state = state;
  record.size = 12;
  record.next = 4;
  record.best_member = 2;
  record.best_value = 0.975;
  record.best_params = {{"lr", 0.5}};
  return record;
}

inline PutSet put(SetRecord record, bool is_new = true) {
  return {std::make_shared<const SetRecord>(std::move(record)), is_new};
}

inline Event event_of(const std::string& subject, const std::string& cause = "submitted") {
  Event event;
  event.time = {1'700'000'000'000'003};
  event.kind = "state";
  event.subject = subject;
  event.project = "demo";
  event.to = "QUEUED";
  event.cause = cause;
  return event;
}

/// Small, so that a test costs no disk to speak of.
inline LedgerOptions options_in(const std::string& dir) {
  return {dir, 1ull << 30, 64u << 10};
}

inline std::unique_ptr<Ledger> open_ledger(const std::string& dir) {
  auto ledger = Ledger::open(options_in(dir));
  EXPECT_TRUE(ledger) << (ledger ? "" : to_string(ledger.error()));
  return ledger ? std::move(*ledger) : nullptr;
}

inline std::vector<std::string> ids_of(const ListPage& page) {
  std::vector<std::string> ids;
  for (const auto& entry : page.entries)
    ids.push_back(std::visit([](const auto& record) { return to_string(record.id); }, entry));
  return ids;
}

}  // namespace troupe::storage
