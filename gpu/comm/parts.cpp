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

class Tree {
 public:
  Tree(DataType type, ReduceOp op)
      : type_{type},
        work_{is_widened(type) ? DataType::float32 : type},
        op_{op == ReduceOp::avg ? ReduceOp::sum : op} {}

  DataType work() const { return work_; }

  Bytes load(const void* part, size_t at, size_t count) const {
    const auto* from = static_cast<const std::byte*>(part) + at * size_of(type_);
    Bytes bytes(count * size_of(work_));
    if (!is_widened(type_)) {
      if (count != 0) std::memcpy(bytes.data(), from, bytes.size());
      return bytes;
    }
    for (size_t i = 0; i < count; ++i) {
      uint16_t half;
      std::memcpy(&half, from + i * sizeof half, sizeof half);
      auto value = type_ == DataType::float16 ? float16_to_float(half) : bfloat16_to_float(half);
      std::memcpy(bytes.data() + i * sizeof value, &value, sizeof value);
    }
    return bytes;
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

  /// `leaf(node)` gives what is known of a node, or nothing: then it is its two halves.
  template <class Leaf>
  Bytes value(const Node& node, size_t count, const Leaf& leaf) const {
    if (auto known = leaf(node); known) return std::move(*known);
    auto left = value({node.begin, middle(node)}, count, leaf);
    auto right = value({middle(node), node.end}, count, leaf);
    const void* both[] = {left.data(), right.data()};
    reduce(work_, op_, both, left.data(), count);
    return left;
  }

  void divide(Bytes& bytes, size_t count, uint64_t divisor) const {
    const void* one[] = {bytes.data()};
    reduce(work_, ReduceOp::avg, one, bytes.data(), count, divisor);
  }

 private:
  DataType type_, work_;
  ReduceOp op_;
};

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
  for (size_t at = 0; at < count; at += round_elements) {
    auto elements = std::min(round_elements, count - at);
    auto slice = (elements + ranks - 1) / ranks;
    // Block r has slice r of each of this rank's nodes.
    Bytes outgoing(ranks * most * slice * element), incoming(outgoing.size());
    for (size_t i = 0; i < nodes[rank()].size(); ++i) {
      auto sum = tree.value(nodes[rank()][i], elements, [&](const Node& node) {
        return node.end - node.begin == 1
                   ? std::optional{tree.load(parts[node.begin - first_part], at, elements)}
                   : std::nullopt;
      });
      for (uint32_t to = 0; to < ranks; ++to) {
        auto begin = std::min<size_t>(elements, to * slice);
        auto end = std::min<size_t>(elements, begin + slice);
        std::copy(sum.begin() + static_cast<ptrdiff_t>(begin * element),
                  sum.begin() + static_cast<ptrdiff_t>(end * element),
                  outgoing.begin() + static_cast<ptrdiff_t>((to * most + i) * slice * element));
      }
    }
    TROUPE_TRY(all_to_all(outgoing.data(), incoming.data(), most * slice, tree.work()));
    std::map<Node, const std::byte*> known;
    for (uint32_t from = 0; from < ranks; ++from)
      for (size_t i = 0; i < nodes[from].size(); ++i)
        known[nodes[from][i]] = incoming.data() + (from * most + i) * slice * element;
    auto total = tree.value({0, parts_in_all}, slice, [&](const Node& node) {
      auto place = known.find(node);
      return place == known.end()
                 ? std::nullopt
                 : std::optional{Bytes(place->second, place->second + slice * element)};
    });
    if (op == ReduceOp::avg) tree.divide(total, slice, parts_in_all);
    Bytes gathered(ranks * slice * element);
    TROUPE_TRY(all_gather(total.data(), gathered.data(), slice, tree.work()));
    tree.store(gathered.data(), out, at, elements);
  }
  return ok();
}

}  // namespace troupe::comm
