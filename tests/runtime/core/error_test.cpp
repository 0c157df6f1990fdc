#include "runtime/core/error.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

namespace troupe {
namespace {

constexpr uint8_t codes = 12;

TEST(Error, CodesKeepTheirNumbers) {
  // They travel and are stored: a new one goes to the end.
  EXPECT_EQ(static_cast<int>(Errc::invalid), 1);
  EXPECT_EQ(static_cast<int>(Errc::not_found), 2);
  EXPECT_EQ(static_cast<int>(Errc::unauthenticated), 3);
  EXPECT_EQ(static_cast<int>(Errc::refused), 4);
  EXPECT_EQ(static_cast<int>(Errc::exhausted), 5);
  EXPECT_EQ(static_cast<int>(Errc::conflict), 6);
  EXPECT_EQ(static_cast<int>(Errc::unavailable), 7);
  EXPECT_EQ(static_cast<int>(Errc::timed_out), 8);
  EXPECT_EQ(static_cast<int>(Errc::io), 9);
  EXPECT_EQ(static_cast<int>(Errc::corrupt), 10);
  EXPECT_EQ(static_cast<int>(Errc::failed), 11);
  EXPECT_EQ(static_cast<int>(Errc::bug), codes);
}

TEST(Error, NamesReadBackAndAreAllDifferent) {
  std::set<std::string_view> names;
  for (uint8_t n = 1; n <= codes; ++n) {
    auto code = static_cast<Errc>(n);
    EXPECT_EQ(errc_from_string(to_string(code)), code);
    names.insert(to_string(code));
  }
  EXPECT_EQ(names.size(), codes);
}

TEST(Error, UnknownCodesAreBugs) {
  EXPECT_EQ(to_string(static_cast<Errc>(0)), "bug");
  EXPECT_EQ(to_string(static_cast<Errc>(200)), "bug");
  EXPECT_EQ(errc_from_string("Invalid"), Errc::bug);
  EXPECT_EQ(errc_from_string(""), Errc::bug);
}

TEST(Error, TextLeavesOutWhatIsEmpty) {
  EXPECT_EQ(to_string(Error{Errc::io, "a", "b", "c"}), "a: b (c)");
  EXPECT_EQ(to_string(Error{Errc::io, "a", "", "c"}), "a (c)");
  EXPECT_EQ(to_string(Error{Errc::io, "a", "", ""}), "a");
}

TEST(Error, ErrnoBecomesTheCodeThatSaysWhatToDo) {
  EXPECT_EQ(errno_error(ENOSPC, "x").code, Errc::exhausted);
  EXPECT_EQ(errno_error(EDQUOT, "x").code, Errc::exhausted);
  EXPECT_EQ(errno_error(EMFILE, "x").code, Errc::exhausted);
  EXPECT_EQ(errno_error(ENOENT, "x").code, Errc::not_found);
  auto error = errno_error(EACCES, "x", "y");
  EXPECT_EQ(error, (Error{Errc::io, "x", "Permission denied", "y"}));
}

}  // namespace
}  // namespace troupe
