#include "storage/dataset/record_scanner.hpp"

#include "runtime/core/json.hpp"
#include "storage/dataset/entry_path.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <set>

namespace troupe::dataset {

namespace {

constexpr size_t head_bytes_max = 1u << 20;  // of a first row: 20,000 columns with long names

/// Rows of text. A newline ends one unless an odd number of quotes stands before it in the row;
/// what is between rows (empty lines) counts to the row before.
class LineScanner final : public RecordScanner {
 public:
  LineScanner(std::string kind, bool quotes, char separator, HeaderRow header)
      : kind_{std::move(kind)}, quotes_{quotes}, separator_{separator}, header_{header} {}

  void feed(std::string_view bytes) override {
    while (!bytes.empty() && problem_.empty()) {
      auto newline = bytes.find('\n');
      auto part = bytes.substr(0, newline == std::string_view::npos ? newline : newline + 1);
      bytes.remove_prefix(part.size());
      take(part, newline != std::string_view::npos);
    }
  }

  std::variant<TableDraft, std::string> finish() override {
    if (problem_.empty() && odd_)
      problem_ = fmt::format("row {} opens a quote that is never closed", rows_.size() + 1);
    if (problem_.empty() && row_bytes_ > 0) end_row();
    if (problem_.empty() && rows_.empty()) problem_ = "it has no rows";
    if (!problem_.empty()) return problem_;
    return table();
  }

 private:
  void take(std::string_view part, bool ends) {
    if (at_begin_ && row_bytes_ == 0 && part.starts_with("\xef\xbb\xbf")) {
      first_ += 3;  // a byte order mark, as some programs write it
      part.remove_prefix(3);
    }
    at_begin_ = false;
    if (quotes_ && std::count(part.begin(), part.end(), '"') % 2 != 0) odd_ = !odd_;
    if (rows_.empty() && head_.size() < head_bytes_max)
      head_ += part.substr(0, head_bytes_max - head_.size());
    row_bytes_ += part.size();
    if (row_bytes_ > limits::record_bytes_max)
      problem_ =
          fmt::format("row {} is longer than {} bytes", rows_.size() + 1, limits::record_bytes_max);
    blank_ = blank_ && part.find_first_not_of("\r\n") == std::string_view::npos;
    if (ends && !odd_) end_row();
  }

  void end_row() {
    if (!blank_) {
      rows_.push_back(static_cast<uint32_t>(row_bytes_));
    } else if (rows_.empty()) {
      first_ += row_bytes_;
      head_.clear();
    } else if (rows_.back() + row_bytes_ <= limits::record_bytes_max) {
      rows_.back() += static_cast<uint32_t>(row_bytes_);
    } else {
      problem_ = fmt::format("too many empty lines follow row {}", rows_.size());
    }
    row_bytes_ = 0;
    blank_ = true;
  }

  std::vector<std::string> fields() const {
    std::vector<std::string> all{""};
    bool quoted = false;
    std::string_view row = head_;
    while (!row.empty() && (row.back() == '\n' || row.back() == '\r')) row.remove_suffix(1);
    for (size_t i = 0; i < row.size(); ++i) {
      if (row[i] == '"' && quoted && i + 1 < row.size() && row[i + 1] == '"')
        all.back() += row[i++];
      else if (row[i] == '"')
        quoted = !quoted;
      else if (row[i] == separator_ && !quoted)
        all.emplace_back();
      else
        all.back() += row[i];
    }
    return all;
  }

  static bool are_names(const std::vector<std::string>& fields) {
    std::set<std::string_view> seen;
    return std::all_of(fields.begin(), fields.end(), [&](const std::string& field) {
      double number = 0;
      auto [end, code] = std::from_chars(field.data(), field.data() + field.size(), number);
      bool is_number = code == std::errc{} && end == field.data() + field.size();
      return !field.empty() && !is_number && seen.insert(field).second;
    });
  }

