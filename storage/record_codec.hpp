// Records of runtime/core to stored rows and back. Encoding writes straight into the database's
// page; decoding copies once, because Cap'n Proto wants aligned words. Pure; any thread.
#pragma once

#include "runtime/core/record.hpp"
#include "storage/ledger.hpp"
#include "storage/records.capnp.h"

#include <capnp/message.h>
#include <capnp/serialize.h>

#include <array>
#include <string_view>

namespace troupe::storage {

/// A message being built, with enough room of its own for an ordinary row.
class RowBuilder {
 public:
  RowBuilder() : message_{scratch()} {}
  template <class Row>
  typename Row::Builder init() {
    return message_.initRoot<Row>();
  }
  size_t bytes() { return capnp::computeSerializedSizeInWords(message_) * sizeof(capnp::word); }
  void write(void* to, size_t size);

 private:
  kj::ArrayPtr<capnp::word> scratch() { return {words_.data(), words_.size()}; }
  std::array<capnp::word, 256> words_{};  // zeroed: Cap'n Proto demands it
  capnp::MallocMessageBuilder message_;
};

void fill(rows::Experiment::Builder row, const ExperimentRecord& record, std::string_view project);
void fill(rows::Set::Builder row, const SetRecord& record, std::string_view project);
void fill(rows::SearchPage::Builder row, const std::vector<SearchEntry>& entries);
void fill(rows::Event::Builder row, const Event& event);
void fill(rows::Dataset::Builder row, const DatasetVersion& version);

/// What of a row the indices need.
struct RowHead {
  State state = State::queued;
  std::string user, project;
};
Result<RowHead> experiment_head(std::string_view bytes);
Result<RowHead> set_head(std::string_view bytes);

/// Without the spec.
Result<ExperimentRecord> decode_experiment(std::string_view bytes, ExperimentId id);
Result<SetRecord> decode_set(std::string_view bytes, ExperimentId id);
/// Adds the entries of a page.
Result<void> decode_search(std::string_view bytes, std::vector<SearchEntry>& to);
Result<Event> decode_event(std::string_view bytes, uint64_t number);
Result<KeyRecord> decode_key(std::string_view bytes);
Result<DatasetVersion> decode_dataset(std::string_view bytes, std::string_view name,
                                      uint32_t version);
Result<PutToken> decode_token(std::string_view bytes, std::string_view sha256);
Result<UserRecord> decode_user(std::string_view bytes);

/// Both specs of a top-level entry, shared by all its members.
struct SpecPair {
  std::shared_ptr<const ExperimentSpec> experiment;
  SweepSpec sweep;
};
Result<SpecPair> decode_specs(std::string_view bytes);

}  // namespace troupe::storage
