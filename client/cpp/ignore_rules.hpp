// Which paths of a tree are left out: the rules of .gitignore files, as Git reads them. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace troupe::client {

/// Whether a pattern in Git's form matches a whole text: '*' and '?' stop at '/', "**" between
/// slashes does not, [a-z], [!a], [[:alpha:]] and backslashes as usual.
bool wild_match(std::string_view pattern, std::string_view text);

/// The rules of all ignore files between the root and where a walk stands. A walk adds those of a
/// folder before it looks at what is in it, and takes them back when it leaves it.
class IgnoreRules {
 public:
  /// The text of an ignore file that lies in `folder` ("" is the root). Later files win over
  /// earlier ones.
  void add(std::string_view text, std::string_view folder);

  /// What add was called for so far; give it to cut_to to forget what came later.
  size_t mark() const { return rules_.size(); }
  void cut_to(size_t mark) { rules_.resize(mark); }

  /// Whether the path (relative to the root) is ignored by the last rule that matches it. That a
  /// folder above it is ignored is for the walk to know: nothing below such a one comes back.
  bool ignores(std::string_view path, bool is_folder) const;

 private:
  struct Rule {
    std::string pattern;
    std::string folder;  // of the file, with a slash at the end; empty: the root
    bool negated = false;
    bool folders_only = false;
    bool anchored = false;  // matched against the path below `folder`, else against the last part
  };

  void add_line(std::string_view line, const std::string& folder);
  static bool matches(const Rule& rule, std::string_view path);

  std::vector<Rule> rules_;
};

}  // namespace troupe::client
