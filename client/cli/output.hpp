// What the command line prints and how: data on stdout, talk on stderr, colour and tables for a
// terminal only. Owned by the session; main thread.
#pragma once

#include "runtime/core/clock.hpp"
#include "runtime/core/error.hpp"
#include "runtime/core/value.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

enum class Colour { none, red, green, yellow, blue, magenta, cyan, grey, bold };

struct OutputOptions {
  bool json = false;
  bool quiet = false;
  bool no_colour = false;
  bool no_input = false;
};

/// How one of the two streams is to be written to.
struct Face {
  bool terminal = false;
  bool colour = false;
  size_t width = 80;
};

/// What stdout or stderr (1, 2) is, by the terminal and NO_COLOR, CLICOLOR_FORCE, TERM, COLUMNS.
Face face_of(int fd, bool no_colour);

class Output {
 public:
  explicit Output(OutputOptions options);
  Output(OutputOptions options, Face out, Face talk);

  /// One line of data.
  void line(std::string_view text);
  /// Bytes of data, as they are.
  void raw(std::string_view bytes);
  /// The JSON value of the command, or one of a stream.
  void json(const Value& value);
  /// One line for people, on stderr.
  void talk(std::string_view text);
  /// "error: ...", detail, hint; with JSON wanted, on stdout.
  void error(const Error& error);

  std::string paint(Colour colour, std::string_view text) const;
  std::string paint_talk(Colour colour, std::string_view text) const;

  bool wants_json() const { return options_.json; }
  bool quiet() const { return options_.quiet; }
  const Face& out() const { return out_; }
  const Face& talk_face() const { return talk_; }
  /// Whether somebody can be asked.
  bool may_ask() const;
  /// Nobody reads stdout any more.
  bool closed() const { return closed_; }

 private:
  OutputOptions options_;
  Face out_, talk_;
  bool closed_ = false;
};

/// The four parts in the form of the contract, without the final newline.
std::string error_text(const Error& error, bool colour);
/// {"error":{"code","message","detail","hint"}}
Value error_value(const Error& error);
/// 1 failed, 2 usage, 3 not found, ...
int exit_code_of(Errc code);

/// Text safe for a terminal: control characters but tabs become "?"; `keep_colour` leaves SGR
/// sequences.
std::string safe_text(std::string_view text, bool keep_colour = false);
/// The same of a text of many lines.
std::string safe_lines(std::string_view text);
/// Columns a text takes, counting one for each code point.
size_t text_width(std::string_view text);
/// At most `width` columns, the end replaced by "…".
std::string cut(std::string_view text, size_t width);

Colour state_colour(std::string_view state);
/// "12s ago", "3h ago"; an RFC 3339 text that cannot be read comes back as it is.
std::string ago(std::string_view rfc3339_text, Timestamp now);
/// Time between two such texts, to now where the second is empty; empty where the first is.
std::string span_text(std::string_view from, std::string_view to, Timestamp now);

/// One printer for all tables.
class Table {
 public:
  struct Column {
    std::string header;
    bool right = false;
    bool elastic = false;  // shortened first where the terminal is too narrow
  };
  struct Cell {
    std::string text;     // for a terminal
    std::string plain{};  // otherwise; empty: the same
    Colour colour = Colour::none;
  };

  explicit Table(std::vector<Column> columns) : columns_{std::move(columns)} {}
  void row(std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }
  /// Aligned with a header on a terminal, else tab-separated without.
  std::string text(const Face& face) const;

 private:
  std::vector<size_t> widths(size_t total) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace troupe::cli
