// This rank's part of every batch, from the record reader. A batch is cut into `parts` that stay
// the same however many ranks there are: part p is what rank p of so many would read. Ranks have
// neighbouring parts, the first rank the first ones.
#pragma once

#include "runtime/core/result.hpp"
#include "storage/dataset/epoch.hpp"
#include "storage/dataset/record_reader.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// Images and their labels, which are tables of one dataset.
struct Pairs {
  troupe::dataset::RecordReader images, labels;
  static troupe::Result<Pairs> open(const std::shared_ptr<const troupe::dataset::SealedFile>& file,
                                    std::string_view images, std::string_view labels);
};

class Batches {
 public:
  struct Options {
    uint64_t images = 0;  // of the dataset, from its first
    uint64_t batch = 0;   // of all ranks together; a multiple of `parts`
    uint64_t parts = 0;   // at least as many as ranks
    uint32_t rank = 0, ranks = 1;
    uint64_t seed = 0;
    std::string cursor;  // where cursor() once was, or empty
  };
  /// `pairs` stays where it is meanwhile.
  static troupe::Result<Batches> open(const Pairs& pairs, const Options& options);

  uint64_t first_part() const { return first_part_; }
  uint64_t parts() const { return shards_.size(); }
  int images_in_part() const { return static_cast<int>(options_.batch / options_.parts); }
  /// Which epoch the next batch is of.
  uint64_t epoch() const;
  /// The next batch of this epoch; false at its end, and then the next one begins another. What is
  /// left over at the end of an epoch and makes no whole batch is left out.
  bool next();
  /// Of that batch, this rank's parts one behind the other.
  const uint8_t* images() const { return images_.data(); }
  const uint8_t* labels() const { return labels_.data(); }
  std::string cursor() const;

 private:
  Batches(const Pairs& pairs, const Options& options) : pairs_{&pairs}, options_{options} {}
  const Pairs* pairs_;
  Options options_;
  std::vector<troupe::dataset::Shard> shards_;  // one a part
  uint64_t first_part_ = 0;
  std::vector<uint64_t> indexes_;
  std::vector<uint8_t> images_, labels_;
};
