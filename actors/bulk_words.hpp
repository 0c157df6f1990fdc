// What head and workers ask each other for over the bulk channel, in its own words. Pure.
//
//   head asks a worker     log       of a job: records from `offset` on, about `limit` bytes;
//                                    end.next: ask for this next
//                          log_tail  of a job: no bytes; end.next: where its last `limit` records
//                                    begin
//                          outputs   of an experiment: up to `limit` files behind `path`
//                          output    of an experiment: bytes of `path` from `offset` on, at most
//                                    `limit`; end.size: all it has
//                          pack      of an experiment that has ended: its outputs as the manifest
//                                    of a dataset version
//                          packed    of an experiment: the payload of that manifest's block whose
//                                    digest is `path`
//                          kept      no id: of each experiment that has files there, what they
//                                    take; end.size: free bytes of its disk; end.next: equal
//                                    where workers have one folder of outputs
//                          unkeep    of an experiment: removes its outputs; end.size: bytes freed
//                          verify    of a version's digest: hashes it; what is damaged, in words;
//                                    end.size: bytes that were read
//                          manifest  of a version's digest that is whole there
//                          block     as block number `offset` of version `path`
//                          checkpoint  of an experiment: the one called `path` that was made at
//                                    `offset` (microseconds), as the manifest of a version
//                          checkpoint_block  of the same: the payload of that manifest's block;
//                                    `path` is its digest, '/' and the name
//   worker asks the head   snapshot  of a digest: the size of its manifest (eight bytes, big
//                                    endian), the manifest, then the bytes of its files in order
//                          manifest  of a dataset version's digest
//                          block     of a block's digest: its payload
//                          sources   of a version's digest: a line for each worker that has all of
//                                    it, its name, a space and its HOST:PORT
//                          member    of the common name of a certificate: its worker's name; an
//                                    error where it was taken back
//   a worker asks another  manifest  as above
//                          block     the same, as block number `offset` of version `path`
#pragma once

#include "runtime/cluster/bulk.hpp"
#include "runtime/core/ids.hpp"
#include "storage/output_tree.hpp"

#include <string>
#include <string_view>

namespace troupe::actors {

cluster::BulkRequest ask_log(const JobId& job, uint64_t offset, uint64_t limit);
cluster::BulkRequest ask_log_tail(const JobId& job, uint64_t lines);
cluster::BulkRequest ask_outputs(ExperimentId id, std::string after, uint64_t limit);
cluster::BulkRequest ask_output(ExperimentId id, std::string path, uint64_t offset, uint64_t limit);
cluster::BulkRequest ask_pack(ExperimentId id);
cluster::BulkRequest ask_packed(ExperimentId id, std::string block);
cluster::BulkRequest ask_checkpoint(ExperimentId id, const std::string& name, int64_t made_us);
cluster::BulkRequest ask_checkpoint_block(ExperimentId id, const std::string& name, int64_t made_us,
                                          const std::string& block);
cluster::BulkRequest ask_snapshot(const std::string& digest);
cluster::BulkRequest ask_manifest(const std::string& digest);
cluster::BulkRequest ask_block(const std::string& digest);

cluster::BulkRequest ask_sources(const std::string& digest);
cluster::BulkRequest ask_member(const std::string& common_name);
cluster::BulkRequest ask_worker_block(const std::string& version, uint32_t number,
                                      const std::string& digest);

cluster::BulkRequest ask_kept();
cluster::BulkRequest ask_unkeep(ExperimentId id);
cluster::BulkRequest ask_verify(const std::string& version);

/// What an experiment takes on a node's disk.
struct KeptUse {
  ExperimentId id;
  uint64_t files = 0;                               // of outputs, checkpoints included; not of logs
  uint64_t outputs = 0, checkpoints = 0, logs = 0;  // bytes
  bool operator==(const KeptUse&) const = default;
};
std::string kept_text(const std::vector<KeptUse>& uses);
Result<std::vector<KeptUse>> parse_kept(std::string_view bytes);

/// One listed file as bytes, appended; and all of a list read back.
void put_output(std::string& bytes, const storage::OutputFile& file);
Result<std::vector<storage::OutputFile>> parse_outputs(std::string_view bytes);

/// An answer that is there already, in pieces.
class BulkText final : public cluster::BulkSource {
 public:
  BulkText(std::string bytes, cluster::BulkEnd end) : bytes_{std::move(bytes)}, end_{end} {}
  Result<std::string> next() override {
    auto piece = bytes_.substr(done_, cluster::bulk_piece_bytes);
    done_ += piece.size();
    return piece;
  }
  cluster::BulkEnd end() override { return end_; }

 private:
  std::string bytes_;
  size_t done_ = 0;
  cluster::BulkEnd end_;
};

}  // namespace troupe::actors
