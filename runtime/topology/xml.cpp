#include "runtime/topology/xml.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::topology {

namespace {

constexpr size_t depth_max = 100;
constexpr size_t elements_max = 500'000;
constexpr std::string_view blanks = " \t\r\n";

class Parser {
 public:
  explicit Parser(std::string_view text) : text_{text} {}

  Result<XmlElement> document() {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    TROUPE_TRY(skip_misc());
    if (!next_is("<")) return error("no element begins here");
    XmlElement root;
    TROUPE_TRY(element(root, 0));
    TROUPE_TRY(skip_misc());
    if (at_ != text_.size()) return error("something follows the end of the document");
    return root;
  }

 private:
  bool next_is(std::string_view what) const { return text_.substr(at_).starts_with(what); }

  Error error(const std::string& detail) const {
    auto until = text_.substr(0, std::min(at_, text_.size()));
    auto line = 1 + std::count(until.begin(), until.end(), '\n');
    return Error{Errc::invalid, "this is no XML", fmt::format("line {}: {}", line, detail),
                 "was all of the file copied?"};
  }

  void skip_blanks() {
    while (at_ < text_.size() && blanks.find(text_[at_]) != std::string_view::npos) ++at_;
  }

  Result<void> skip_past(std::string_view end) {
    auto found = text_.find(end, at_);
    if (found == std::string_view::npos) return error(fmt::format("\"{}\" is missing", end));
    at_ = found + end.size();
    return ok();
  }

  /// What may stand around the root and between elements.
  Result<void> skip_misc() {
    while (true) {
      skip_blanks();
      if (next_is("<!--")) {
        TROUPE_TRY(skip_past("-->"));
      } else if (next_is("<?")) {
        TROUPE_TRY(skip_past("?>"));
      } else if (next_is("<!")) {
        if (text_.substr(at_, text_.find('>', at_) - at_).find('[') != std::string_view::npos)
          return error("declarations in the document are not read");
        TROUPE_TRY(skip_past(">"));
      } else {
        return ok();
      }
    }
  }

  std::string name() {
    auto begin = at_;
    while (at_ < text_.size() && blanks.find(text_[at_]) == std::string_view::npos &&
           std::string_view{"=/><\"'"}.find(text_[at_]) == std::string_view::npos)
      ++at_;
    return std::string{text_.substr(begin, at_ - begin)};
  }

  static std::string unescaped(std::string_view text) {
    constexpr std::pair<std::string_view, char> known[] = {
        {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    std::string plain;
    for (size_t i = 0; i < text.size();) {
      auto at = std::find_if(std::begin(known), std::end(known), [&](const auto& each) {
        return text.substr(i).starts_with(each.first);
      });
      plain += at == std::end(known) ? text[i] : at->second;
      i += at == std::end(known) ? 1 : at->first.size();
    }
    return plain;
  }

  Result<void> attribute(XmlElement& out) {
    auto key = name();
    skip_blanks();
    if (key.empty() || !next_is("=")) return error("an attribute is malformed");
    ++at_;
    skip_blanks();
    if (!next_is("\"") && !next_is("'")) return error(fmt::format("{} has no quoted value", key));
    auto quote = text_[at_++];
    auto end = text_.find(quote, at_);
    if (end == std::string_view::npos) return error(fmt::format("the value of {} has no end", key));
    out.attributes.emplace_back(std::move(key), unescaped(text_.substr(at_, end - at_)));
    at_ = end + 1;
    return ok();
  }

  Result<void> element(XmlElement& out, size_t depth) {
    if (depth > depth_max || ++elements_ > elements_max) return error("it is nested too deep");
    ++at_;  // "<"
    out.name = name();
    if (out.name.empty()) return error("an element has no name");
    while (true) {
      skip_blanks();
      if (next_is("/>")) {
        at_ += 2;
        return ok();
      }
      if (next_is(">")) {
        ++at_;
        return content(out, depth);
      }
      if (at_ >= text_.size()) return error(fmt::format("<{}> has no end", out.name));
      TROUPE_TRY(attribute(out));
    }
  }

  Result<void> content(XmlElement& out, size_t depth) {
    while (true) {
      TROUPE_TRY(skip_misc());
      if (at_ >= text_.size()) return error(fmt::format("</{}> is missing", out.name));
      if (next_is("</")) {
        at_ += 2;
        auto closed = name();
        skip_blanks();
        if (closed != out.name || !next_is(">"))
          return error(fmt::format("<{}> is closed by </{}>", out.name, closed));
        ++at_;
        return ok();
      }
      if (next_is("<")) {
        TROUPE_TRY(element(out.children.emplace_back(), depth + 1));
      } else {
        at_ = std::min(text_.find('<', at_), text_.size());
      }
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t elements_ = 0;
};

}  // namespace

const std::string* XmlElement::find(std::string_view attribute) const {
  for (const auto& [key, value] : attributes)
    if (key == attribute) return &value;
  return nullptr;
}

std::string XmlElement::text(std::string_view attribute) const {
  const auto* found = find(attribute);
  return found == nullptr ? std::string{} : *found;
}

Result<XmlElement> parse_xml(std::string_view text) {
  return Parser{text}.document();
}

}  // namespace troupe::topology
