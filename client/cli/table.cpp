#include "client/cli/output.hpp"

#include <algorithm>

namespace troupe::cli {

namespace {

constexpr size_t gap = 2;            // spaces between columns
constexpr size_t elastic_least = 8;  // an elastic column is never narrower: it would say nothing

std::string field(const Table::Cell& cell) {
  auto text = safe_text(cell.plain.empty() ? cell.text : cell.plain);
  std::replace(text.begin(), text.end(), '\t', ' ');
  return text;
}

std::string paint(const Face& face, Colour colour, std::string text) {
  Output painter{{}, face, face};
  return painter.paint(colour, text);
}

}  // namespace

void Table::row(std::vector<Cell> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::vector<size_t> Table::widths(size_t total) const {
  std::vector<size_t> widths;
  for (const auto& column : columns_) widths.push_back(text_width(column.header));
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], text_width(safe_text(row[i].text)));
  size_t sum = gap * (columns_.size() - 1);
  for (auto width : widths) sum += width;
  while (sum > total) {
    size_t widest = columns_.size();
    for (size_t i = 0; i < columns_.size(); ++i)
      if (columns_[i].elastic && widths[i] > elastic_least &&
          (widest == columns_.size() || widths[i] > widths[widest]))
        widest = i;
    if (widest == columns_.size()) break;
    --widths[widest];
    --sum;
  }
  return widths;
}

std::string Table::text(const Face& face) const {
  std::string out;
  if (!face.terminal) {
    for (const auto& row : rows_) {
      for (size_t i = 0; i < row.size(); ++i) out += (i == 0 ? "" : "\t") + field(row[i]);
      out += "\n";
    }
    return out;
  }
  auto widths_now = widths(face.width);
  auto line = [&](auto&& cell_of) {
    std::string text;
    for (size_t i = 0; i < columns_.size(); ++i) {
      Cell cell = cell_of(i);
      auto shown = safe_text(cell.text);
      shown = columns_[i].elastic ? cut(shown, widths_now[i]) : shown;
      auto width = text_width(shown);
      auto space = std::string(widths_now[i] > width ? widths_now[i] - width : 0, ' ');
      auto coloured = paint(face, cell.colour, shown);
      text += columns_[i].right ? space + coloured : coloured + space;
      if (i + 1 < columns_.size()) text += std::string(gap, ' ');
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  };
  line([&](size_t i) { return Cell{columns_[i].header, "", Colour::bold}; });
  for (const auto& row : rows_) line([&](size_t i) { return row[i]; });
  return out;
}

}  // namespace troupe::cli
