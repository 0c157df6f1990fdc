// all_reduce_parts: a binary tree over the parts' numbers. Each rank combines what lies wholly in
// its own range; the rest is combined slice by slice, each rank for one slice of the elements.
#include "gpu/comm/communicator_state.hpp"
#include "gpu/comm/half.hpp"
#include "gpu/comm/reduce.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>

namespace troupe::comm {

namespace {

// So many elements at a time bound what is held besides the arrays.
constexpr size_t round_elements = 256u << 10;
// And so many are combined at a time, over the whole tree: what lies between then stays in the
// cache.
constexpr size_t block_elements = 4096;

/// Parts [begin, end), end - begin a power of two and begin a multiple of it, cut at the last part.
struct Node {
  uint64_t begin, end;
  auto operator<=>(const Node&) const = default;
};

/// What each rank says before anything moves.
struct Plan {
  uint64_t first, parts, in_all, count, type, op;
  bool fits(const Plan& other) const {
    return in_all == other.in_all && count == other.count && type == other.type && op == other.op;
  }
};

/// The largest nodes that lie in [first, last).
std::vector<Node> nodes_of(uint64_t first, uint64_t last, uint64_t in_all) {
  std::vector<Node> nodes;
  while (first < last) {
    uint64_t width = 1;
    auto end_of = [&](uint64_t wide) { return std::min(first + wide, in_all); };
    while (first % (2 * width) == 0 && end_of(2 * width) <= last && width < in_all) width *= 2;
    nodes.push_back({first, end_of(width)});
    first = end_of(width);
  }
  return nodes;
}

/// Where a node of several parts is cut in two.
uint64_t middle(const Node& node) {
  uint64_t half = 1;
  while (2 * half < node.end - node.begin) half *= 2;
  return node.begin + half;
}

/// 16-bit floats are combined as float32 and rounded once, at the end.
bool is_widened(DataType type) {
  return type == DataType::float16 || type == DataType::bfloat16;
}

using Bytes = std::vector<std::byte>;

/// The value of a node: elsewhere, or in a buffer of its own.
struct Term {
  const std::byte* at;
  std::optional<Bytes> own;
};

class Tree {
 public:
  Tree(DataType type, ReduceOp op)
      : type_{type},
        work_{is_widened(type) ? DataType::float32 : type},
        op_{op == ReduceOp::avg ? ReduceOp::sum : op} {}

  DataType work() const { return work_; }

  Term load(const void* part, size_t at, size_t count) {
    const auto* from = static_cast<const std::byte*>(part) + at * size_of(type_);
    if (!is_widened(type_)) return {from, std::nullopt};
    auto bytes = take();
    for (size_t i = 0; i < count; ++i) {
      uint16_t half;
      std::memcpy(&half, from + i * sizeof half, sizeof half);
      auto value = type_ == DataType::float16 ? float16_to_float(half) : bfloat16_to_float(half);
      std::memcpy(bytes.data() + i * sizeof value, &value, sizeof value);
    }
    const auto* place = bytes.data();
    return {place, std::move(bytes)};
  }

  void store(const std::byte* from, void* out, size_t at, size_t count) const {
    auto* to = static_cast<std::byte*>(out) + at * size_of(type_);
    if (!is_widened(type_)) {
      if (count != 0) std::memcpy(to, from, count * size_of(type_));
      return;
    }
    for (size_t i = 0; i < count; ++i) {
      float value;
      std::memcpy(&value, from + i * sizeof value, sizeof value);
      auto half = type_ == DataType::float16 ? float_to_float16(value) : float_to_bfloat16(value);
      std::memcpy(to + i * sizeof half, &half, sizeof half);
    }
  }

  /// Elements of a node, at most block_elements of them, to `to`. `leaf(node)` gives what is known
  /// of one, or nothing: then it is its two halves.
  template <class Leaf>
  void evaluate(const Node& node, size_t count, std::byte* to, const Leaf& leaf) {
    auto term = value(node, count, leaf);
    if (count != 0) std::memcpy(to, term.at, count * size_of(work_));
    give_back(term);
  }

  void divide(std::byte* values, size_t count, uint64_t divisor) const {
    const void* one[] = {values};
    reduce(work_, ReduceOp::avg, one, values, count, divisor);
  }

 private:
  template <class Leaf>
  Term value(const Node& node, size_t count, const Leaf& leaf) {
    if (std::optional<Term> known = leaf(node)) return std::move(*known);
    auto left = value({node.begin, middle(node)}, count, leaf);
    auto right = value({middle(node), node.end}, count, leaf);
    const void* both[] = {left.at, right.at};
    auto into = left.own ? std::move(*left.own) : take();
    reduce(work_, op_, both, into.data(), count);
    give_back(right);
    const auto* place = into.data();
    return {place, std::move(into)};
  }

  Bytes take() {
    if (spare_.empty()) return Bytes(block_elements * size_of(work_));
    auto bytes = std::move(spare_.back());
    spare_.pop_back();
    return bytes;
  }
  void give_back(Term& term) {
    if (term.own) spare_.push_back(std::move(*term.own));
  }

