#include "docs/examples/native/network.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <random>

namespace {

using Matrix = Eigen::Map<Eigen::MatrixXf>;
using Weights = Eigen::Map<const Eigen::MatrixXf>;

constexpr float momentum = 0.9F;

struct Judged {
  float loss = 0, right = 0;
};

/// Each column of scores becomes its softmax less 1 at the label, which is the loss's slope.
Judged judge(float* scores, const uint8_t* labels, int count) {
  Judged judged;
  for (int i = 0; i < count; ++i, scores += Network::classes) {
    auto* most = std::max_element(scores, scores + Network::classes);
    judged.right += most - scores == labels[i] ? 1 : 0;
    float highest = *most, sum = 0;
    for (int c = 0; c < Network::classes; ++c) sum += scores[c] = std::exp(scores[c] - highest);
    for (int c = 0; c < Network::classes; ++c) scores[c] /= sum;
    judged.loss -= std::log(std::max(scores[labels[i]], 1e-12F));
    scores[labels[i]] -= 1;
  }
  return judged;
}

void add_bias(float* columns, const float* bias, int rows, int count) {
  for (int i = 0; i < count; ++i, columns += rows)
    for (int r = 0; r < rows; ++r) columns[r] += bias[r];
}

void sum_columns(const float* columns, int rows, int count, float* to) {
  std::fill_n(to, rows, 0.0F);
  for (int i = 0; i < count; ++i, columns += rows)
    for (int r = 0; r < rows; ++r) to[r] += columns[r];
}

}  // namespace

bool Network::runs_here() {
#ifdef __AVX2__
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return true;
#endif
}

Network::Network(int hidden, uint64_t seed) : hidden_{hidden} {
  weights_.resize(bias2() + classes);
  velocity_.resize(weights_.size());
  std::mt19937_64 random{seed};
  auto fill = [&](size_t begin, size_t end, int inputs) {
    std::normal_distribution<float> normal{0, std::sqrt(2.0F / static_cast<float>(inputs))};
    for (auto i = begin; i < end; ++i) weights_[i] = normal(random);
  };
  fill(0, bias1(), pixels);
  fill(weights2(), bias2(), hidden);
}

void Network::forward(const uint8_t* images, int count) {
  auto columns = static_cast<size_t>(count);
  inputs_.resize(columns * pixels);
  hiddens_.resize(columns * static_cast<size_t>(hidden_));
  scores_.resize(columns * classes);
  for (size_t i = 0; i < inputs_.size(); ++i)
    inputs_[i] = static_cast<float>(images[i]) * (1.0F / 255);

  const auto* weights = weights_.data();
  Matrix hiddens{hiddens_.data(), hidden_, count};
  hiddens.noalias() = Weights{weights, hidden_, pixels} * Matrix{inputs_.data(), pixels, count};
  add_bias(hiddens_.data(), weights + bias1(), hidden_, count);
  hiddens = hiddens.cwiseMax(0.0F);
  Matrix{scores_.data(), classes, count}.noalias() =
      Weights{weights + weights2(), classes, hidden_} * hiddens;
  add_bias(scores_.data(), weights + bias2(), classes, count);
}

void Network::slopes(const uint8_t* images, const uint8_t* labels, int count, float* to) {
  forward(images, count);
  auto judged = judge(scores_.data(), labels, count);
  back_.resize(hiddens_.size());
  Matrix inputs{inputs_.data(), pixels, count}, hiddens{hiddens_.data(), hidden_, count};
  Matrix errors{scores_.data(), classes, count}, back{back_.data(), hidden_, count};

  Matrix{to + weights2(), classes, hidden_}.noalias() = errors * hiddens.transpose();
  sum_columns(scores_.data(), classes, count, to + bias2());
  back.noalias() = Weights{weights_.data() + weights2(), classes, hidden_}.transpose() * errors;
  for (size_t i = 0; i < back_.size(); ++i) back_[i] = hiddens_[i] > 0 ? back_[i] : 0;
  Matrix{to, hidden_, pixels}.noalias() = back * inputs.transpose();
  sum_columns(back_.data(), hidden_, count, to + bias1());
  to[weights_.size()] = judged.loss;
  to[weights_.size() + 1] = judged.right;
}

float Network::right(const uint8_t* images, const uint8_t* labels, int count) {
  forward(images, count);
  return judge(scores_.data(), labels, count).right;
}

void Network::step(const float* slopes, float rate) {
  for (size_t i = 0; i < weights_.size(); ++i) {
    velocity_[i] = momentum * velocity_[i] + slopes[i];
    weights_[i] -= rate * velocity_[i];
  }
}
