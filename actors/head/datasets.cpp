#include "actors/head/datasets.hpp"

#include "actors/head/commit.hpp"
#include "actors/head/kept_books.hpp"
#include "runtime/core/limits.hpp"
#include "runtime/core/log.hpp"
#include "runtime/core/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::actors {

namespace {

constexpr size_t source_bytes_max = 1000;

storage::AppendEvent dataset_event(const DatasetVersion& version, std::string cause,
                                   Timestamp now) {
  Event event;
  event.time = now;
  event.kind = "dataset";
  event.subject = fmt::format("{}:{}", version.name, version.version);
  event.cause = std::move(cause);
  return {std::move(event)};
}

}  // namespace

dataset_actor::behavior_type dataset_behavior(dataset_actor::stateful_pointer<DatasetState> self,
                                              HeadContextRef context, ledger_actor ledger) {
  return self->state.make_behavior(std::move(context), std::move(ledger));
}

dataset_actor::behavior_type DatasetState::make_behavior(HeadContextRef context,
                                                         ledger_actor ledger) {
  context_ = std::move(context);
  ledger_ = std::move(ledger);
  OutputVersions::Ports ports;
  ports.commit = [this](std::vector<storage::Mutation> mutations,
                        std::function<void(Result<void>)> done) {
    commit(
        std::move(mutations), [done] { done(ok()); },
        [done](caf::error& e) { done(from_caf(e, "a commit")); });
  };
  ports.wake = [self = caf::actor_cast<dataset_actor>(self_->ctrl())] {
    caf::anon_send(self, flush_atom_v);
  };
  outputs_ = std::make_unique<OutputVersions>(context_, ports);
  checkpoints_ = std::make_unique<Checkpoints>(context_, std::move(ports));
  return {
      [this](store_atom, const BlobRef& block) { return store(block); },
      [this](manifest_atom, const DatasetPushRef& one) { return push(one); },
      [this](label_atom, const std::string& dataset, const std::string& label, uint32_t version) {
        return tag(dataset, label, version);
      },
      [this](leave_atom, const std::string& user, const std::string& dataset, uint32_t version) {
        return drop(user, dataset, version);
      },
      [this](find_atom, ExperimentId id) { return outputs(id); },
      [this](note_atom, const RecordRef& record) { checkpoints_->noted(*record); },
      [this](resume_atom, const RecordRef& record) { return resume(record); },
      [this](why_atom, ExperimentId id) { return checkpoints_->waits_for(id); },
      [this](lost_atom, const std::string& node) { checkpoints_->lost_node(node); },
      [this](known_atom, const std::string& node) { checkpoints_->found_node(node); },
      [this](flush_atom) {
        outputs_->arrived();
        checkpoints_->arrived();
      },
      [this](forget_atom, ExperimentId id, const std::string& cause) { return forget(id, cause); },
  };
}

caf::result<bool> DatasetState::store(const BlobRef& block) {
  auto id = dataset::content_id_from(block->first);
  if (!id)
    return to_caf(Error{Errc::invalid, "this is no digest of a block", block->first.substr(0, 80),
                        "give 64 hexadecimal digits"});
  if (auto stored = context_->data->blocks().put(*id, block->second); !stored)
    return to_caf(stored.error());
  return true;
}

/// Asks for changes to become durable; both are called on this actor's thread.
void DatasetState::commit(std::vector<storage::Mutation> mutations, std::function<void()> done,
                          std::function<void(caf::error&)> failed) {
  request_commit(
      self_, ledger_, commit_atom_v, mutations_ref(std::move(mutations)),
      [done = std::move(done)](uint64_t) { done(); }, std::move(failed));
}

