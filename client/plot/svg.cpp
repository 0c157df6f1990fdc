#include "client/plot/svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace troupe::plot {

namespace {

using Colour = std::array<int, 3>;
// ColorBrewer's YlGnBu without its palest; for dark paper turned round, as the best stands out.
constexpr std::array<Colour, 6> light{{{0xc7, 0xe9, 0xb4},
                                       {0x7f, 0xcd, 0xbb},
                                       {0x41, 0xb6, 0xc4},
                                       {0x1d, 0x91, 0xc0},
                                       {0x22, 0x5e, 0xa8},
                                       {0x0c, 0x2c, 0x84}}};
constexpr std::array<Colour, 6> dark{{{0x29, 0x3c, 0x66},
                                      {0x22, 0x5e, 0xa8},
                                      {0x1d, 0x91, 0xc0},
                                      {0x41, 0xb6, 0xc4},
                                      {0x7f, 0xcd, 0xbb},
                                      {0xe3, 0xf4, 0xc8}}};

std::string colour_at(const std::array<Colour, 6>& colours, double share) {
  auto place = share * static_cast<double>(colours.size() - 1);
  auto left = std::min(static_cast<size_t>(place), colours.size() - 2);
  auto part = place - static_cast<double>(left);
  Colour mixed{};
  for (size_t i = 0; i < 3; ++i)
    mixed[i] =
        static_cast<int>(std::lround(colours[left][i] * (1 - part) + colours[left + 1][i] * part));
  return fmt::format("#{:02x}{:02x}{:02x}", mixed[0], mixed[1], mixed[2]);
}

std::string shades_of(const std::array<Colour, 6>& colours) {
  std::string text;
  for (size_t i = 0; i < Svg::shades; ++i) {
    auto colour = colour_at(colours, static_cast<double>(i) / (Svg::shades - 1));
    text += fmt::format(".d{0}{{stroke:{1}}}.q{0}{{fill:{1}}}", i, colour);
  }
  return text;
}

/// Without variables, which not every viewer knows.
std::string style() {
  return "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',Helvetica,Arial,"
         "sans-serif;font-size:12px}"
         ".T{font-size:20px;font-weight:600}.h{font-size:14px;font-weight:600}"
         "path{fill:none;stroke-linecap:round;stroke-linejoin:round}"
         "[class^=d]{stroke-width:1.2}path.o{stroke-width:4}path.u.o{stroke-width:2.5}path.f{"
         "stroke-width:.7;stroke-opacity:.7}.e{shape-rendering:crispEdges}"
         ".a,.g{stroke-width:1}.l,.k{stroke-width:2}.n{stroke-width:1.6;stroke-dasharray:5 3}"
         ".s,.r{fill:none;stroke-width:1.4}.x{stroke-width:1.4}.p{fill-opacity:.85}"
         ".c{stroke-width:1}"
         // Light.
         ".w{fill:#fff}.T,.t,.h{fill:#1f2328}.m{fill:#59636e}.g{stroke:#e7eaee}.a{stroke:#8c959f}"
         ".p{fill:#0072b2}path.p{stroke:#0072b2}.s{stroke:#0072b2}.r{stroke:#8c959f}"
         ".u{fill:#1f2328;stroke:#fff;stroke-width:.8}path.u{stroke:#1f2328}.x{stroke:#6e7781}.b{"
         "fill:#d55e00}.l,.k,.n{stroke:#d55e00}.c{stroke:#fff}"
         ".v{fill:#fff;fill-opacity:.8}.z{fill:#afb8c1}" +
         shades_of(light) +
         "@media(prefers-color-scheme:dark){"
         ".w{fill:#0f1318}.T,.t,.h{fill:#e6edf3}.m{fill:#9aa4af}.g{stroke:#232a33}.a{stroke:#"
         "6b7683}"
         ".p{fill:#56b4e9}path.p{stroke:#56b4e9}.s{stroke:#56b4e9}.r{stroke:#7d8792}"
         ".u{fill:#f0f3f6;stroke:#0f1318}path.u{stroke:#f0f3f6}.x{stroke:#9aa4af}.b{fill:#ff8f3f}."
         "l,.k,.n{stroke:#ff8f3f}.c{stroke:#0f1318}"
         ".v{fill:#0f1318}.z{fill:#4a5461}" +
         shades_of(dark) + "}";
}

/// The length of the character at `at`, 0 where it is none that XML may hold.
size_t character(std::string_view text, size_t at) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  auto first = byte(at);
  if (first < 0x20) return first == '\t' || first == '\n' || first == '\r' ? 1 : 0;
  if (first < 0x80) return first == 0x7f ? 0 : 1;
  size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > text.size()) return 0;
  uint32_t code = first & (0x7f >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(at + i) & 0x3f);
  }
  constexpr std::array<uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  bool bad = code < least[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ||
             code == 0xfffe || code == 0xffff;
  return bad ? 0 : length;
}

