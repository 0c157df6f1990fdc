#include "actors/head/store_checker.hpp"

#include "actors/bulk_words.hpp"
#include "actors/head/kept_books.hpp"
#include "storage/check_blobs.hpp"
#include "storage/dataset/hurt_files.hpp"

#include <fmt/format.h>

#include <mutex>
#include <thread>

namespace troupe::actors {

namespace {

// Half a terabyte at a slow disk's pace.
constexpr auto verify_timeout = std::chrono::hours{2};

}  // namespace

Result<api::StoreCheck> StoreChecker::check(const api::StoreCheckRequest& request) {
  repair_ = request.repair;
  auto versions = named_versions(*context_.ledger);
  if (!versions) return std::move(versions).error();
  for (auto& version : *versions) {
    auto& titles = titles_[version.digest];
    titles.push_back(version_title(version));
    if (titles.size() == 1) versions_.push_back(std::move(version));
  }
  TROUPE_TRY(look_at_blocks());
  TROUPE_TRY(look_at_manifests());
  for (const auto& [id, detail] : manifests_) report_manifest(id, detail);
  // Behind them: one that was fetched again names blocks.
  look_at_versions();
  for (const auto& [id, block] : blocks_) report_block(id, block);
  TROUPE_TRY(look_at_code());
  if (request.nodes) look_at_nodes();
  return std::move(check_);
}

Result<void> StoreChecker::look_at_blocks() {
  auto checked = storage::check_blobs(context_.data->blocks().blobs(), *context_.closing);
  if (!checked) return std::move(checked).error();
  check_.blocks = checked->count;
  check_.bytes += checked->bytes;
  for (auto& damage : checked->damage)
    if (auto id = dataset::content_id_from(damage.digest)) blocks_[*id].detail = damage.detail;
  return ok();
}

Result<void> StoreChecker::look_at_manifests() {
  auto stored = context_.data->manifests();
  if (!stored) return std::move(stored).error();
  for (const auto& id : *stored) {
    auto bytes = context_.data->manifest_bytes(id);
    if (!bytes && bytes.error().code == Errc::not_found) continue;
    ++check_.manifests;
    if (bytes) check_.bytes += bytes->size();
    auto whole = bytes ? dataset::parse_manifest(*bytes) : Result<dataset::Manifest>{bytes.error()};
    if (!whole) manifests_[id] = whole.error().detail;
  }
  std::set<Id> there{stored->begin(), stored->end()};
  for (const auto& version : versions_) {
    auto id = dataset::content_id_from(version.digest);
    if (!id || there.contains(*id)) continue;
    // It may have been removed since its name was read.
    auto still = context_.ledger->dataset(version.name, fmt::to_string(version.version));
    if (!still) return std::move(still).error();
    if (*still && !context_.data->manifest_bytes(*id)) manifests_[*id] = "it is missing";
  }
  return ok();
}

void StoreChecker::look_at_versions() {
  for (size_t i = 0; i < versions_.size(); ++i) {
    auto id = dataset::content_id_from(versions_[i].digest);
    auto manifest = id ? context_.data->manifest(*id) : Result<dataset::Manifest>{Error{}};
    if (manifest) look_at_version(i, *manifest);
  }
}

void StoreChecker::look_at_version(size_t number, const dataset::Manifest& manifest) {
  std::vector<uint32_t> bad;
  for (uint32_t i = 0; i < manifest.blocks.size(); ++i) {
    const auto& block = manifest.blocks[i];
    if (!blocks_.contains(block.id)) {
      auto size = context_.data->blocks().size(block.id);
      if (size && *size == block.bytes()) continue;
      blocks_[block.id].detail = size ? "it has another size" : "it is missing";
    }
    bad.push_back(i);
  }
  for (auto i : bad) {
    auto& block = blocks_[manifest.blocks[i].id];
    block.places.emplace_back(number, i);
    uint64_t beyond = 0;
    for (auto& path : dataset::hurt_files(
             manifest, [&](uint32_t b) { return b == i; }, api::StoreProblem::files_max, beyond))
      block.files.insert(std::move(path));
    block.beyond = std::max(block.beyond, beyond);
  }
}

std::vector<std::string> StoreChecker::titles(const std::string& digest) const {
  auto at = titles_.find(digest);
  return at == titles_.end() ? std::vector<std::string>{} : at->second;
}

void StoreChecker::report_block(const Id& id, const BadBlock& block) {
  api::StoreProblem problem;
  problem.kind = "block";
  problem.digest = to_string(id);
  problem.detail = block.detail;
  for (const auto& [version, number] : block.places)
    for (auto& title : titles(versions_[version].digest)) problem.versions.push_back(title);
  problem.unlisted = block.beyond;
  for (const auto& path : block.files) {
    if (problem.files.size() < api::StoreProblem::files_max)
      problem.files.push_back(path);
    else
      ++problem.unlisted;
  }
  if (repair_) {
    auto from = fetch_block(id, block);
    problem.cured = !from.empty();
    problem.cure = "fetched again from " + from;
    if (from.empty()) {
      auto aside = context_.data->set_aside_block(id);
      problem.cured = aside && block.places.empty();
      problem.cure = !aside                 ? to_string(aside.error())
                     : block.places.empty() ? "moved aside: nothing needs it"
                                            : "moved aside: push the same data again to mend it";
    }
  }
  check_.problems.push_back(std::move(problem));
}

void StoreChecker::report_manifest(const Id& id, const std::string& detail) {
  api::StoreProblem problem;
  problem.kind = "manifest";
  problem.digest = to_string(id);
  problem.detail = detail;
  problem.versions = titles(problem.digest);
  if (repair_) {
    auto from = fetch_manifest(id);
    problem.cured = !from.empty();
    problem.cure = "fetched again from " + from;
    if (from.empty()) {
      auto aside = context_.data->set_aside_manifest(id);
      problem.cured = aside && problem.versions.empty();
      problem.cure = !aside ? to_string(aside.error())
                     : problem.versions.empty()
                         ? "moved aside: nothing needs it"
                         : "moved aside: push the same data again to mend it";
    }
  }
  check_.problems.push_back(std::move(problem));
}

Result<void> StoreChecker::look_at_code() {
  const auto& code = *context_.code;
  auto checked = storage::check_blobs(code.blobs(), *context_.closing);
  if (!checked) return std::move(checked).error();
  check_.code_files = checked->count;
  check_.bytes += checked->bytes;
  std::map<std::string, api::StoreProblem> files;
  auto note = [&](const std::string& digest, const std::string& detail) -> api::StoreProblem& {
    auto& problem = files[digest];
    problem.kind = "code file";
    problem.digest = digest;
    problem.detail = detail;
    return problem;
  };
  for (const auto& damage : checked->damage) note(damage.digest, damage.detail);
  auto snapshots = code.manifests();
  if (!snapshots) return std::move(snapshots).error();
  for (const auto& snapshot : *snapshots) {
    auto good = code.check_manifest(snapshot);
    auto text = good ? code.manifest(snapshot) : Result<std::string>{good.error()};
    auto manifest = text ? parse_manifest(*text) : Result<CodeManifest>{text.error()};
    if (!manifest) {
      if (manifest.error().code == Errc::not_found) continue;
      api::StoreProblem problem;
      problem.kind = "code snapshot";
      problem.digest = snapshot;
      problem.detail = manifest.error().detail;
      problem.versions = {snapshot};
      report_code(std::move(problem));
      continue;
    }
    for (const auto& entry : manifest->entries) {
      if (entry.is_link) continue;
      auto at = files.find(entry.digest);
      if (at == files.end() && code.blobs().size(entry.digest)) continue;
      auto& problem = at == files.end() ? note(entry.digest, "it is missing") : at->second;
      if (problem.versions.empty() || problem.versions.back() != snapshot)
        problem.versions.push_back(snapshot);
      if (problem.files.size() < api::StoreProblem::files_max)
        problem.files.push_back(entry.path);
      else
        ++problem.unlisted;
    }
  }
  for (auto& [digest, problem] : files) report_code(std::move(problem));
  return ok();
}

/// Nobody else keeps code: what is damaged is out of the way, so that the next submission of the
/// same tree brings it again.
void StoreChecker::report_code(api::StoreProblem problem) {
  if (repair_) {
    auto aside = problem.kind == "code file" ? context_.code->set_aside_blob(problem.digest)
                                             : context_.code->set_aside_manifest(problem.digest);
    problem.cured = aside && problem.versions.empty();
    problem.cure = aside ? "moved aside: submit with the same code again to mend it"
                         : to_string(aside.error());
  }
  check_.problems.push_back(std::move(problem));
}

void StoreChecker::look_at_nodes() {
  auto nodes = ports_.nodes();
  if (!nodes) return check_.unasked.push_back(to_string(nodes.error()));
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (const auto& node : *nodes) {
    if (!can_be_asked(node)) {
      check_.unasked.push_back(fmt::format("{}: it is {}", node.name, node.state));
      continue;
    }
    if (!node.cache) continue;
    threads.emplace_back([&, this] {
      std::vector<api::StoreProblem> problems;
      uint64_t versions = 0, bytes = 0;
      look_at_node(node, problems, versions, bytes);
      std::lock_guard guard{mutex};
      check_.node_versions += versions;
      check_.bytes += bytes;
      for (auto& problem : problems) check_.problems.push_back(std::move(problem));
    });
  }
  for (auto& thread : threads) thread.join();
}

void StoreChecker::look_at_node(const api::NodeView& node, std::vector<api::StoreProblem>& problems,
                                uint64_t& versions, uint64_t& bytes) {
  for (const auto& version : node.cache->versions) {
    if (version.state != "here") continue;
    auto answer = ports_.ask(node.name, ask_verify(version.digest), 1u << 20, verify_timeout);
    if (!answer && answer.error().code == Errc::not_found) continue;
    if (answer) {
      ++versions;
      bytes += answer->end.size;
      if (answer->end.complete) continue;
    }
    api::StoreProblem problem;
    problem.kind = "version";
    problem.digest = version.digest;
    problem.node = node.name;
    problem.versions = titles(version.digest);
    problem.detail = answer ? answer->bytes : to_string(answer.error());
    if (answer) {
      // The node itself gives it to nobody any more. Where it has no name nobody can ask for it.
      problem.cured = true;
      problem.cure = problem.versions.empty() ? "no job is given it" : "it is fetched again";
      if (!problem.versions.empty()) ports_.bring(version.digest, node.name);
    }
    problems.push_back(std::move(problem));
  }
}

}  // namespace troupe::actors