DatasetState::VersionPromise DatasetState::push(const DatasetPushRef& push) {
  auto promise = self_->make_response_promise<DatasetVersionRef>();
  auto refuse = [&](const Error& error) {
    promise.deliver(to_caf(error));
    return promise;
  };
  const auto& [user, asked] = *push;
  if (auto good = check_dataset_name(asked.name); !good) return refuse(good.error());
  if (!asked.tag.empty())
    if (auto good = check_dataset_tag(asked.tag); !good) return refuse(good.error());
  auto newest = context_->ledger->dataset(asked.name, "");
  if (!newest) return refuse(newest.error());
  auto highest = context_->ledger->dataset_highest(asked.name);
  if (!highest) return refuse(highest.error());
  auto manifest = context_->data->put_manifest(asked.manifest);
  if (!manifest) return refuse(manifest.error());
  // Until its name is durable nobody may collect it.
  auto settle = [this, id = dataset::content_id_of(asked.manifest)] { context_->data->settle(id); };

  DatasetVersion version;
  version.name = asked.name;
  version.digest = to_string(dataset::content_id_of(asked.manifest));
  std::vector<storage::Mutation> mutations;
  auto now = context_->clock->now();
  if (*newest && (**newest).digest == version.digest) {
    version = **newest;  // pushed again: nothing is new
  } else {
    auto& given = given_[asked.name];
    version.version = given = std::max(given, *highest) + 1;
    note_sizes(version, *manifest);
    version.user = user;
    version.created = now;
    version.source = asked.source.substr(0, source_bytes_max);
    version.from = asked.from;
    mutations.emplace_back(storage::PutDataset{version});
    mutations.emplace_back(dataset_event(version, "pushed by " + user, now));
  }
  if (!asked.tag.empty())
    mutations.emplace_back(storage::PutTag{asked.name, asked.tag, version.version});
  if (mutations.empty()) {
    settle();
    promise.deliver(share(std::move(version)));
    return promise;
  }
  auto answer = share(version);
  commit(
      std::move(mutations),
      [promise, answer, settle]() mutable {
        settle();
        promise.deliver(answer);
      },
      [promise, settle](caf::error& e) mutable {
        settle();
        promise.deliver(std::move(e));
      });
  return promise;
}

DatasetState::VersionPromise DatasetState::outputs(ExperimentId id) {
  auto promise = self_->make_response_promise<DatasetVersionRef>();
  outputs_->find(id, [promise](Result<DatasetVersion> version) mutable {
    if (version)
      promise.deliver(share(std::move(*version)));
    else
      promise.deliver(to_caf(version.error()));
  });
  return promise;
}

caf::typed_response_promise<ResumeRef> DatasetState::resume(const RecordRef& record) {
  auto promise = self_->make_response_promise<ResumeRef>();
  checkpoints_->resume(
      record, [promise](Resume resume) mutable { promise.deliver(share(std::move(resume))); });
  return promise;
}

