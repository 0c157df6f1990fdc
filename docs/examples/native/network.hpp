// A network with one hidden layer, its slopes and its step: all the arithmetic of the example.
// What it computes for some images depends on them and the weights alone, in every bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

class Network {
 public:
  static constexpr int pixels = 28 * 28, classes = 10;

  /// Whether this processor has what it was compiled for.
  static bool runs_here();

  /// First weights follow from the seed.
  Network(int hidden, uint64_t seed);

  /// All weights and biases, one behind the other.
  std::vector<float>& weights() { return weights_; }
  /// Those of the momentum, in the same order.
  std::vector<float>& velocity() { return velocity_; }

  /// Floats of what slopes() gives: one for each weight, then the losses' sum and how many of the
  /// images were named rightly.
  size_t slopes_size() const { return weights_.size() + 2; }
  /// Of `count` images (784 bytes each, one behind the other), summed over them.
  void slopes(const uint8_t* images, const uint8_t* labels, int count, float* to);
  /// How many of the images it names rightly.
  float right(const uint8_t* images, const uint8_t* labels, int count);
  /// One step of gradient descent with momentum.
  void step(const float* slopes, float rate);

 private:
  /// Where each layer's numbers begin; the first layer's weights are the first of all.
  size_t bias1() const { return static_cast<size_t>(hidden_) * pixels; }
  size_t weights2() const { return bias1() + static_cast<size_t>(hidden_); }
  size_t bias2() const { return weights2() + static_cast<size_t>(hidden_) * classes; }
  void forward(const uint8_t* images, int count);

  int hidden_;
  std::vector<float> weights_, velocity_;
  std::vector<float> inputs_, hiddens_, scores_, back_;  // of one batch, a column an image
};
