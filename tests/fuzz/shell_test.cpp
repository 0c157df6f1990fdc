// Placeholders in shell lines, judged by the shell itself: whatever line is accepted, a value stays
// inside its word.
#include "mutator.hpp"
#include "runtime/core/fd.hpp"
#include "runtime/core/placeholder.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::fuzz {
namespace {

class FuzzShell : public ::testing::Test {
 protected:
  FuzzShell() {
    char name[] = "/tmp/troupe-fuzz-XXXXXX";
    folder_ = ::mkdtemp(name);
    null_ = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  }
  ~FuzzShell() override {
    ::close(null_);
    (void)remove_tree(folder_);
  }

  /// Runs the line in an empty folder without any program in reach. Whether `pwned` is there then.
  bool escapes(const std::string& line) {
    auto pid = ::fork();
    if (pid == 0) {
      ::signal(SIGALRM, SIG_DFL);
      ::alarm(5);
      if (::chdir(folder_.c_str()) != 0) ::_exit(1);
      for (int fd = 0; fd < 3; ++fd) ::dup2(null_, fd);
      const char* argv[] = {"sh", "-c", line.c_str(), nullptr};
      const char* env[] = {"PATH=/nowhere", nullptr};
      ::execve("/bin/sh", const_cast<char**>(argv), const_cast<char**>(env));
      ::_exit(1);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    auto marker = folder_ + "/pwned";
    bool made = ::access(marker.c_str(), F_OK) == 0;
    if (made) ::unlink(marker.c_str());
    return made;
  }

  std::string folder_;
  int null_ = -1;
};

TEST_F(FuzzShell, AValueStaysInItsWord) {
  // Nothing in the lines themselves can make a file of that name.
  Corpus corpus{
      {"echo {{p}}", "echo '{{p}}' \"{{p}}\" a{{p}}b", "x=$(echo {{p}}); echo \"$x\" # {{p}}",
       "( echo {{p}} ) && echo \"a $(echo '{{p}}') b\" | true", "case a in {{p}}) echo 1;; esac",
       "echo $(case a in a) echo {{p}};; esac) {{p}}", "A={{p}} true; echo ${A} \\{{p}}",
       "true <<X\n{{p}}\nX\n", "echo `echo {{p}}` $((1+{{p}})) ${A:-{{p}}} ${A} $'{{p}}'",
       "if true; then echo {{p}}; fi", "f() { echo {{p}}; }; f", "echo \"$(echo \"{{p}}\")\"",
       "echo a#{{p}} ;# it's {{p}}\necho {{p}}"},
      {"{{p}}",      "'",     "\"",      "\\", "$",   "$(",    ")",         "(",      "`",
       "${A}",       "${A:-", "}",       "#",  " # ", "\n",    "<<X",       "<<-'X'", "X\n",
       "case a in ", "a)",    ";; esac", ";",  "&",   "|",     "$((",       "))",     "$'",
       "\\\n",       "$$",    "$#",      "\t", "{",   "echo ", "for i in ", "do ",    "done ",
       "=",          "[",     "]",       "*",  "~",   "!"},
      400};
  const std::vector<Value> values{
      Value{"$(:>pwned)"},          Value{"';:>pwned;'"},  Value{"\";:>pwned;\""},
      Value{"\n:>pwned\n"},         Value{"`:>pwned`"},    Value{";:>pwned;#"},
      Value{"\nX\n:>pwned\n"},      Value{"\\'\n:>pwned"}, Value{")\n:>pwned\n"},
      Value{"\\\";:>pwned;\"'\"'"}, Value{"1 ));:>pwned"}, Value{"}\n:>pwned\n"},
      Value{";; esac\n:>pwned\n"}};
  uint64_t ran = 0;
  for_mutations(corpus, 3'000, [&](const std::string& line, Mutator& mutator) {
    if (line.find('\0') != std::string::npos) return;
    // A redirection that names the marker itself would be the line's own doing.
    if (line.find_first_of("<>") != std::string::npos && line.find("<<") == std::string::npos)
      return;
    Command command{line, {}};
    for (int i = 0; i < 4; ++i) {
      auto filled = fill_placeholders(command, {{"p", mutator.one_of(values)}});
      if (!filled) return expect_good_error(filled.error());
      if (filled->shell == line) return;  // no placeholder left
      ++ran;
      EXPECT_FALSE(escapes(filled->shell)) << filled->shell;
    }
  });
  EXPECT_GT(ran, 0u);
}

}  // namespace
}  // namespace troupe::fuzz