  std::variant<TableDraft, std::string> table() {
    ValueMap about{{"kind", kind_}};
    TableDraft draft;
    draft.first = first_;
    draft.trim = true;
    if (quotes_) {
      if (separator_ == ',' && head_.find(',') == std::string::npos &&
          head_.find(';') != std::string::npos)
        separator_ = ';';
      about["separator"] = std::string(1, separator_);
      auto names = fields();
      bool is_header =
          header_ == HeaderRow::automatic ? are_names(names) : header_ == HeaderRow::yes;
      if (is_header) {
        about["columns"] = ValueList(names.begin(), names.end());
        draft.first += rows_.front();
        rows_.erase(rows_.begin());
      }
    } else if (head_.find_first_not_of(" \t") == std::string::npos ||
               (head_[head_.find_first_not_of(" \t")] != '{' &&
                head_[head_.find_first_not_of(" \t")] != '[')) {
      return "its first line is no JSON object or list";
    }
    draft.count = rows_.size();
    draft.lengths = std::move(rows_);
    draft.about = json_text(about);
    return draft;
  }

  const std::string kind_;
  const bool quotes_;
  char separator_;
  const HeaderRow header_;
  std::string head_;  // the first row
  std::vector<uint32_t> rows_;
  uint64_t first_ = 0, row_bytes_ = 0;
  bool at_begin_ = true, odd_ = false, blank_ = true;
  std::string problem_;
};

/// The format of the MNIST files: a big-endian header with type and sizes, then the items.
class IdxScanner final : public RecordScanner {
 public:
  void feed(std::string_view bytes) override {
    if (head_.size() < head_max) head_ += bytes.substr(0, head_max - head_.size());
    bytes_ += bytes.size();
  }

  std::variant<TableDraft, std::string> finish() override {
    auto at = [&](size_t i) {
      return i < head_.size() ? static_cast<unsigned char>(head_[i]) : 0u;
    };
    auto type =
        std::find_if(types.begin(), types.end(), [&](const Type& t) { return t.code == at(2); });
    size_t sizes = at(3);
    if (at(0) != 0 || at(1) != 0 || type == types.end() || sizes == 0 || sizes > sizes_max ||
        head_.size() < 4 + 4 * sizes)
      return "it does not begin as an IDX file does";
    TableDraft draft;
    draft.first = 4 + 4 * sizes;
    draft.stride = type->bytes;
    ValueList shape;
    for (size_t i = 0; i < sizes; ++i) {
      uint64_t size = 0;
      for (size_t byte = 0; byte < 4; ++byte) size = size << 8 | at(4 + 4 * i + byte);
      if (i == 0) {
        draft.count = size;
        continue;
      }
      if (size == 0 || draft.stride > limits::record_bytes_max / size)
        return "its items are empty or too large";
      draft.stride *= size;
      shape.emplace_back(size);
    }
    if (draft.first + draft.count * draft.stride != bytes_)
      return fmt::format("its header promises {} items of {} bytes, and it has {} bytes",
                         draft.count, draft.stride, bytes_);
    draft.about = json_text(ValueMap{{"kind", "idx"},
                                     {"order", "big"},
                                     {"shape", std::move(shape)},
                                     {"type", std::string{type->name}}});
    return draft;
  }

 private:
  struct Type {
    unsigned code;
    uint64_t bytes;
    std::string_view name;
  };
  static constexpr std::array<Type, 6> types{{{0x08, 1, "uint8"},
                                              {0x09, 1, "int8"},
                                              {0x0b, 2, "int16"},
                                              {0x0c, 4, "int32"},
                                              {0x0d, 4, "float32"},
                                              {0x0e, 8, "float64"}}};
  static constexpr size_t sizes_max = 16, head_max = 4 + 4 * sizes_max;
  std::string head_;
  uint64_t bytes_ = 0;
};

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

}  // namespace

std::unique_ptr<RecordScanner> make_scanner(std::string_view path, HeaderRow header) {
  std::string name{name_of(path)};
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(c < 128 ? std::tolower(c) : c); });
  if (name.ends_with(".csv")) return std::make_unique<LineScanner>("csv", true, ',', header);
  if (name.ends_with(".tsv")) return std::make_unique<LineScanner>("csv", true, '\t', header);
  if (ends_with_any(name, {".jsonl", ".ndjson"}))
    return std::make_unique<LineScanner>("jsonl", false, ',', header);
  bool idx =
      name.ends_with(".idx") || (name.ends_with("-ubyte") && name.find("idx") != std::string::npos);
  if (idx) return std::make_unique<IdxScanner>();
  return nullptr;
}

}  // namespace troupe::dataset