DatasetState::DonePromise DatasetState::tag(const std::string& dataset, const std::string& tag,
                                            uint32_t version) {
  auto promise = self_->make_response_promise<bool>();
  auto check = [&]() -> Result<void> {
    TROUPE_TRY(check_dataset_tag(tag));
    if (version == 0) return ok();
    auto found = find_dataset(*context_->ledger, dataset, fmt::to_string(version));
    if (!found) return std::move(found).error();
    return ok();
  };
  if (auto good = check(); !good) {
    promise.deliver(to_caf(good.error()));
    return promise;
  }
  commit(
      {storage::PutTag{dataset, tag, version}}, [promise]() mutable { promise.deliver(true); },
      [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
  return promise;
}

/// Who has not ended and uses this version; empty: nobody.
Result<std::string> DatasetState::user_of(const DatasetVersion& version) const {
  bool output = version.name.find('/') != std::string::npos;
  auto source = output ? version.name : fmt::format("{}:{}", version.name, version.version);
  auto live = context_->ledger->live();
  if (!live) return std::move(live).error();
  uint64_t seen = 0;  // members of a set share its mounts
  for (auto id : *live) {
    if (id.top == seen) continue;
    seen = id.top;
    auto entry = context_->ledger->find(id.parent());
    if (!entry) return std::move(entry).error();
    if (!*entry) continue;
    const auto& spec = std::visit([](const auto& record) { return record.spec; }, **entry);
    for (const auto& mount : spec->data)
      if (mount.source == source) return to_string(id.parent());
  }
  return std::string{};
}

DatasetState::DonePromise DatasetState::drop(const std::string& user, const std::string& dataset,
                                             uint32_t number) {
  auto promise = self_->make_response_promise<bool>();
  auto version = find_dataset(*context_->ledger, dataset, fmt::to_string(number));
  if (!version) {
    promise.deliver(to_caf(version.error()));
    return promise;
  }
  auto by = user_of(*version);
  if (!by || !by->empty()) {
    promise.deliver(
        to_caf(by ? Error{Errc::conflict, fmt::format("{}:{} is in use", dataset, number),
                          fmt::format("{} has not ended", *by), fmt::format("troupe wait {}", *by)}
                  : by.error()));
    return promise;
  }
  auto event = dataset_event(*version, "removed by " + user, context_->clock->now());
  commit(
      {storage::DropDataset{dataset, number}, event},
      [this, promise, digest = version->digest]() mutable {
        promise.deliver(true);
        // Another name or version may have the very same content.
        if (auto id = dataset::content_id_from(digest);
            id && !is_version(*context_->ledger, digest))
          if (auto removed = context_->data->remove_manifest(*id); !removed)
            log::warning("datasets", "{}", to_string(removed.error()));
      },
      [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
  return promise;
}

/// The version of the outputs of an experiment; what it leaves is collected by whoever asks.
DatasetState::DonePromise DatasetState::forget(ExperimentId id, const std::string& cause) {
  auto promise = self_->make_response_promise<bool>();
  auto refuse = [&](const Error& error) {
    promise.deliver(to_caf(error));
    return promise;
  };
  auto version = context_->ledger->dataset(outputs_name(id), "");
  if (!version) return refuse(version.error());
  if (!*version) {
    promise.deliver(true);
    return promise;
  }
  auto by = user_of(**version);
  if (!by) return refuse(by.error());
  if (!by->empty())
    return refuse({Errc::conflict, outputs_name(id) + " is in use", *by + " has not ended",
                   "troupe wait " + *by});
  commit(
      {storage::DropDataset{(**version).name, (**version).version},
       dataset_event(**version, "removed: " + cause, context_->clock->now())},
      [promise]() mutable { promise.deliver(true); },
      [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
  return promise;
}

Result<DatasetVersion> find_dataset(const storage::Ledger& ledger, const std::string& name,
                                    const std::string& which) {
  auto found = ledger.dataset(name, which);
  if (!found) return std::move(found).error();
  if (*found) return std::move(**found);
  auto newest = ledger.dataset(name, "");
  if (!newest) return std::move(newest).error();
  if (*newest) {
    auto tags = ledger.dataset_tags(name);
    std::string has = fmt::format("its newest version is {}", (**newest).version);
    if (tags && !tags->empty()) {
      has += "; tags:";
      for (const auto& [tag, version] : *tags) has += " " + tag;
    }
    return Error{Errc::not_found, fmt::format("dataset {} has no version {}", name, which), has,
                 fmt::format("troupe data show {}", name)};
  }
  std::vector<std::string> names;
  if (auto page = ledger.datasets(limits::page_max))
    for (const auto& version : page->versions) names.push_back(version.name);
  auto near = suggestion(name, names);
  return Error{Errc::not_found, fmt::format("dataset {} not found", name),
               names.empty()  ? "no dataset is registered here"
               : near.empty() ? "troupe data ls shows what there is"
                              : near,
               fmt::format("troupe data push {} PATH", name)};
}

uint64_t dataset_bytes(const storage::Ledger& ledger, const std::string& source) {
  auto ref = parse_dataset_ref(source);
  if (!ref || ref->name.empty()) return 0;
  auto version = ledger.dataset(ref->name, ref->which);
  return version && *version ? (**version).payload : 0;
}

namespace {

/// Where they were removed a copy may be left.
Result<void> outputs_there(const storage::Ledger& ledger, ExperimentId id) {
  auto copy = ledger.dataset(outputs_name(id), "");
  if (!copy) return std::move(copy).error();
  return *copy ? ok() : check_outputs_kept(ledger, id);
}

/// Whether the outputs of this one are there when an experiment that names it begins.
Result<void> check_outputs(const storage::Ledger& ledger, ExperimentId id,
                           const ExperimentSpec& spec) {
  auto entry = ledger.find(id);
  if (!entry) return std::move(entry).error();
  if (!*entry)
    return Error{Errc::not_found, fmt::format("experiment {} not found", to_string(id)),
                 fmt::format("{} is to be mounted", outputs_name(id)), "troupe ls -a"};
  const auto* record = std::get_if<ExperimentRecord>(&**entry);
  if (record == nullptr)
    return Error{Errc::invalid, fmt::format("{} cannot be mounted", outputs_name(id)),
                 "a set has no outputs of its own", fmt::format("name a member: {}.1/out", id.top)};
  TROUPE_TRY(outputs_there(ledger, id));
  if (is_terminal(record->state) ||
      std::find(spec.after.begin(), spec.after.end(), id) != spec.after.end())
    return ok();
  return Error{Errc::conflict, fmt::format("{} cannot be mounted yet", outputs_name(id)),
               fmt::format("experiment {} has not ended", to_string(id)),
               fmt::format("start behind it: --after {}", to_string(id))};
}

}  // namespace

Result<void> resolve_datasets(const storage::Ledger& ledger, ExperimentSpec& spec) {
  for (auto& mount : spec.data) {
    auto ref = parse_dataset_ref(mount.source);
    if (!ref) return std::move(ref).error();
    if (mount.mount.empty()) mount.mount = ref->default_mount();
    if (ref->output) {
      TROUPE_TRY(check_outputs(ledger, *ref->output, spec));
      mount.source = outputs_name(*ref->output);
      mount.digest.clear();
      continue;
    }
    auto version = find_dataset(ledger, ref->name, ref->which);
    if (!version) return std::move(version).error();
    mount.source = fmt::format("{}:{}", version->name, version->version);
    mount.digest = version->digest;
  }
  return ok();
}

}  // namespace troupe::actors
