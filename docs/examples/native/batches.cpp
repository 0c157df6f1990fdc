#include "docs/examples/native/batches.hpp"

#include "docs/examples/native/network.hpp"

#include <fmt/format.h>

#include <algorithm>

using troupe::Errc;
using troupe::Error;
using troupe::Result;
namespace dataset = troupe::dataset;

Result<Pairs> Pairs::open(const std::shared_ptr<const dataset::SealedFile>& file,
                          std::string_view images, std::string_view labels) {
  auto pictures = dataset::RecordReader::of_table(file, images);
  if (!pictures) return std::move(pictures).error();
  auto names = dataset::RecordReader::of_table(file, labels);
  if (!names) return std::move(names).error();
  if (pictures->stride() != Network::pixels || names->stride() != 1 ||
      pictures->size() != names->size())
    return Error{Errc::invalid, "this is not MNIST",
                 fmt::format("{} images of {} bytes, {} labels of {}", pictures->size(),
                             pictures->stride(), names->size(), names->stride()),
                 "push the four IDX files of MNIST, with --unpack where they are packed"};
  return Pairs{std::move(*pictures), std::move(*names)};
}

Result<Batches> Batches::open(const Pairs& pairs, const Options& options) {
  if (options.parts < options.ranks || options.batch == 0 || options.batch % options.parts != 0 ||
      options.images < options.batch || options.images > pairs.images.size())
    return Error{Errc::invalid, "the batches cannot be cut",
                 fmt::format("{} ranks, {} parts, batches of {} out of {} images", options.ranks,
                             options.parts, options.batch, options.images),
                 "at least as many parts as ranks, and batches of a multiple of parts"};
  Batches batches{pairs, options};
  dataset::Cursor from{.seed = options.seed};
  if (!options.cursor.empty()) {
    auto parsed = dataset::parse_cursor(options.cursor);
    if (!parsed) return std::move(parsed).error();
    from = *parsed;
  }
  batches.first_part_ = options.parts * options.rank / options.ranks;
  auto end = options.parts * (options.rank + 1) / options.ranks;
  for (auto part = batches.first_part_; part < end; ++part) {
    auto shard = dataset::Shard::open({.count = options.images,
                                       .rank = static_cast<uint32_t>(part),
                                       .ranks = static_cast<uint32_t>(options.parts)},
                                      from);
    if (!shard) return std::move(shard).error();
    batches.shards_.push_back(std::move(*shard));
  }
  batches.indexes_.resize(options.batch / options.parts * batches.parts());
  batches.images_.resize(batches.indexes_.size() * Network::pixels);
  batches.labels_.resize(batches.indexes_.size());
  return batches;
}

uint64_t Batches::epoch() const {
  return shards_.front().cursor().epoch;
}

bool Batches::next() {
  // By the cursor, which is the same on every rank: parts differ in length by one.
  if (shards_.front().cursor().position + options_.batch > options_.images) {
    for (auto& shard : shards_) shard.next_epoch();
    return false;
  }
  auto in_part = options_.batch / options_.parts;
  auto* to = indexes_.data();
  for (auto& shard : shards_) to += shard.next(to, in_part);
  pairs_->images.gather(indexes_.data(), indexes_.size(), reinterpret_cast<char*>(images_.data()));
  pairs_->labels.gather(indexes_.data(), indexes_.size(), reinterpret_cast<char*>(labels_.data()));
  return true;
}

std::string Batches::cursor() const {
  return to_string(shards_.front().cursor());
}
