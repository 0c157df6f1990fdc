// Trains a network on MNIST with any number of ranks, on the processor: records from the job's
// dataset, slopes summed over the ranks by its communicator, checkpoints to go on from.
//   train_native [--epochs 3] [--batch 256] [--rate 0.15] [--hidden 256] [--seed 1]
//                [--images 60000]     so many of the first ones
//                [--parts 8]          into which each batch is cut; at least as many as ranks
//                [--exact 1]          the same result in every bit, however many ranks there are
//                [--save-every 0]     steps between checkpoints; 0: one an epoch
// Each rank has every weight and sees its part of every batch, so the sum of all ranks' slopes is
// that of the batch, whatever their number is.
#include "client/cpp/job_data.hpp"
#include "docs/examples/native/batches.hpp"
#include "docs/examples/native/network.hpp"
#include "docs/examples/native/progress.hpp"
#include "gpu/comm/communicator.hpp"
#include "runtime/core/digest.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

using troupe::Errc;
using troupe::Error;
using troupe::Result;
namespace comm = troupe::comm;

constexpr double rate_decay = 0.6;  // from one epoch to the next

struct Settings {
  double epochs = 3, batch = 256, rate = 0.15, hidden = 256, seed = 1, images = 60'000, parts = 8;
  double exact = 0, save_every = 0;
};

Result<Settings> parse(int argc, char** argv) {
  Settings settings;
  const std::pair<std::string, double*> names[] = {{"--epochs", &settings.epochs},
                                                   {"--batch", &settings.batch},
                                                   {"--rate", &settings.rate},
                                                   {"--hidden", &settings.hidden},
                                                   {"--seed", &settings.seed},
                                                   {"--images", &settings.images},
                                                   {"--parts", &settings.parts},
                                                   {"--exact", &settings.exact},
                                                   {"--save-every", &settings.save_every}};
  for (int i = 1; i < argc; i += 2) {
    double* value = nullptr;
    for (const auto& [name, place] : names)
      if (name == argv[i]) value = place;
    char* end = nullptr;
    if (value != nullptr && i + 1 < argc) *value = std::strtod(argv[i + 1], &end);
    if (end == nullptr || end == argv[i + 1] || *end != '\0' || !(*value >= 0))
      return Error{Errc::invalid, fmt::format("{} cannot be read", argv[i]), "",
                   "train_native --NAME NUMBER..., as the first lines of train.cpp say"};
  }
  return settings;
}

/// Rank 0 speaks for all. A line like this is a point of a metric.
void report(const comm::Communicator& ranks, const char* name, double value, uint64_t step) {
  if (ranks.rank() != 0) return;
  std::printf("{\"metric\": \"%s\", \"value\": %.9g, \"step\": %lu}\n", name, value, step);
  std::fflush(stdout);
}

/// Sums the slopes of a batch over all ranks.
class Slopes {
 public:
  Slopes(comm::Communicator& ranks, Network& network, const Settings& settings)
      : ranks_{&ranks}, network_{&network}, settings_{&settings}, total_(network.slopes_size()) {}

  Result<const float*> sum(const Batches& batches) {
    auto in_part = batches.images_in_part();
    if (settings_->exact == 0) {
      auto images = in_part * static_cast<int>(batches.parts());
      network_->slopes(batches.images(), batches.labels(), images, total_.data());
      TROUPE_TRY(ranks_->all_reduce(total_.data(), total_.data(), total_.size(),
                                    comm::DataType::float32, comm::ReduceOp::sum));
      return total_.data();
    }
    // Each part by itself, and their sum in an order that knows nothing of ranks.
    parts_.resize(batches.parts());
    std::vector<const void*> places;
    for (size_t part = 0; part < parts_.size(); ++part) {
      auto first = part * static_cast<size_t>(in_part);
      parts_[part].resize(total_.size());
      network_->slopes(batches.images() + first * Network::pixels, batches.labels() + first,
                       in_part, parts_[part].data());
      places.push_back(parts_[part].data());
    }
    TROUPE_TRY(ranks_->all_reduce_parts(
        places, batches.first_part(), static_cast<uint64_t>(settings_->parts), total_.data(),
        total_.size(), comm::DataType::float32, comm::ReduceOp::sum));
    return total_.data();
  }

 private:
  comm::Communicator* ranks_;
  Network* network_;
  const Settings* settings_;
  std::vector<float> total_;
  std::vector<std::vector<float>> parts_;
};

/// The part of the test images that is named rightly; each rank looks at its share of them.
Result<double> accuracy(comm::Communicator& ranks, Network& network, const Pairs& test) {
  constexpr uint64_t at_once = 500;
  auto count = test.images.size();
  auto at = count * ranks.rank() / ranks.size(), end = count * (ranks.rank() + 1) / ranks.size();
  double right = 0;
  std::vector<uint64_t> indexes;
  std::vector<uint8_t> images(at_once * Network::pixels), labels(at_once);
  for (; at < end; at += indexes.size()) {
    indexes.resize(std::min(at_once, end - at));
    for (size_t i = 0; i < indexes.size(); ++i) indexes[i] = at + i;
    test.images.gather(indexes.data(), indexes.size(), reinterpret_cast<char*>(images.data()));
    test.labels.gather(indexes.data(), indexes.size(), reinterpret_cast<char*>(labels.data()));
    right += network.right(images.data(), labels.data(), static_cast<int>(indexes.size()));
  }
  TROUPE_TRY(ranks.all_reduce(&right, &right, 1, comm::DataType::float64, comm::ReduceOp::sum));
  return right / static_cast<double>(count);
}

