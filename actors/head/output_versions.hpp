// Outputs of experiments as dataset versions: fetched block by block from the node on which they
// were written, when the first one asks for them. Each then is version 1 of "41/out" and never
// changes. Part of the dataset actor; its thread.
#pragma once

#include "actors/head/head_context.hpp"
#include "actors/head/node_answers.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace troupe::actors {

class OutputVersions {
 public:
  using Done = std::function<void(Result<DatasetVersion>)>;
  struct Ports {
    /// Makes changes durable; answers on the actor's thread.
    std::function<void(std::vector<storage::Mutation>, std::function<void(Result<void>)>)> commit;
    /// Has the actor call arrived() soon; any thread.
    std::function<void()> wake;
  };

  OutputVersions(HeadContextRef context, Ports ports);
  /// Answers at once or later. not_found, conflict where the experiment has not ended, unavailable
  /// where its node is away.
  void find(ExperimentId id, Done done);
  /// Takes in what nodes have answered.
  void arrived() { answers_.arrived(); }

 private:
  struct Fetch;
  using FetchRef = std::shared_ptr<Fetch>;
  using Take = NodeAnswers::Take;

  Result<std::string> node_of(ExperimentId id) const;
  void ask(const FetchRef& fetch, cluster::BulkQuestion question, Take take);
  void manifest_came(const FetchRef& fetch, Result<cluster::BulkAnswer> answer);
  void store(const FetchRef& fetch);
  void finish(const FetchRef& fetch, Result<DatasetVersion> version);

  HeadContextRef context_;
  Ports ports_;
  NodeAnswers answers_;
  std::map<ExperimentId, FetchRef> fetches_;
};

/// Fills in what the manifest says of a version's size.
void note_sizes(DatasetVersion& version, const dataset::Manifest& manifest);
/// Whether some version has this content; where that cannot be read, it has.
bool is_version(const storage::Ledger& ledger, const std::string& digest);
/// Whose outputs a mount stands for; nothing where it is a dataset.
std::optional<ExperimentId> outputs_behind(const DataMount& mount);
/// Fills in the digests of outputs that have become versions.
Result<void> fill_output_digests(const storage::Ledger& ledger, std::vector<JobOrder>& orders);

}  // namespace troupe::actors
