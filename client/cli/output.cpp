#include "client/cli/output.hpp"

#include "runtime/core/json.hpp"
#include "runtime/core/units.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <sys/ioctl.h>
#include <unistd.h>

namespace troupe::cli {

namespace {

bool set_in_environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

std::string_view code_of(Colour colour) {
  switch (colour) {
    case Colour::none:
      return "";
    case Colour::red:
      return "\x1b[31m";
    case Colour::green:
      return "\x1b[32m";
    case Colour::yellow:
      return "\x1b[33m";
    case Colour::blue:
      return "\x1b[34m";
    case Colour::magenta:
      return "\x1b[35m";
    case Colour::cyan:
      return "\x1b[36m";
    case Colour::grey:
      return "\x1b[90m";
    case Colour::bold:
      return "\x1b[1m";
  }
  return "";
}

std::string painted(bool on, Colour colour, std::string_view text) {
  if (!on || colour == Colour::none || text.empty()) return std::string{text};
  return fmt::format("{}{}\x1b[0m", code_of(colour), text);
}

}  // namespace

Face face_of(int fd, bool no_colour) {
  Face face;
  face.terminal = isatty(fd) == 1;
  const char* term = std::getenv("TERM");
  bool dumb = term != nullptr && std::string_view{term} == "dumb";
  face.colour = !no_colour && !set_in_environment("NO_COLOR") &&
                (set_in_environment("CLICOLOR_FORCE") || (face.terminal && !dumb));
  winsize size{};
  if (face.terminal && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    face.width = size.ws_col;
  return face;
}

Output::Output(OutputOptions options)
    : Output{options, face_of(1, options.no_colour), face_of(2, options.no_colour)} {}

Output::Output(OutputOptions options, Face out, Face talk)
    : options_{options}, out_{out}, talk_{talk} {}

void Output::raw(std::string_view bytes) {
  if (closed_) return;
  closed_ = std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() ||
            std::fflush(stdout) != 0;
}

void Output::line(std::string_view text) {
  raw(fmt::format("{}\n", text));
}

void Output::json(const Value& value) {
  line(json_text(value));
}

void Output::talk(std::string_view text) {
  auto line = fmt::format("{}\n", text);
  (void)std::fwrite(line.data(), 1, line.size(), stderr);  // nobody to tell where this fails
}

void Output::error(const Error& error) {
  if (options_.json)
    json(error_value(error));
  else
    talk(error_text(error, talk_.colour));
}

std::string Output::paint(Colour colour, std::string_view text) const {
  return painted(out_.colour, colour, text);
}

std::string Output::paint_talk(Colour colour, std::string_view text) const {
  return painted(talk_.colour, colour, text);
}

bool Output::may_ask() const {
  return !options_.no_input && isatty(0) == 1 && talk_.terminal;
}

std::string error_text(const Error& error, bool colour) {
  auto text = fmt::format("{} {}", painted(colour, Colour::red, "error:"), error.what);
  if (!error.detail.empty()) text += "\n  " + error.detail;
  if (!error.hint.empty())
    text += fmt::format("\n{} {}", painted(colour, Colour::cyan, "hint:"), error.hint);
  return text;
}

Value error_value(const Error& error) {
  return ValueMap{{"error", ValueMap{{"code", to_string(error.code)},
                                     {"message", error.what},
                                     {"detail", error.detail},
                                     {"hint", error.hint}}}};
}

int exit_code_of(Errc code) {
  switch (code) {
    case Errc::invalid:
      return 2;
    case Errc::not_found:
      return 3;
    case Errc::unauthenticated:
      return 4;
    case Errc::refused:
    case Errc::exhausted:
    case Errc::conflict:
      return 5;
    case Errc::unavailable:
      return 6;
    case Errc::timed_out:
      return 7;
    default:
      return 1;
  }
}

std::string safe_text(std::string_view text, bool keep_colour) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (c == 0x1b && keep_colour) {
      auto end = text.find_first_not_of("0123456789;", i + 2);
      if (i + 1 < text.size() && text[i + 1] == '[' && end != std::string_view::npos &&
          text[end] == 'm') {
        out.append(text.substr(i, end + 1 - i));
        i = end;
        continue;
      }
    }
    out.push_back(c < 0x20 && c != '\t' ? '?' : c == 0x7f ? '?' : text[i]);
  }
  return out;
}

std::string safe_lines(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    auto end = std::min(text.find('\n'), text.size());
    out += safe_text(text.substr(0, end)) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

size_t text_width(std::string_view text) {
  size_t width = 0;
  for (unsigned char c : text) width += (c & 0xc0) != 0x80;  // not a continuation byte
  return width;
}

std::string cut(std::string_view text, size_t width) {
  if (text_width(text) <= width) return std::string{text};
  if (width == 0) return "";
  size_t seen = 0, at = 0;
  for (; at < text.size(); ++at)
    if ((static_cast<unsigned char>(text[at]) & 0xc0) != 0x80 && seen++ == width - 1) break;
  return std::string{text.substr(0, at)} + "…";
}

Colour state_colour(std::string_view state) {
  if (state == "FINISHED") return Colour::green;
  if (state == "FAILED") return Colour::red;
  if (state == "KILLED" || state == "KILLING" || state == "SKIPPED") return Colour::yellow;
  if (state == "RUNNING" || state == "STARTING" || state == "PREPARING") return Colour::cyan;
  return Colour::grey;
}

std::string ago(std::string_view text, Timestamp now) {
  auto time = parse_rfc3339(text);
  if (!time || !*time) return std::string{text};
  auto seconds = std::max<int64_t>(0, (now.us - time->us) / 1'000'000);
  if (seconds < 60) return fmt::format("{}s ago", seconds);
  if (seconds < 3600) return fmt::format("{}m ago", seconds / 60);
  if (seconds < 2 * 86400) return fmt::format("{}h ago", seconds / 3600);
  return fmt::format("{}d ago", seconds / 86400);
}

std::string span_text(std::string_view from, std::string_view to, Timestamp now) {
  auto start = parse_rfc3339(from);
  if (from.empty() || !start || !*start) return "";
  auto end = now;
  if (!to.empty())
    if (auto read = parse_rfc3339(to)) end = *read;
  auto ms = std::max<int64_t>(0, (end.us - start->us) / 1000);
  if (ms >= 10'000) ms -= ms % 1000;  // nobody reads milliseconds of a minute
  return duration_text(Duration{ms});
}

}  // namespace troupe::cli
