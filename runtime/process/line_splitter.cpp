#include "runtime/process/line_splitter.hpp"

#include "runtime/core/limits.hpp"

#include <fmt/format.h>

namespace troupe::process {

LineSplitter::LineSplitter(uint32_t rank, char stream)
    : prefix_{fmt::format(" {}{} ", rank, stream)} {}

void LineSplitter::record(char kind, std::string_view text, std::string_view time,
                          std::string& records) {
  records.append(time).append(prefix_);
  records.push_back(kind);
  records.push_back(' ');
  records.append(text);
  records.push_back('\n');
  open_line_ = kind == 'P';
}

void LineSplitter::add(std::string_view bytes, std::string_view time, std::string& records) {
  while (!bytes.empty()) {
    auto room = limits::log_line_bytes_max - part_.size();
    auto newline = bytes.substr(0, room + 1).find('\n');
    if (newline != std::string_view::npos) {
      if (part_.empty()) {
        record('F', bytes.substr(0, newline), time, records);
      } else {
        part_.append(bytes.substr(0, newline));
        record('F', part_, time, records);
        part_.clear();
      }
      bytes.remove_prefix(newline + 1);
    } else if (bytes.size() > room) {
      part_.append(bytes.substr(0, room));
      record('P', part_, time, records);
      part_.clear();
      bytes.remove_prefix(room);
    } else {
      part_.append(bytes);
      return;
    }
  }
}

void LineSplitter::flush_part(std::string_view time, std::string& records) {
  if (part_.empty()) return;
  record('P', part_, time, records);
  part_.clear();
}

void LineSplitter::finish(std::string_view time, std::string& records) {
  if (part_.empty() && !open_line_) return;
  record('F', part_, time, records);
  part_.clear();
}

}  // namespace troupe::process