double character_px(unsigned char c) {
  if (c >= 0x80) return 0.62;
  if (std::string_view{"fijlrtI.,:;!|'()[]/ "}.find(static_cast<char>(c)) != std::string_view::npos)
    return 0.36;
  if (std::string_view{"mwMW@%"}.find(static_cast<char>(c)) != std::string_view::npos) return 0.92;
  return c >= 'A' && c <= 'Z' ? 0.7 : 0.6;
}

}  // namespace

std::string xml_text(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    auto length = character(text, at);
    auto c = text[at];
    if (length == 0)
      out += "\xef\xbf\xbd";
    else if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += text.substr(at, length);
    at += std::max<size_t>(1, length);
  }
  return out;
}

double text_px(std::string_view text, double size) {
  double width = 0;
  for (unsigned char c : text)
    if ((c & 0xc0) != 0x80) width += character_px(c) * size;
  return width;
}

std::string cut_px(std::string_view text, double width, double size) {
  if (text_px(text, size) <= width) return std::string{text};
  double used = 0.9 * size;  // of the dots
  size_t at = 0;
  for (; at < text.size(); ++at) {
    auto c = static_cast<unsigned char>(text[at]);
    if ((c & 0xc0) == 0x80) continue;
    used += character_px(c) * size;
    if (used > width) break;
  }
  return std::string{text.substr(0, at)} + "…";
}

std::string cut_middle_px(std::string_view text, double width, double size) {
  if (text_px(text, size) <= width) return std::string{text};
  auto head = cut_px(text, width * 0.3, size);
  auto room = width - text_px(head, size);
  auto at = text.size();
  for (double used = 0; at > 0; --at) {
    auto c = static_cast<unsigned char>(text[at - 1]);
    if ((c & 0xc0) != 0x80) used += character_px(c) * size;
    if (used > room) break;
  }
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) ++at;
  return head + std::string{text.substr(at)};
}

std::string shade(char prefix, double standing) {
  auto place = std::clamp(standing, 0.0, 1.0) * Svg::shades;
  return fmt::format("{}{}", prefix, std::min<int>(Svg::shades - 1, static_cast<int>(place)));
}

Svg::Svg(double width, double height, std::string_view title) {
  body_ = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:g}\" height=\"{1:g}\" "
      "viewBox=\"0 0 {0:g} {1:g}\" role=\"img\">\n<title>{2}</title>\n<style>{3}</style>\n"
      "<rect class=\"w\" width=\"{0:g}\" height=\"{1:g}\"/>\n",
      width, height, xml_text(title), xml_text(style()));
}

void Svg::end(std::string_view name, std::string_view hover) {
  if (hover.empty())
    body_ += "/>\n";
  else
    body_ += fmt::format("><title>{}</title></{}>\n", xml_text(hover), name);
}

void Svg::text(double x, double y, std::string_view text, std::string_view style, Anchor anchor) {
  const auto* where = anchor == Anchor::start    ? ""
                      : anchor == Anchor::middle ? " text-anchor=\"middle\""
                                                 : " text-anchor=\"end\"";
  body_ += fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\"{}>{}</text>\n", style, x, y,
                       where, xml_text(text));
}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view style) {
  body_ +=
      fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n",
                  style, x1, y1, x2, y2);
}

void Svg::path(const std::vector<std::pair<double, double>>& points, std::string_view style,
               std::string_view hover) {
  std::string way;
  bool drawing = false;
  for (const auto& [x, y] : points) {
    bool number = std::isfinite(x) && std::isfinite(y);
    if (number) way += fmt::format("{}{:.1f} {:.1f}", drawing ? 'L' : 'M', x, y);
    drawing = number;
  }
  if (way.empty()) return;
  body_ += fmt::format("<path class=\"{}\" d=\"{}\"", style, way);
  end("path", hover);
}

void Svg::circle(double x, double y, double radius, std::string_view style,
                 std::string_view hover) {
  body_ += fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:g}\"", style, x, y,
                       radius);
  end("circle", hover);
}

void Svg::rect(const Rect& rect, std::string_view style, std::string_view hover) {
  body_ +=
      fmt::format("<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"",
                  style, rect.x, rect.y, rect.width, rect.height);
  end("rect", hover);
}

void Svg::dots(const std::vector<std::pair<double, double>>& places, std::string_view style) {
  if (places.empty()) return;
  std::string way;
  for (const auto& [x, y] : places) way += fmt::format("M{:.1f} {:.1f}h0", x, y);
  body_ += fmt::format("<path class=\"{}\" d=\"{}\"/>\n", style, way);
}

std::string Svg::finish() && {
  return std::move(body_) + "</svg>\n";
}

}  // namespace troupe::plot
