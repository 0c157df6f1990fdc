#include "client/cpp/ignore_rules.hpp"

#include <algorithm>
#include <cctype>
#include <optional>

namespace troupe::client {

namespace {

constexpr auto npos = std::string_view::npos;

bool in_named_class(std::string_view name, unsigned char c) {
  if (name == "alpha") return std::isalpha(c) != 0;
  if (name == "digit") return std::isdigit(c) != 0;
  if (name == "alnum") return std::isalnum(c) != 0;
  if (name == "upper") return std::isupper(c) != 0;
  if (name == "lower") return std::islower(c) != 0;
  if (name == "space") return std::isspace(c) != 0;
  if (name == "blank") return c == ' ' || c == '\t';
  if (name == "punct") return std::ispunct(c) != 0;
  if (name == "xdigit") return std::isxdigit(c) != 0;
  if (name == "cntrl") return std::iscntrl(c) != 0;
  if (name == "print") return std::isprint(c) != 0;
  if (name == "graph") return std::isgraph(c) != 0;
  return false;
}

struct ClassMatch {
  bool matches;
  size_t end;  // after the ']'
};

/// The bracket at pattern[at] against one byte; nothing where it has no end.
std::optional<ClassMatch> match_class(std::string_view pattern, size_t at, unsigned char c) {
  auto i = at + 1;
  bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool found = false;
  for (bool first = true;; first = false) {
    if (i >= pattern.size()) return std::nullopt;
    if (pattern[i] == ']' && !first) break;
    if (pattern.substr(i, 2) == "[:") {
      auto end = pattern.find(":]", i + 2);
      if (end != npos) {
        found = found || in_named_class(pattern.substr(i + 2, end - i - 2), c);
        i = end + 2;
        continue;
      }
    }
    if (pattern[i] == '\\' && ++i >= pattern.size()) return std::nullopt;
    auto low = static_cast<unsigned char>(pattern[i++]);
    auto high = low;
    if (i + 1 < pattern.size() && pattern[i] == '-' && pattern[i + 1] != ']') {
      ++i;
      if (pattern[i] == '\\' && ++i >= pattern.size()) return std::nullopt;
      high = static_cast<unsigned char>(pattern[i++]);
    }
    found = found || (low <= c && c <= high);
  }
  return ClassMatch{found != negated && c != '/', i + 1};
}

class Matcher {
 public:
  Matcher(std::string_view pattern, std::string_view text)
      : pattern_{pattern}, text_{text}, failed_((pattern.size() + 1) * (text.size() + 1)) {}

  bool match(size_t p, size_t t) {
    // A pair that failed once fails always: without this, "*a*a*a*b" takes exponential time.
    auto failed = failed_[p * (text_.size() + 1) + t];
    if (failed) return false;
    if (step(p, t)) return true;
    failed_[p * (text_.size() + 1) + t] = true;
    return false;
  }

 private:
  bool step(size_t p, size_t t) {
    if (p == pattern_.size()) return t == text_.size();
    char c = pattern_[p];
    if (c == '*') return match_star(p, t);
    if (t == text_.size()) return false;
    if (c == '?') return text_[t] != '/' && match(p + 1, t + 1);
    if (c == '[') {
      auto result = match_class(pattern_, p, static_cast<unsigned char>(text_[t]));
      return result && result->matches && match(result->end, t + 1);
    }
    if (c == '\\' && p + 1 < pattern_.size()) c = pattern_[++p];
    return c == text_[t] && match(p + 1, t + 1);
  }

  bool match_star(size_t p, size_t t) {
    auto end = pattern_.find_first_not_of('*', p);
    if (end == npos) end = pattern_.size();
    bool wide = end - p >= 2 && (p == 0 || pattern_[p - 1] == '/') &&
                (end == pattern_.size() || pattern_[end] == '/');
    // Between slashes "**" may also stand for nothing: "a/**/b" matches "a/b".
    if (wide && end < pattern_.size() && match(end + 1, t)) return true;
    for (auto at = t; at <= text_.size(); ++at) {
      if (match(end, at)) return true;
      if (at < text_.size() && text_[at] == '/' && !wide) return false;
    }
    return false;
  }

  std::string_view pattern_;
  std::string_view text_;
  std::vector<bool> failed_;
};

/// Spaces at the end do not count, unless the last is escaped.
std::string_view without_trailing_spaces(std::string_view line) {
  auto end = line.size();
  while (end > 0 && line[end - 1] == ' ') --end;
  size_t slashes = 0;
  while (slashes < end && line[end - 1 - slashes] == '\\') ++slashes;
  if (end < line.size() && slashes % 2 == 1) ++end;
  return line.substr(0, end);
}

}  // namespace

bool wild_match(std::string_view pattern, std::string_view text) {
  return Matcher{pattern, text}.match(0, 0);
}

void IgnoreRules::add(std::string_view text, std::string_view folder) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  auto base = folder.empty() ? std::string{} : std::string{folder} + "/";
  while (!text.empty()) {
    auto end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == npos ? text.size() : end + 1);
    if (line.ends_with('\r') && end != npos) line.remove_suffix(1);
    add_line(line, base);
  }
}

void IgnoreRules::add_line(std::string_view line, const std::string& folder) {
  if (line.starts_with('#')) return;
  line = without_trailing_spaces(line);
  Rule rule;
  rule.folder = folder;
  if (line.starts_with('!')) {
    rule.negated = true;
    line.remove_prefix(1);
  }
  if (line.ends_with('/')) {
    rule.folders_only = true;
    line.remove_suffix(1);
  }
  rule.anchored = line.find('/') != npos;
  if (line.starts_with('/')) line.remove_prefix(1);
  if (line.empty() || line.size() > 4096) return;  // longer than any path
  rule.pattern = line;
  rules_.push_back(std::move(rule));
}

bool IgnoreRules::matches(const Rule& rule, std::string_view path) {
  if (!path.starts_with(rule.folder)) return false;
  path.remove_prefix(rule.folder.size());
  if (!rule.anchored) path.remove_prefix(path.rfind('/') + 1);  // npos + 1 is 0
  return wild_match(rule.pattern, path);
}

bool IgnoreRules::ignores(std::string_view path, bool is_folder) const {
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule)
    if ((is_folder || !rule->folders_only) && matches(*rule, path)) return !rule->negated;
  return false;
}

}  // namespace troupe::client
