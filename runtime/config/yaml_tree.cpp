#include "runtime/config/yaml_tree.hpp"

#include "runtime/core/units.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

namespace troupe::config {

namespace {

/// Ends the parser from within an event; never leaves this file.
struct Stop {
  Place place;
  std::string message;
  std::string hint;
};

Place place_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return Place{mark.line + 1, mark.column + 1, {}};
}

size_t count_nodes(const YamlNode& node) {
  size_t count = 1;
  for (const auto& item : node.items) count += count_nodes(item);
  for (const auto& entry : node.entries) count += 1 + count_nodes(entry.value);
  return count;
}

size_t depth_of(const YamlNode& node) {
  size_t below = 0;
  for (const auto& item : node.items) below = std::max(below, depth_of(item));
  for (const auto& entry : node.entries) below = std::max(below, depth_of(entry.value));
  return below + (node.is_list() || node.is_map() ? 1 : 0);
}

class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(YamlLimits limits) : limits_{limits} {}

  YamlNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode node;
    node.place = place_of(mark);
    finish(std::move(node), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    auto place = place_of(mark);
    bool text = tag == "!" || tag == "tag:yaml.org,2002:str";
    check_tag(tag, place,
              {"!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float",
               "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null"});
    finish(scalar_node(value, place, text), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto place = place_of(mark);
    if (++aliases_ > limits_.aliases_max)
      throw Stop{place, fmt::format("more than {} aliases", limits_.aliases_max),
                 "write the values out"};
    auto it = anchors_.find(anchor);
    if (it == anchors_.end())
      throw Stop{place, "an alias stands inside what it names", "write the value out"};
    // What was counted once per place it is repeated at: this is what a bomb of aliases runs into.
    count(it->second.nodes, place);
    check_depth(it->second.depth, place);
    auto copy = it->second.node;
    copy.place = place;
    add(std::move(copy));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::list, place_of(mark), anchor);
    check_tag(tag, place_of(mark), {"!", "tag:yaml.org,2002:seq"});
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::map, place_of(mark), anchor);
    check_tag(tag, place_of(mark), {"!", "tag:yaml.org,2002:map"});
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    YamlNode node;
    YAML::anchor_t anchor;
    std::optional<YamlEntry> pending;            // a key that waits for its value
    std::unordered_map<std::string, int> lines;  // of the keys
  };
  struct Anchored {
    YamlNode node;
    size_t nodes;
    size_t depth;
  };

  static void check_tag(const std::string& tag, const Place& place,
                        std::initializer_list<std::string_view> known) {
    if (tag.empty() || tag == "?") return;
    for (auto name : known)
      if (tag == name) return;
    throw Stop{place, fmt::format("the tag {} means nothing here", tag), "remove it"};
  }

  void count(size_t nodes, const Place& place) {
    nodes_ += nodes;
    if (nodes_ > limits_.nodes_max)
      throw Stop{place, fmt::format("more than {} values", limits_.nodes_max),
                 "aliases count as often as they repeat: write less"};
  }

  void check_depth(size_t more, const Place& place) const {
    if (stack_.size() + more > limits_.depth_max)
      throw Stop{place, fmt::format("nested deeper than {} levels", limits_.depth_max),
                 "no setting needs that"};
  }

  void open(YamlNode::Kind kind, Place place, YAML::anchor_t anchor) {
    check_depth(1, place);
    count(1, place);
    Frame frame;
    frame.node.kind = kind;
    frame.node.place = std::move(place);
    frame.anchor = anchor;
    stack_.push_back(std::move(frame));
  }

  void close() {
    auto frame = std::move(stack_.back());
    stack_.pop_back();
    remember(frame.node, frame.anchor);
    add(std::move(frame.node));
  }

  void finish(YamlNode node, YAML::anchor_t anchor) {
    count(1, node.place);
    remember(node, anchor);
    add(std::move(node));
  }

  void remember(const YamlNode& node, YAML::anchor_t anchor) {
    if (anchor == YAML::NullAnchor) return;
    // Each anchor keeps a copy: without this, nested anchors would hold depth times the document.
    if (anchors_.size() >= limits_.aliases_max)
      throw Stop{node.place, fmt::format("more than {} anchors", limits_.aliases_max),
                 "write the values out"};
    auto nodes = count_nodes(node);
    count(nodes, node.place);
    anchors_.insert_or_assign(anchor, Anchored{node, nodes, depth_of(node)});
  }

  void add(YamlNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    auto& frame = stack_.back();
    if (frame.node.is_list()) {
      frame.node.items.push_back(std::move(node));
    } else if (frame.pending) {
      frame.pending->value = std::move(node);
      frame.node.entries.push_back(std::move(*frame.pending));
      frame.pending.reset();
    } else {
      add_key(frame, std::move(node));
    }
  }

  static void add_key(Frame& frame, YamlNode node) {
    if (!node.is_scalar()) throw Stop{node.place, "a key is not a plain word", "write KEY: VALUE"};
    auto [it, fresh] = frame.lines.emplace(node.text, node.place.line);
    if (!fresh)
      throw Stop{node.place, fmt::format("key \"{}\" is given twice", node.text),
                 fmt::format("the first is in line {}: keep one of them", it->second)};
    frame.pending = YamlEntry{std::move(node.text), std::move(node.place), {}};
  }

  YamlLimits limits_;
  YamlNode root_;
  std::vector<Frame> stack_;
  std::unordered_map<YAML::anchor_t, Anchored> anchors_;
  size_t nodes_ = 0;
  size_t aliases_ = 0;
};

