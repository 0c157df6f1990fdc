// A node of a cluster as a picture: what it looks like, and which of its jobs have what of it.
#pragma once

#include "client/cpp/client.hpp"
#include "runtime/topology/drawing.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe::cli {

struct NodeDrawing {
  topology::Model model;
  std::vector<topology::Owner> owners;
  std::map<uint32_t, std::string> closed;

  topology::Picture picture() const { return {model, owners, closed}; }
};

/// `node` as the head shows it. Asks the head for what runs there. not_found where the node has not
/// said what it looks like.
Result<NodeDrawing> node_drawing(client::Client& head, const Value& node);

}  // namespace troupe::cli
