#include "runtime/topology/xml.hpp"

#include <gtest/gtest.h>

namespace troupe::topology {
namespace {

TEST(Xml, ElementsAttributesAndCommentsAreRead) {
  auto root = parse_xml(
      "\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n"
      "<!-- <not> this -->\n<a x = '1' y=\"&lt;&amp;2&gt;\">text<b/><!-- x --><c d=\"\"></c "
      "></a>\n");
  ASSERT_TRUE(root) << to_string(root.error());
  EXPECT_EQ(root->name, "a");
  EXPECT_EQ(root->text("x"), "1");
  EXPECT_EQ(root->text("y"), "<&2>");
  EXPECT_EQ(root->text("z"), "");
  EXPECT_EQ(root->find("z"), nullptr);
  ASSERT_EQ(root->children.size(), 2u);
  EXPECT_EQ(root->children[1].name, "c");
}

TEST(Xml, BrokenTextIsRefusedWithItsLine) {
  for (const char* text :
       {"", "x", "<", "<a", "<a>", "<a></b>", "<a b></a>", "<a b=c/>", "<a b='/>", "<a/><b/>",
        "<!-- <a/>", "<?xml <a/>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", "<></>"})
    EXPECT_FALSE(parse_xml(text)) << text;
  auto broken = parse_xml("<a>\n  <b>\n</a>\n");
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().detail.find("line 3"), std::string::npos) << broken.error().detail;
}

TEST(Xml, DepthHasALimit) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  EXPECT_FALSE(parse_xml(deep));
}

/// Whatever is left out of a good document, it is read or refused.
TEST(Xml, EveryBeginningOfADocumentIsRefused) {
  std::string good = "<system version=\"1\"><cpu numaid=\"0\"><pci busid='1'/></cpu></system>";
  ASSERT_TRUE(parse_xml(good));
  for (size_t length = 0; length < good.size(); ++length)
    EXPECT_FALSE(parse_xml(good.substr(0, length))) << length;
}

}  // namespace
}  // namespace troupe::topology
