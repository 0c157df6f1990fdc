#include "runtime/config/node_file.hpp"

#include "runtime/config/node_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::config {

namespace {

constexpr size_t file_bytes_max = 64u << 10;

/// Nothing but comments and blank lines: everything as it is by default.
bool says_nothing(std::string_view text) {
  while (!text.empty()) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    auto first = line.find_first_not_of(" \t\r");
    if (first != std::string_view::npos && line[first] != '#') return false;
  }
  return true;
}

Result<YamlNode> read_map(std::string_view text, std::string_view file_name) {
  YamlNode nothing;
  nothing.kind = YamlNode::Kind::map;
  if (says_nothing(text)) return nothing;
  auto root = parse_yaml(text, file_name, {.bytes_max = file_bytes_max});
  if (!root) return std::move(root).error();
  if (!root->is_map())
    return Error{Errc::invalid, fmt::format("{}: the file must be a map of keys", file_name), "",
                 "begin with `dir: FOLDER`"};
  return root;
}

/// Fields of one kind each, into optionals.
class Fields {
 public:
  explicit Fields(NodeReader& in) : in_{in} {}

  NodeReader::Read text(std::optional<std::string>& out) {
    return [this, &out](const YamlNode& node, const std::string& path) {
      in_.text(node, path, out.emplace());
    };
  }
  NodeReader::Read port(std::optional<uint16_t>& out) {
    return [this, &out](const YamlNode& node, const std::string& path) {
      out = static_cast<uint16_t>(in_.integer(node, path, 0, 65535));
    };
  }

 private:
  NodeReader& in_;
};

