#include "tests/actors/job_fixture.hpp"

namespace troupe::actors {

cache_actor::behavior_type fake_cache(cache_actor::pointer self,
                                      std::shared_ptr<CacheProbe> probe) {
  return {
      [self, probe](hold_atom, const JobKey& key, const OrderRef&) {
        probe->held.push_back(key);
        probe->waiting.push_back(self->make_response_promise<HeldDataRef>());
        return probe->waiting.back();
      },
      [probe](release_atom, const JobKey& key) { probe->released.push_back(key); },
      [](fetch_atom, const CacheWishes&) {},
      [](report_atom) {},
      [](found_atom, const FoundRef&) {},
      [](room_atom, const std::string&, uint64_t, uint64_t) {
        return share(std::vector<std::string>{});
      },
      [](progress_atom, const std::string&, uint64_t, uint64_t) {},
      [](gone_atom, const std::string&, bool) {},
      [](tick_atom) {},
      [](flush_atom) {},
      // A promise must be kept by the actor that gave it.
      [probe](filled_atom, const FilledRef& filled) {
        for (auto& promise : std::exchange(probe->waiting, {})) {
          if (filled->done)
            promise.deliver(share(HeldData{{*filled->done}}));
          else
            promise.deliver(to_caf(filled->done.error()));
        }
      },
  };
}

report_port::behavior_type fake_reports(report_port::pointer,
                                        std::shared_ptr<std::vector<JobUpdate>> updates,
                                        std::shared_ptr<std::vector<MetricBatch>> metrics) {
  return {
      [updates](update_atom, const JobUpdate& update) { updates->push_back(update); },
      [metrics](metrics_atom, const MetricBatch& batch) { metrics->push_back(batch); },
  };
}

}  // namespace troupe::actors
