#include "runtime/core/shell_context.hpp"

#include <string>

namespace troupe {

namespace {

class Scanner {
 public:
  explicit Scanner(std::string_view line) : line_{line} {}

  /// Reads on until `offset`; says what stands there.
  ShellContext context_at(size_t offset) {
    while (at_ < offset) step();
    // A backslash, "$" or multi-byte token may reach over the offset.
    if (at_ != offset || lost_) return ShellContext::unsafe;
    switch (top()) {
      case Frame::single:
        return ShellContext::single_quoted;
      case Frame::comment:
        return ShellContext::comment;
      // "$" followed by a value could become an expansion of it.
      case Frame::twice:
        return after_dollar_ ? ShellContext::unsafe : ShellContext::double_quoted;
      case Frame::plain:
      case Frame::command:
      case Frame::paren:
        return after_dollar_ ? ShellContext::unsafe : ShellContext::word;
    }
    return ShellContext::unsafe;
  }

 private:
  enum class Frame : uint8_t {
    plain,    // the line itself
    single,   // '...'
    twice,    // "..."
    comment,  // # ...
    command,  // $( ... )
    paren,    // ( ... )
  };

  Frame top() const { return frames_.empty() ? Frame::plain : frames_.back(); }
  char peek(size_t ahead) const { return at_ + ahead < line_.size() ? line_[at_ + ahead] : '\0'; }

  /// From here on nothing is certain.
  void lose() { lost_ = true; }

  void step() {
    const char c = line_[at_];
    const bool dollar = after_dollar_;
    after_dollar_ = false;
    switch (top()) {
      case Frame::single:
        if (c == '\'') frames_.pop_back();
        ++at_;
        break;
      case Frame::comment:
        if (c == '\n') {
          frames_.pop_back();
          word_.clear();
        }
        ++at_;
        break;
      case Frame::twice:
        step_twice(c, dollar);
        break;
      default:
        step_plain(c, dollar);
        break;
    }
  }

  /// What means the same inside and outside double quotes. True if it was that.
  bool step_common(char c, bool dollar) {
    if (c == '\\') {
      // The shell joins lines before it looks at what follows "$".
      if (dollar && peek(1) == '\n') lose();
      at_ += 2;
      return true;
    }
    if (c == '`') {
      lose();
      ++at_;
      return true;
    }
    if (c != '$') return false;
    if (peek(1) == '(' && peek(2) == '(') {
      lose();
    } else if (peek(1) == '(') {
      frames_.push_back(Frame::command);
      word_.clear();
      at_ += 2;
      return true;
    } else if (peek(1) == '{' && peek(2) != '{') {
      at_ = skip_expansion();
      return true;
    } else if (peek(1) == '$') {  // the shell's own process id
      at_ += 2;
      return true;
    }
    after_dollar_ = true;
    ++at_;
    return true;
  }

  /// ${NAME} is passed over; anything longer may hold quotes of its own.
  size_t skip_expansion() {
    auto end = at_ + 2;
    while (end < line_.size() && line_[end] != '}') {
      char c = line_[end];
      bool simple = c == '_' || c == '#' || c == '?' || c == '@' || (c >= '0' && c <= '9') ||
                    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (!simple) {
        lose();
        return end;
      }
      ++end;
    }
    return end + 1;
  }

  void step_twice(char c, bool dollar) {
    if (step_common(c, dollar)) return;
    if (c == '"') {
      frames_.pop_back();
      word_ += '"';
    }
    ++at_;
  }

  void step_plain(char c, bool dollar) {
    const bool word_begins = word_.empty();
    if (c == '\\' || c == '$' || c == '`') word_ += c;
    if (step_common(c, dollar)) return;
    switch (c) {
      case '\'':
        if (dollar) lose();  // $'...': shells differ in what a backslash means there
        frames_.push_back(Frame::single);
        word_ += c;
        break;
      case '"':
        frames_.push_back(Frame::twice);
        word_ += c;
        break;
      case '(':
        frames_.push_back(Frame::paren);
        word_.clear();
        break;
      case ')': {
        // After "$(...)" a word goes on, so "#" is no comment there; after "(...)" it is.
        bool goes_on = top() == Frame::command;
        if (!frames_.empty()) frames_.pop_back();
        word_.assign(goes_on ? 1 : 0, ')');
        break;
      }
      case '<':
        if (peek(1) == '<') lose();  // a here-document has rules of its own
        word_.clear();
        break;
      case '#':
        if (word_begins)
          frames_.push_back(Frame::comment);
        else
          word_ += c;
        break;
      case ' ':
      case '\t':
      case '\n':
      case ';':
      case '&':
      case '|':
      case '>':
        end_word();
        break;
      default:
        word_ += c;
        break;
    }
    ++at_;
  }

  void end_word() {
    // The ")" of a case pattern would end "$(" too early.
    if (word_ == "case" && !frames_.empty()) lose();
    word_.clear();
  }

  std::string_view line_;
  size_t at_ = 0;
  std::vector<Frame> frames_;
  std::string word_;  // read so far
  bool after_dollar_ = false;
  bool lost_ = false;
};

}  // namespace

std::vector<ShellContext> shell_contexts(std::string_view line,
                                         const std::vector<size_t>& offsets) {
  Scanner scanner{line};
  std::vector<ShellContext> contexts;
  contexts.reserve(offsets.size());
  for (auto offset : offsets) contexts.push_back(scanner.context_at(offset));
  return contexts;
}

}  // namespace troupe
