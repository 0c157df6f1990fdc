// From values to places on paper, and where an axis has its ticks. Pure.
#pragma once

#include "client/plot/study.hpp"

#include <string>
#include <vector>

namespace troupe::plot {

struct Tick {
  double value = 0;
  std::string label;
};

class Scale {
 public:
  /// The axis from one place to another, with a little air at both ends; an axis of one value has
  /// it in the middle. Logarithms of what is not above 0 stand at the lower end.
  Scale(Axis axis, double from, double to);

  double operator()(double value) const;
  /// The value of a place.
  double value_at(double place) const;
  /// At most about `most`, at numbers that people like; of categories each, or evenly some.
  std::vector<Tick> ticks(size_t most) const;
  const Axis& axis() const { return axis_; }

 private:
  std::vector<Tick> linear_ticks(size_t most) const;
  std::vector<Tick> log_ticks(size_t most) const;

  Axis axis_;
  double from_, to_;
  double low_ = 0, high_ = 1;  // with the air, of a logarithmic axis in decades
};

}  // namespace troupe::plot
