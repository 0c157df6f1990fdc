// Several objectives at once, all to be minimised: which points are beaten by which (with
// constraints: Deb 2002), how crowded a front is, how much of the space a set of points dominates.
// Pure functions over plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace troupe::hpo {

using Values = std::vector<double>;

struct Candidate {
  Values values;         // empty: it failed, and everything beats it
  double violation = 0;  // of constraints; above 0 loses against any without
};

/// Whether a is better: fewer failures, less violation, else nowhere worse and somewhere better.
bool dominates(const Candidate& a, const Candidate& b);
/// 0 for those that none dominates, 1 for those that only these dominate, and so on.
std::vector<uint32_t> domination_ranks(const std::vector<Candidate>& candidates);
/// The sum over objectives of the distance between the neighbours of each point of a front, as
/// shares of the whole; infinite at the ends.
std::vector<double> crowding_distances(const std::vector<Values>& front);
/// The volume that the points dominate below the reference. Exact, by exclusion (While, Bradstreet,
/// Barone 2012); points that are not below it count nothing.
double hypervolume(std::vector<Values> points, const Values& reference);
/// The places of `count` points that dominate much together, chosen one by one by what each adds.
std::vector<size_t> hypervolume_subset(const std::vector<Values>& points, const Values& reference,
                                       size_t count);
/// Beyond the worst of the points in every objective, by a tenth.
Values reference_beyond(const std::vector<Values>& points);

}  // namespace troupe::hpo