void read_output_rules(NodeReader& in, const YamlNode& node, const std::string& path,
                       OutputRules& out) {
  auto count = [&](std::optional<uint32_t>& to) {
    return [&in, &to](const YamlNode& n, const std::string& p) {
      to = static_cast<uint32_t>(in.integer(n, p, 0, 1'000'000'000));
    };
  };
  auto age = [&](const YamlNode& n, const std::string& p) { in.duration(n, p, out.age.emplace()); };
  in.fields(
      node, path,
      {{"age", age}, {"keep_last", count(out.keep_last)}, {"keep_best", count(out.keep_best)}});
}

void read_retention(NodeReader& in, const YamlNode& node, const std::string& path,
                    RetentionRules& rules) {
  auto time = [&](Duration& out, Duration least) {
    return [&in, &out, least](const YamlNode& n, const std::string& p) {
      in.duration(n, p, out);
      if (!in.error() && out.count() != 0 && out < least)
        in.fail(n, fmt::format("{} must be at least {}", p, duration_text(least)), "");
    };
  };
  auto outputs = [&](const YamlNode& n, const std::string& p) {
    read_output_rules(in, n, p, rules.outputs);
  };
  auto projects = [&](const YamlNode& n, const std::string& p) {
    in.entries(n, p, [&](const YamlEntry& entry, const std::string& below_it) {
      read_output_rules(in, entry.value, below_it, rules.projects[entry.key]);
    });
  };
  in.fields(node, path,
            {{"every", time(rules.every, std::chrono::seconds{1})},
             {"copies", time(rules.copies, Duration{0})},
             {"outputs", outputs},
             {"projects", projects}});
}

}  // namespace

Result<HeadFile> parse_head_file(std::string_view text, std::string_view file_name) {
  auto root = read_map(text, file_name);
  if (!root) return std::move(root).error();
  HeadFile file;
  NodeReader in{file_name};
  Fields read{in};
  auto cluster = [&](const YamlNode& node, const std::string& path) {
    in.fields(node, path,
              {{"bind", read.text(file.cluster_bind)},
               {"port", read.port(file.cluster_port)},
               {"address", read.text(file.cluster_address)}});
  };
  auto time = [&](Duration& out) {
    return [&in, &out](const YamlNode& node, const std::string& path) {
      in.duration(node, path, out);
    };
  };
  auto liveness = [&](const YamlNode& node, const std::string& path) {
    in.fields(node, path,
              {{"suspect_after", time(file.rules.suspect_after)},
               {"lost_after", time(file.rules.lost_after)}});
    if (auto good = check(file.rules); !good && !in.error())
      in.fail(node, good.error().what, good.error().hint);
  };
  auto failures = [&](const YamlNode& node, const std::string& path) {
    auto max = [&](const YamlNode& n, const std::string& p) {
      file.rules.failures_max = static_cast<uint32_t>(in.integer(n, p, 0, 20));
    };
    in.fields(node, path, {{"max", max}, {"within", time(file.rules.failures_within)}});
    if (auto good = check(file.rules); !good && !in.error())
      in.fail(node, good.error().what, good.error().hint);
  };
  auto retention = [&](const YamlNode& node, const std::string& path) {
    read_retention(in, node, path, file.retention);
  };
  in.fields(*root, "",
            {{"dir", read.text(file.dir)},
             {"bind", read.text(file.bind)},
             {"port", read.port(file.port)},
             {"cluster", cluster},
             {"liveness", liveness},
             {"node_failures", failures},
             {"retention", retention},
             {"policy", read.text(file.policy)}});
  if (in.error()) return *in.error();
  return file;
}

Result<WorkerFile> parse_worker_file(std::string_view text, std::string_view file_name) {
  auto root = read_map(text, file_name);
  if (!root) return std::move(root).error();
  WorkerFile file;
  NodeReader in{file_name};
  Fields read{in};
  auto cpus = [&](const YamlNode& node, const std::string& path) {
    in.number(node, path, file.cpus.emplace());
    if (!(*file.cpus > 0)) in.fail(node, "cpus must be above 0", "leave it out for all there are");
  };
  auto mem = [&](const YamlNode& node, const std::string& path) {
    in.bytes(node, path, file.mem.emplace());
  };
  auto cache_limit = [&](const YamlNode& node, const std::string& path) {
    in.bytes(node, path, file.cache_limit.emplace());
  };
  auto gpus = [&](const YamlNode& node, const std::string& path) {
    file.gpus = static_cast<uint32_t>(in.integer(node, path, 0, 1024));
  };
  auto mount_method = [&](const YamlNode& node, const std::string& path) {
    std::string name;
    in.text(node, path, name);
    if (in.error() || name == any_mount_method) return;
    file.mount_method = mount_method_from(name);
    if (!file.mount_method)
      in.fail(node, fmt::format("{} is no way to mount: \"{}\"", path, name),
              fmt::format("one of {}", mount_method_names()));
  };
  auto binding = [&](const YamlNode& node, const std::string& path) {
    std::string name;
    in.text(node, path, name);
    if (in.error() || name == any_binding) return;
    file.binding = binding_from(name);
    if (!file.binding)
      in.fail(node, fmt::format("{} is no way to bind: \"{}\"", path, name),
              fmt::format("one of {}", binding_names()));
  };
  auto labels = [&](const YamlNode& node, const std::string& path) {
    in.entries(node, path, [&](const YamlEntry& entry, const std::string& below_it) {
      in.text(entry.value, below_it, file.labels[entry.key]);
    });
  };
  in.fields(*root, "",
            {{"head", read.text(file.head)},
             {"join_token_file", read.text(file.join_token_file)},
             {"dir", read.text(file.dir)},
             {"name", read.text(file.name)},
             {"outputs", read.text(file.outputs)},
             {"address", read.text(file.address)},
             {"data_port", read.port(file.data_port)},
             {"cache_limit", cache_limit},
             {"cpus", cpus},
             {"mem", mem},
             {"gpus", gpus},
             {"mount_method", mount_method},
             {"binding", binding},
             {"labels", labels}});
  if (in.error()) return *in.error();
  return file;
}

}  // namespace troupe::config
