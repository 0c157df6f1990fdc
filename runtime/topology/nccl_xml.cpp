#include "runtime/topology/nccl_xml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

namespace troupe::topology {

namespace {

// What one link carries one way, as the vendors count: NVLink 3 and later, and near enough for the
// others. Only which pairs have more of them matters here.
constexpr uint32_t mb_per_link = 25'000;
constexpr size_t words_max = 2048;  // of a mask: 65,536 CPUs

struct Wire {
  std::string from, to;
  uint32_t count = 1;
};

class Reader {
 public:
  Result<Model> read(const XmlElement& root) {
    if (root.name != "system")
      return Error{Errc::invalid, "this is no topology",
                   fmt::format("its root is <{}>, not <system>", root.name),
                   root.name == "graphs"
                       ? "this is a graph of NCCL's: give what NCCL_TOPO_DUMP_FILE writes"
                       : "give a file of hwloc's (lstopo FILE.xml) or NCCL_TOPO_DUMP_FILE's"};
    for (const auto& child : root.children)
      if (child.name == "cpu") TROUPE_TRY(cpu(child));
    if (model_.numas.empty())
      return Error{Errc::invalid, "this is no topology", "it has no <cpu>",
                   "is it what NCCL_TOPO_DUMP_FILE wrote?"};
    if (unknown_ > 0)
      note(fmt::format("{} devices have no class: nobody can tell what they are", unknown_));
    if (model_.cores.empty()) note("it does not say which CPUs there are");
    connect();
    model_.sort();
    return std::move(model_);
  }

 private:
  void note(const std::string& text) { model_.note += (model_.note.empty() ? "" : "; ") + text; }

  static Error bad(const char* what, const std::string& text) {
    return Error{Errc::invalid, "this is no topology",
                 fmt::format("{} is \"{}\"", what, text.substr(0, 100)), ""};
  }

  /// Words of 32 bits in hexadecimal, the highest first.
  static Result<Numbers> mask(const std::string& text) {
    std::vector<uint32_t> words;
    for (std::string_view rest = text; !rest.empty();) {
      auto comma = rest.find(',');
      auto part = rest.substr(0, comma);
      rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
      uint32_t word = 0;
      auto [end, code] = std::from_chars(part.data(), part.data() + part.size(), word, 16);
      if (code != std::errc{} || end != part.data() + part.size() || words.size() >= words_max)
        return bad("an affinity", text);
      words.push_back(word);
    }
    Numbers cpus;
    for (size_t w = 0; w < words.size(); ++w)
      for (uint32_t bit = 0; bit < 32; ++bit)
        if ((words[words.size() - 1 - w] >> bit & 1) != 0)
          cpus.push_back(static_cast<uint32_t>(w * 32 + bit));
    return cpus;
  }

  Result<void> cpu(const XmlElement& element) {
    auto number = parse_numbers(element.text("numaid"));
    if (!number || number->size() != 1) return bad("a numaid", element.text("numaid"));
    auto numa = number->front();
    if (model_.find_numa(numa) == nullptr) model_.numas.push_back({numa, numa, 0});
    auto cpus = mask(element.text("affinity"));
    if (!cpus) return std::move(cpus).error();
    for (auto each : *cpus) {
      if (!cpus_.insert(each).second)
        return bad("a CPU that two NUMA nodes have", fmt::format("{}", each));
      model_.cores.push_back({numa, {each}});
    }
    return children(element, numa, {}, nullptr);
  }

  Result<void> children(const XmlElement& element, uint32_t numa,
                        const std::vector<std::string>& path, const std::string* bus) {
    for (const auto& child : element.children) {
      if (child.name == "pci") TROUPE_TRY(pci(child, numa, path));
      // Cards that are not on PCI: of a cloud, or a computer's own.
      if (child.name == "nic" && bus == nullptr)
        for (const auto& net : child.children)
          if (net.name == "net") add_nic({"", net.text("name"), numa, path});
    }
    return ok();
  }

  void add_nic(PciDevice nic) { model_.nics.push_back(std::move(nic)); }

  Result<void> pci(const XmlElement& element, uint32_t numa, std::vector<std::string> path) {
    auto bus = bus_id(element.text("busid"));
    if (bus.empty()) return bad("a bus id", element.text("busid"));
    auto kind = element.text("class");
    if (kind.starts_with("0x0604")) {
      path.push_back(bus);
      return children(element, numa, path, &bus);
    }
    // 3D and display controllers; AMD's accelerators.
    if (kind.starts_with("0x0302") || kind.starts_with("0x0300") || kind.starts_with("0x1200")) {
      if (!seen_.insert(bus).second) return bad("a GPU that is there twice", bus);
      Gpu gpu;
      gpu.bus = bus;
      gpu.numa = numa;
      gpu.path = path;
      model_.gpus.push_back(std::move(gpu));
      return links(element, bus);
    }
    if (kind.starts_with("0x0200") || kind.starts_with("0x0207")) {
      PciDevice nic{bus, "", numa, path};
      for (const auto& child : element.children)
        for (const auto& net : child.children)
          if (net.name == "net" && nic.name.empty()) nic.name = net.text("name");
      add_nic(std::move(nic));
      return ok();
    }
    if (kind.empty()) ++unknown_;
    return children(element, numa, path, &bus);
  }

  Result<void> links(const XmlElement& device, const std::string& bus) {
    for (const auto& gpu : device.children)
      for (const auto& link : gpu.children) {
        if (link.name != "nvlink" && link.name != "xgmi") continue;
        auto count = parse_numbers(link.text("count"));
        if (!count || count->size() != 1) return bad("a count of links", link.text("count"));
        auto target = bus_id(link.text("target"));
        // Switches have no bus id that a GPU could know: all of them are one.
        bool to_switch = link.text("tclass").starts_with("0x0680");
        wires_.push_back({bus, to_switch ? "switch" : target, count->front()});
      }
    return ok();
  }

  void connect() {
    std::map<std::string, uint32_t> place;
    for (uint32_t i = 0; i < model_.gpus.size(); ++i) place[model_.gpus[i].bus] = i;
    std::map<std::pair<uint32_t, uint32_t>, uint32_t> counts;
    std::map<uint32_t, uint32_t> to_switch;
    for (const auto& wire : wires_) {
      auto a = place.at(wire.from);
      if (wire.to == "switch") to_switch[a] += wire.count;
      auto to = place.find(wire.to);
      // Some files name the GPU itself: such links lead nowhere.
      if (to == place.end() || to->second == a) continue;
      auto& count = counts[{std::min(a, to->second), std::max(a, to->second)}];
      count = std::max(count, wire.count);
    }
    for (const auto& [a, count] : to_switch)
      for (const auto& [b, other] : to_switch)
        if (a < b) counts[{a, b}] += std::min(count, other);
    for (const auto& [pair, count] : counts)
      model_.links.push_back({pair.first, pair.second, count * mb_per_link});
  }

  Model model_;
  std::set<uint32_t> cpus_;
  std::set<std::string> seen_;
  std::vector<Wire> wires_;
  size_t unknown_ = 0;
};

}  // namespace

Result<Model> model_from_nccl(const XmlElement& root) {
  return Reader{}.read(root);
}

}  // namespace troupe::topology
