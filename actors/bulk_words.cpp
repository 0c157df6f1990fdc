#include "actors/bulk_words.hpp"

#include "runtime/process/codec.hpp"

namespace troupe::actors {

cluster::BulkRequest ask_log(const JobId& job, uint64_t offset, uint64_t limit) {
  return {"log", to_string(job), "", offset, limit};
}

cluster::BulkRequest ask_log_tail(const JobId& job, uint64_t lines) {
  return {"log_tail", to_string(job), "", 0, lines};
}

cluster::BulkRequest ask_outputs(ExperimentId id, std::string after, uint64_t limit) {
  return {"outputs", to_string(id), std::move(after), 0, limit};
}

cluster::BulkRequest ask_output(ExperimentId id, std::string path, uint64_t offset,
                                uint64_t limit) {
  return {"output", to_string(id), std::move(path), offset, limit};
}

cluster::BulkRequest ask_pack(ExperimentId id) {
  return {"pack", to_string(id), "", 0, 0};
}

cluster::BulkRequest ask_packed(ExperimentId id, std::string block) {
  return {"packed", to_string(id), std::move(block), 0, 0};
}

cluster::BulkRequest ask_checkpoint(ExperimentId id, const std::string& name, int64_t made_us) {
  return {"checkpoint", to_string(id), name, static_cast<uint64_t>(made_us), 0};
}

cluster::BulkRequest ask_checkpoint_block(ExperimentId id, const std::string& name, int64_t made_us,
                                          const std::string& block) {
  return {"checkpoint_block", to_string(id), block + "/" + name, static_cast<uint64_t>(made_us), 0};
}

cluster::BulkRequest ask_snapshot(const std::string& digest) {
  return {"snapshot", digest, "", 0, 0};
}

cluster::BulkRequest ask_manifest(const std::string& digest) {
  return {"manifest", digest, "", 0, 0};
}

cluster::BulkRequest ask_block(const std::string& digest) {
  return {"block", digest, "", 0, 0};
}

cluster::BulkRequest ask_sources(const std::string& digest) {
  return {"sources", digest, "", 0, 0};
}

cluster::BulkRequest ask_member(const std::string& common_name) {
  return {"member", common_name, "", 0, 0};
}

cluster::BulkRequest ask_worker_block(const std::string& version, uint32_t number,
                                      const std::string& digest) {
  return {"block", digest, version, number, 0};
}

cluster::BulkRequest ask_kept() {
  return {"kept", "", "", 0, 0};
}

cluster::BulkRequest ask_unkeep(ExperimentId id) {
  return {"unkeep", to_string(id), "", 0, 0};
}

cluster::BulkRequest ask_verify(const std::string& version) {
  return {"verify", version, "", 0, 0};
}

std::string kept_text(const std::vector<KeptUse>& uses) {
  process::Encoder encoder;
  for (const auto& use : uses) {
    encoder.text(to_string(use.id));
    for (auto number : {use.files, use.outputs, use.checkpoints, use.logs}) encoder.number(number);
  }
  return encoder.bytes();
}

Result<std::vector<KeptUse>> parse_kept(std::string_view bytes) {
  std::vector<KeptUse> uses;
  process::Decoder decoder{bytes};
  bool good = true;
  while (good && !decoder.complete() && decoder.good()) {
    KeptUse use;
    auto id = parse_experiment_id(decoder.text());
    good = id.has_value();
    if (good) use.id = *id;
    for (auto* number : {&use.files, &use.outputs, &use.checkpoints, &use.logs})
      *number = decoder.number<uint64_t>();
    uses.push_back(use);
  }
  if (good && decoder.complete()) return uses;
  return Error{Errc::corrupt, "a list of what a worker keeps cannot be read",
               "its worker sent nonsense", "is the worker of the head's version?"};
}

void put_output(std::string& bytes, const storage::OutputFile& file) {
  process::Encoder encoder;
  encoder.text(file.path);
  encoder.number(file.size);
  encoder.number(file.modified.us);
  encoder.number(static_cast<uint8_t>(file.is_link ? 1 : 0));
  encoder.text(file.target);
  bytes += encoder.bytes();
}

Result<std::vector<storage::OutputFile>> parse_outputs(std::string_view bytes) {
  std::vector<storage::OutputFile> files;
  process::Decoder decoder{bytes};
  while (!decoder.complete() && decoder.good()) {
    storage::OutputFile file;
    file.path = decoder.text();
    file.size = decoder.number<uint64_t>();
    file.modified.us = decoder.number<int64_t>();
    file.is_link = decoder.number<uint8_t>() != 0;
    file.target = decoder.text();
    files.push_back(std::move(file));
  }
  if (!decoder.complete())
    return Error{Errc::corrupt, "a list of outputs cannot be read", "its worker sent nonsense",
                 "is the worker of the head's version?"};
  return files;
}

}  // namespace troupe::actors
