// fsck: reads everything that the head stores of datasets and code, has nodes read theirs, names
// what is damaged with what that hurts, and mends it where somebody still has the bytes. One check;
// the keeper's thread, which it blocks.
#pragma once

#include "actors/head/head_context.hpp"
#include "actors/head/keeper_ports.hpp"
#include "client/api/storage_service.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace troupe::actors {

class StoreChecker {
 public:
  /// Both must live as long.
  StoreChecker(const HeadContext& context, const KeeperPorts& ports)
      : context_{context}, ports_{ports} {}
  Result<api::StoreCheck> check(const api::StoreCheckRequest& request);

 private:
  using Id = dataset::ContentId;
  /// A block that is damaged or missing, and who has it.
  struct BadBlock {
    std::string detail;
    std::vector<std::pair<size_t, uint32_t>> places;  // in versions_, number in its manifest
    std::set<std::string> files;
    uint64_t beyond = 0;
  };

  Result<void> look_at_blocks();
  Result<void> look_at_manifests();
  void look_at_versions();
  void look_at_version(size_t number, const dataset::Manifest& manifest);
  Result<void> look_at_code();
  void look_at_nodes();
  void look_at_node(const api::NodeView& node, std::vector<api::StoreProblem>& problems,
                    uint64_t& versions, uint64_t& bytes);
  void report_block(const Id& id, const BadBlock& block);
  void report_manifest(const Id& id, const std::string& detail);
  void report_code(api::StoreProblem problem);
  std::string fetch_block(const Id& id, const BadBlock& block);
  std::string fetch_manifest(const Id& id);
  std::vector<std::string> titles(const std::string& digest) const;
  std::string node_with_outputs(const DatasetVersion& version) const;

  const HeadContext& context_;
  const KeeperPorts& ports_;
  bool repair_ = false;
  api::StoreCheck check_;
  std::vector<DatasetVersion> versions_;                    // one for each content that has a name
  std::map<std::string, std::vector<std::string>> titles_;  // "digits:3", by digest
  std::map<Id, BadBlock> blocks_;
  std::map<Id, std::string> manifests_;  // damaged or missing: the detail
};

}  // namespace troupe::actors
