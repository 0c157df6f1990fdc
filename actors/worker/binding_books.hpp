// Which job has which cores of this node, and where the next one goes. They last as long as the
// worker; what a job was given lies in its order, from which they are filled again. Owned by the
// node actor; no thread of its own.
#pragma once

#include "runtime/core/binding.hpp"
#include "runtime/topology/placement.hpp"
#include "runtime/wire/messages.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace troupe::actors {

struct BindingRules {
  std::shared_ptr<const topology::Model> model;  // null: nobody is bound
  std::optional<Binding> binding;                // of jobs that ask for none
  /// Nobody else on this machine gives cores away, so where nothing is said, jobs that ask for
  /// several whole CPUs, or for GPUs, get cores of their own.
  bool cores_are_ours = false;
  std::map<uint32_t, GpuDevice> devices;  // by index
};

class BindingBooks {
 public:
  explicit BindingBooks(BindingRules rules) : rules_{std::move(rules)} {}

  /// Where it goes; its cores are taken until release().
  JobBound take(const JobOrder& order);
  /// A job that was there before this worker.
  void adopt(const JobKey& key, const JobBound& bound);
  void release(const JobKey& key) { taken_.erase(key); }
  topology::Numbers taken() const;

 private:
  Binding wish_of(const JobOrder& order) const;
  std::vector<uint32_t> places_of(const JobOrder& order) const;

  BindingRules rules_;
  std::map<JobKey, topology::Numbers> taken_;
};

}  // namespace troupe::actors