/// Rank 0 writes; of a gang its node's checkpoints count.
Result<void> keep(const comm::Communicator& ranks, Network& network, const Batches& batches,
                  Progress& progress) {
  const char* folder = std::getenv("TROUPE_CHECKPOINTS");
  if (folder == nullptr || ranks.rank() != 0) return troupe::ok();
  progress.cursor = batches.cursor();
  return save(fmt::format("{}/step-{}", folder, progress.steps), progress, network.weights(),
              network.velocity());
}

/// What is left of an epoch.
Result<void> train_epoch(comm::Communicator& ranks, Network& network, Batches& batches,
                         Progress& progress, const Settings& settings) {
  using Clock = std::chrono::steady_clock;
  Slopes slopes{ranks, network, settings};
  auto rate = settings.rate * std::pow(rate_decay, static_cast<double>(batches.epoch()));
  auto save_every = static_cast<uint64_t>(settings.save_every);
  uint64_t steps = 0;
  auto begin = Clock::now();
  for (; batches.next(); ++steps) {
    auto sum = slopes.sum(batches);
    if (!sum) return std::move(sum).error();
    network.step(*sum, static_cast<float>(rate / settings.batch));
    progress.loss += (*sum)[network.slopes_size() - 2];
    ++progress.steps;
    if (save_every != 0 && progress.steps % save_every == 0)
      TROUPE_TRY(keep(ranks, network, batches, progress));
  }
  auto seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  auto images = std::floor(settings.images / settings.batch) * settings.batch;
  report(ranks, "loss", progress.loss / images, batches.epoch());
  report(ranks, "images_per_s", static_cast<double>(steps) * settings.batch / seconds,
         batches.epoch());
  progress.loss = 0;
  return keep(ranks, network, batches, progress);
}

Result<void> train(const Settings& settings) {
  auto options = comm::options_from_environment();
  if (!options) return std::move(options).error();
  auto ranks = comm::Communicator::open(*options);
  if (!ranks) return std::move(ranks).error();
  auto file = troupe::job::open_dataset("mnist");
  if (!file) return std::move(file).error();
  auto learn = Pairs::open(*file, "train-images-idx3-ubyte", "train-labels-idx1-ubyte");
  if (!learn) return std::move(learn).error();
  auto test = Pairs::open(*file, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte");
  if (!test) return std::move(test).error();

  Network network{static_cast<int>(settings.hidden), static_cast<uint64_t>(settings.seed)};
  Progress progress;
  if (const char* resume = std::getenv("TROUPE_RESUME"); resume != nullptr && *resume != '\0') {
    auto loaded = load(resume, network.weights(), network.velocity());
    if (!loaded) return std::move(loaded).error();
    progress = *loaded;
    if ((*ranks)->rank() == 0) std::fprintf(stderr, "going on at step %lu\n", progress.steps);
  }
  auto batches = Batches::open(*learn, {.images = static_cast<uint64_t>(settings.images),
                                        .batch = static_cast<uint64_t>(settings.batch),
                                        .parts = static_cast<uint64_t>(settings.parts),
                                        .rank = (*ranks)->rank(),
                                        .ranks = (*ranks)->size(),
                                        .seed = static_cast<uint64_t>(settings.seed),
                                        .cursor = progress.cursor});
  if (!batches) return std::move(batches).error();
  while (static_cast<double>(batches->epoch()) < settings.epochs) {
    TROUPE_TRY(train_epoch(**ranks, network, *batches, progress, settings));
    auto part = accuracy(**ranks, network, *test);
    if (!part) return std::move(part).error();
    report(**ranks, "accuracy", *part, batches->epoch());
  }
  if ((*ranks)->rank() != 0) return troupe::ok();
  const auto& weights = network.weights();
  auto digest = troupe::sha256_hex(
      {reinterpret_cast<const char*>(weights.data()), weights.size() * sizeof(float)});
  std::printf("weights %s after %lu steps\n", digest.substr(0, 16).c_str(), progress.steps);
  return troupe::ok();
}

}  // namespace

int main(int argc, char** argv) {
  if (!Network::runs_here()) {
    std::fprintf(stderr, "this program was compiled for processors with AVX2 and FMA\n");
    return 1;
  }
  auto settings = parse(argc, argv);
  auto trained = settings ? train(*settings) : Result<void>{settings.error()};
  if (!trained) std::fprintf(stderr, "%s\n", to_string(trained.error()).c_str());
  return trained ? 0 : 1;
}