  DataType type_, work_;
  ReduceOp op_;
  std::vector<Bytes> spare_;
};

/// Calls `block(begin, count)` for the blocks of [begin, end).
template <class Block>
void each_block(size_t begin, size_t end, const Block& block) {
  for (; begin < end; begin += block_elements) block(begin, std::min(block_elements, end - begin));
}

Result<void> check_plans(const std::vector<Plan>& plans) {
  uint64_t next = 0;
  for (size_t rank = 0; rank < plans.size(); ++rank) {
    const auto& plan = plans[rank];
    if (!plan.fits(plans.front()))
      return Error{Errc::invalid, "the ranks make different calls",
                   fmt::format("ranks 0 and {} differ in the number of parts, the count, the type "
                               "or the reduction",
                               rank),
                   "all ranks must make the same calls with the same sizes and types"};
    if (plan.first != next)
      return Error{Errc::invalid, "the parts do not follow each other",
                   fmt::format("rank {} begins at part {}, not {}", rank, plan.first, next),
                   "rank 0 has the first parts, rank 1 the next ones, and so on"};
    next += plan.parts;
  }
  if (next != plans.front().in_all || next == 0)
    return Error{Errc::invalid, "parts are missing",
                 fmt::format("the ranks have {} of {}", next, plans.front().in_all), ""};
  return ok();
}

}  // namespace

Result<void> Communicator::all_reduce_parts(std::span<const void* const> parts, uint64_t first_part,
                                            uint64_t parts_in_all, void* out, size_t count,
                                            DataType type, ReduceOp op) {
  Signature call{Call::all_reduce, type, op, 0, 0, count};
  auto ranks = size();
  Plan mine{first_part,
            parts.size(),
            parts_in_all,
            count,
            static_cast<uint64_t>(type),
            static_cast<uint64_t>(op)};
  std::vector<Plan> plans(ranks);
  constexpr auto words = sizeof(Plan) / sizeof(uint64_t);
  TROUPE_TRY(all_gather(&mine, plans.data(), words, DataType::uint64));
  if (auto good = check_plans(plans); !good) return state_->finish(std::move(good), call);
  if (op == ReduceOp::avg && !is_float(type))
    return state_->finish(Error{Errc::invalid, "the call cannot be made",
                                fmt::format("there is no average of {}", to_string(type)), ""},
                          call);
  Tree tree{type, op};
  auto element = size_of(tree.work());
  std::vector<std::vector<Node>> nodes;
  size_t most = 0;
  for (const auto& plan : plans) {
    nodes.push_back(nodes_of(plan.first, plan.first + plan.parts, parts_in_all));
    most = std::max(most, nodes.back().size());
  }
  auto& [outgoing, incoming, total, gathered] = state_->parts_memory;
  for (size_t at = 0; at < count; at += round_elements) {
    auto elements = std::min(round_elements, count - at);
    auto slice = (elements + ranks - 1) / ranks;
    // Block r has slice r of each of this rank's nodes.
    outgoing.resize(ranks * most * slice * element);
    incoming.resize(outgoing.size());
    for (size_t i = 0; i < nodes[rank()].size(); ++i)
      for (uint32_t to = 0; to < ranks; ++to) {
        auto begin = std::min<size_t>(elements, to * slice);
        auto* place = outgoing.data() + (to * most + i) * slice * element;
        each_block(begin, std::min<size_t>(elements, begin + slice), [&](size_t from, size_t some) {
          tree.evaluate(nodes[rank()][i], some, place + (from - begin) * element,
                        [&](const Node& node) {
                          return node.end - node.begin == 1
                                     ? std::optional{tree.load(parts[node.begin - first_part],
                                                               at + from, some)}
                                     : std::nullopt;
                        });
        });
      }
    TROUPE_TRY(all_to_all(outgoing.data(), incoming.data(), most * slice, tree.work()));
    std::map<Node, const std::byte*> known;
    for (uint32_t from = 0; from < ranks; ++from)
      for (size_t i = 0; i < nodes[from].size(); ++i)
        known[nodes[from][i]] = incoming.data() + (from * most + i) * slice * element;
    total.resize(slice * element);
    each_block(0, slice, [&](size_t from, size_t some) {
      auto* place = total.data() + from * element;
      tree.evaluate({0, parts_in_all}, some, place, [&](const Node& node) {
        auto found = known.find(node);
        return found == known.end()
                   ? std::nullopt
                   : std::optional{Term{found->second + from * element, std::nullopt}};
      });
      if (op == ReduceOp::avg) tree.divide(place, some, parts_in_all);
    });
    gathered.resize(ranks * slice * element);
    TROUPE_TRY(all_gather(total.data(), gathered.data(), slice, tree.work()));
    tree.store(gathered.data(), out, at, elements);
  }
  return ok();
}

}  // namespace troupe::comm
