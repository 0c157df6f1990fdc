#include "client/api/service.hpp"

namespace troupe::api {

namespace {

Error no_cluster() {
  return Error{Errc::refused, "this server has no cluster", "", "ask the head of one"};
}

Error no_trials() {
  return Error{Errc::refused, "this server has no searches", "", "ask the head of a cluster"};
}

Error no_datasets() {
  return Error{Errc::refused, "this server has no datasets", "", "ask the head of a cluster"};
}

}  // namespace

Result<std::vector<std::string>> DatasetService::missing_blocks(const Caller&,
                                                                const std::vector<std::string>&) {
  return no_datasets();
}

kj::Promise<Result<void>> DatasetService::put_block(const Caller&, std::string, std::string) {
  return Result<void>{no_datasets()};
}

Result<FileChunk> DatasetService::get_block(const Caller&, const std::string&, uint64_t, uint32_t) {
  return no_datasets();
}

kj::Promise<Result<DatasetVersion>> DatasetService::push_dataset(const Caller&, DatasetPush) {
  return Result<DatasetVersion>{no_datasets()};
}

Result<std::string> DatasetService::dataset_manifest(const Caller&, const std::string&,
                                                     const std::string&) {
  return no_datasets();
}

Result<DatasetListing> DatasetService::datasets(const Caller&, uint32_t, const std::string&) {
  return no_datasets();
}

Result<DatasetView> DatasetService::dataset(const Caller&, const std::string&) {
  return no_datasets();
}

Result<DatasetVersion> DatasetService::dataset_version(const Caller&, const std::string&,
                                                       const std::string&) {
  return no_datasets();
}

std::vector<CachedVersion> DatasetService::dataset_nodes(const Caller&, const std::string&) {
  return {};
}

kj::Promise<Result<std::vector<CachedVersion>>> DatasetService::warm_dataset(
    const Caller&, std::string, std::string, std::vector<std::string>) {
  return Result<std::vector<CachedVersion>>{no_datasets()};
}

kj::Promise<Result<void>> DatasetService::drop_dataset(const Caller&, std::string, uint32_t) {
  return Result<void>{no_datasets()};
}

kj::Promise<Result<void>> DatasetService::tag_dataset(const Caller&, std::string, std::string,
                                                      uint32_t) {
  return Result<void>{no_datasets()};
}

kj::Promise<Result<StoreCheck>> StorageService::check_store(const Caller&, StoreCheckRequest) {
  return Result<StoreCheck>{no_datasets()};
}

kj::Promise<Result<Collection>> StorageService::collect_store(const Caller&, CollectRequest) {
  return Result<Collection>{no_datasets()};
}

kj::Promise<Result<StoreUse>> StorageService::store_use(const Caller&, bool) {
  return Result<StoreUse>{no_datasets()};
}

kj::Promise<Result<Asked>> TrialService::ask(const Caller&, ExperimentId, AskRequest) {
  return Result<Asked>{no_trials()};
}

kj::Promise<Result<Told>> TrialService::tell(const Caller&, ExperimentId, TellRequest) {
  return Result<Told>{no_trials()};
}

kj::Promise<Result<bool>> TrialService::change_set(const Caller&, ExperimentId, SetChange) {
  return Result<bool>{no_trials()};
}

Result<std::vector<Trial>> TrialService::pending_trials(const Caller&, ExperimentId) {
  return no_trials();
}

kj::Promise<Result<void>> Service::drain_node(const Caller&, std::string, bool) {
  return Result<void>{no_cluster()};
}

kj::Promise<Result<void>> Service::label_node(const Caller&, std::string,
                                              std::map<std::string, std::string>) {
  return Result<void>{no_cluster()};
}

Result<void> Service::remove_node(const Caller&, const std::string&) {
  return no_cluster();
}

Result<std::string> Service::join_token(const Caller&, Duration) {
  return no_cluster();
}

}  // namespace troupe::api