/// The length of the UTF-8 sequence at the front, 0 where there is none.
size_t utf8_length(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  auto first = byte(0);
  if (first < 0x80) return 1;
  size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  // Overlong forms, surrogates, and above U+10FFFF.
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
      (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f))
    return 0;
  return length;
}

/// What is to be refused before a parser sees it.
std::optional<Stop> check_bytes(std::string_view text) {
  Place place{1, 1, {}};
  for (size_t at = 0; at < text.size();) {
    char c = text[at];
    auto length = utf8_length(text.substr(at));
    if (length == 0)
      return Stop{place, fmt::format("byte 0x{:02x} is no UTF-8", static_cast<unsigned char>(c)),
                  "save the file as UTF-8"};
    bool control = static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r';
    if (control || c == 0x7f)
      return Stop{place, fmt::format("control character 0x{:02x}", static_cast<unsigned char>(c)),
                  "is this a text file?"};
    if (c == '\t' && place.column == 1) {
      auto next = text.find_first_not_of(" \t\r", at);
      if (next != std::string_view::npos && text[next] != '\n' && text[next] != '#')
        return Stop{place, "the line is indented with a tab", "YAML wants spaces"};
    }
    at += length;
    ++place.column;
    if (c == '\n') {
      ++place.line;
      place.column = 1;
    }
  }
  return std::nullopt;
}

/// Reads one document into the builder; an explanation where that fails.
std::optional<Stop> run_parser(std::string_view text, Builder& builder) {
  try {
    std::istringstream stream{std::string{text}};
    YAML::Parser parser{stream};
    if (!parser.HandleNextDocument(builder))
      return Stop{{}, "the file is empty", "troupe init writes one to start from"};
    class Nothing final : public YAML::EventHandler {
     public:
      void OnDocumentStart(const YAML::Mark& mark) override {
        throw Stop{place_of(mark), "a second document begins", "keep one, without `---` between"};
      }
      void OnDocumentEnd() override {}
      void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
      void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
      void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                    const std::string&) override {}
      void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                           YAML::EmitterStyle::value) override {}
      void OnSequenceEnd() override {}
      void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                      YAML::EmitterStyle::value) override {}
      void OnMapEnd() override {}
    } rest;
    parser.HandleNextDocument(rest);
  } catch (Stop& stop) {
    return std::move(stop);
  } catch (const YAML::Exception& exception) {
    return Stop{place_of(exception.mark), fmt::format("not valid YAML: {}", exception.msg),
                "check the indentation, colons and quotes near there"};
  } catch (const std::exception& exception) {
    return Stop{{}, fmt::format("not valid YAML: {}", exception.what()), "check the file"};
  }
  return std::nullopt;
}

}  // namespace

std::string Place::text(std::string_view file_name) const {
  if (!option.empty()) return option;
  if (line == 0) return std::string{file_name};
  return fmt::format("{}:{}:{}", file_name, line, column);
}

YamlNode* YamlNode::find(std::string_view key) {
  for (auto& entry : entries)
    if (entry.key == key) return &entry.value;
  return nullptr;
}

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const auto& entry : entries)
    if (entry.key == key) return &entry.value;
  return nullptr;
}

void YamlNode::set(std::string_view key, YamlNode value) {
  auto where = value.place;
  for (auto& entry : entries)
    if (entry.key == key) {
      entry.place = where;
      entry.value = std::move(value);
      return;
    }
  entries.push_back({std::string{key}, where, std::move(value)});
}

void YamlNode::erase(std::string_view key) {
  std::erase_if(entries, [&](const YamlEntry& entry) { return entry.key == key; });
}

YamlNode scalar_node(std::string text, Place place, bool quoted) {
  YamlNode node;
  node.kind = YamlNode::Kind::scalar;
  node.text = std::move(text);
  node.quoted = quoted;
  node.place = std::move(place);
  return node;
}

Result<YamlNode> parse_yaml(std::string_view text, std::string_view file_name, YamlLimits limits) {
  auto error = [&](const Stop& stop) {
    return Error{Errc::invalid, fmt::format("{}: {}", stop.place.text(file_name), stop.message), "",
                 stop.hint};
  };
  if (text.size() > limits.bytes_max)
    return error(Stop{{},
                      fmt::format("the file is too large: {}, at most {}", bytes_text(text.size()),
                                  bytes_text(limits.bytes_max)),
                      "is it the right file? data belongs into files of their own"});
  if (auto stop = check_bytes(text)) return error(*stop);
  Builder builder{limits};
  if (auto stop = run_parser(text, builder)) return error(*stop);
  return builder.take();
}

Result<Value> plain_value(const YamlNode& node) {
  if (node.is_scalar()) return scalar_value(node.text, node.quoted);
  if (node.is_list()) {
    ValueList items;
    for (const auto& item : node.items) {
      auto value = plain_value(item);
      if (!value) return value;
      items.push_back(std::move(*value));
    }
    return Value{std::move(items)};
  }
  if (!node.is_map()) return Value{};
  ValueMap map;
  for (const auto& entry : node.entries) {
    auto value = plain_value(entry.value);
    if (!value) return value;
    map.emplace(entry.key, std::move(*value));
  }
  return Value{std::move(map)};
}

}  // namespace troupe::config
