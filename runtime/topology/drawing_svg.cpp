#include "runtime/topology/drawing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace troupe::topology {

namespace {

// In units of the picture.
constexpr int margin = 12, line_height = 18, cell = 14, gap = 3, cores_a_row = 16;
constexpr int node_width = cores_a_row * (cell + gap) + 2 * margin;
constexpr int device_height = 22;

// Told apart by eyes that tell few colours apart, too.
constexpr std::array<const char*, 8> colours{"#4477aa", "#ee6677", "#228833", "#ccbb44",
                                             "#66ccee", "#aa3377", "#dd8855", "#777777"};
constexpr auto idle_colour = "#ffffff";
constexpr auto closed_colour = "#222222";

std::string escaped(std::string_view text) {
  std::string safe;
  for (char c : text) {
    if (c == '<')
      safe += "&lt;";
    else if (c == '>')
      safe += "&gt;";
    else if (c == '&')
      safe += "&amp;";
    else if (c == '"')
      safe += "&quot;";
    else if (static_cast<unsigned char>(c) >= 0x20)
      safe += c;
  }
  return safe;
}

class Svg {
 public:
  explicit Svg(const Picture& picture) : picture_{picture}, model_{picture.model} {}

  std::string document() {
    int x = margin, bottom = margin;
    for (const auto& numa : model_.numas) {
      bottom = std::max(bottom, node(numa, x, margin));
      x += node_width + margin;
    }
    if (has_devices(std::nullopt)) {
      text(x + margin, margin + line_height, "near to no NUMA node");
      bottom = std::max(bottom, devices(std::nullopt, x, margin + 2 * line_height));
      x += node_width + margin;
    }
    int y = bottom + margin;
    for (size_t i = 0; i < picture_.owners.size(); ++i, y += line_height) {
      box(margin, y, cell, cell, colour(i));
      text(margin + cell + 6, y + cell - 2, picture_.owners[i].name);
    }
    if (!model_.note.empty()) text(margin, y + line_height, model_.note), y += line_height;
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
        "viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"12\">\n"
        "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{2}</svg>\n",
        std::max(x, node_width), y + margin, body_);
  }

 private:
  static const char* colour(size_t owner) { return colours[owner % colours.size()]; }

  void box(int x, int y, int width, int height, std::string_view fill,
           const std::string& title = {}) {
    body_ += fmt::format(
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\" stroke=\"#555555\"", x, y,
        width, height, fill);
    body_ += title.empty() ? "/>\n" : fmt::format("><title>{}</title></rect>\n", escaped(title));
  }

  void text(int x, int y, std::string_view what) {
    body_ += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", x, y, escaped(what));
  }

  bool has_devices(std::optional<uint32_t> numa) const {
    auto here = [&](const PciDevice& device) { return device.numa == numa; };
    return std::any_of(model_.gpus.begin(), model_.gpus.end(), here) ||
           std::any_of(model_.nics.begin(), model_.nics.end(), here);
  }

  /// Answers where it ends.
  int node(const Numa& numa, int x, int y) {
    auto top = body_.size();
    int at = y + line_height;
    text(x + margin, at,
         fmt::format("package {} \u00b7 numa {}{}", numa.package, numa.number,
                     numa.bytes == 0 ? std::string{}
                                     : fmt::format(" \u00b7 {:.0f} GiB",
                                                   static_cast<double>(numa.bytes) / (1u << 30))));
    at += 8;
    int column = 0;
    for (const auto& core : model_.cores) {
      if (core.numa != numa.number) continue;
      if (column == cores_a_row) column = 0, at += cell + gap;
      box(x + margin + column * (cell + gap), at, cell, cell, core_colour(core),
          fmt::format("cpus {}", to_text(core.cpus)));
      ++column;
    }
    at += cell + 8;
    at = devices(numa.number, x, at);
    // Behind what is on it, so it comes first.
    auto inside = body_.substr(top);
    body_.resize(top);
    box(x, y, node_width, at - y, "#f4f4f4");
    body_ += inside;
    return at;
  }

  std::string_view core_colour(const Core& core) const {
    for (size_t i = 0; i < picture_.owners.size(); ++i)
      for (auto cpu : core.cpus)
        if (std::binary_search(picture_.owners[i].cpus.begin(), picture_.owners[i].cpus.end(), cpu))
          return colour(i);
    return idle_colour;
  }

  int devices(std::optional<uint32_t> numa, int x, int at) {
    for (uint32_t gpu = 0; gpu < model_.gpus.size(); ++gpu) {
      if (model_.gpus[gpu].numa != numa) continue;
      std::string_view fill = idle_colour;
      for (size_t i = 0; i < picture_.owners.size(); ++i) {
        const auto& gpus = picture_.owners[i].gpus;
        if (std::find(gpus.begin(), gpus.end(), gpu) != gpus.end()) fill = colour(i);
      }
      auto closed = picture_.closed.find(gpu);
      box(x + margin, at, cell, cell,
          closed != picture_.closed.end() ? std::string_view{closed_colour} : fill);
      const auto& device = model_.gpus[gpu];
      text(x + margin + cell + 6, at + cell - 2,
           fmt::format("gpu {} {} {}{}", gpu, device.bus, device.name,
                       closed != picture_.closed.end() ? " (closed)" : ""));
      at += device_height;
    }
    for (const auto& nic : model_.nics) {
      if (nic.numa != numa) continue;
      box(x + margin, at + 3, cell, cell - 6, "#bbbbbb");
      text(x + margin + cell + 6, at + cell - 2, fmt::format("nic {} {}", nic.name, nic.bus));
      at += device_height;
    }
    return at;
  }

  const Picture& picture_;
  const Model& model_;
  std::string body_;
};

}  // namespace

std::string drawing_svg(const Picture& picture) {
  return Svg{picture}.document();
}

}  // namespace troupe::topology
