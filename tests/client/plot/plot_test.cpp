#include "client/plot/plot.hpp"

#include "client/plot/scale.hpp"
#include "client/plot/svg.hpp"
#include "client/plot/text_plot.hpp"
#include "hpo/random.hpp"
#include "runtime/topology/xml.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace troupe::plot {
namespace {

Axis number(std::string name, double low, double high, bool log = false) {
  Axis axis;
  axis.name = std::move(name);
  axis.low = low;
  axis.high = high;
  axis.log = log;
  return axis;
}

Axis category(std::string name, std::vector<std::string> labels) {
  Axis axis;
  axis.name = std::move(name);
  axis.high = static_cast<double>(labels.size()) - 1;
  axis.labels = std::move(labels);
  return axis;
}

/// accuracy grows with lr's logarithm; the choice is worth a tenth; every eighth member failed.
Study study_of(size_t count) {
  Study study;
  study.title = "Set 42: <digits> & \"co\"";
  study.axes = {number("lr", 1e-5, 1e-1, true), category("op<t", {"sgd", "a&m"}),
                number("seed", 3, 3)};
  study.goals = {{"accuracy", true}};
  for (size_t i = 0; i < count; ++i) {
    hpo::Draws draws{1, i, 0};
    Member member;
    member.number = i + 1;
    member.id = fmt::format("42.{}", i + 1);
    auto lr = draws.uniform(), choice = static_cast<double>(draws.below(2));
    member.params = {std::pow(10, -5 + 4 * lr), choice, 3};
    member.fate = i % 8 == 7 ? Fate::failed : i % 3 == 1 ? Fate::stopped : Fate::finished;
    member.values = {member.fate == Fate::failed ? nothing : lr + 0.1 * choice};
    study.members.push_back(std::move(member));
  }
  return study;
}

size_t count_of(const topology::XmlElement& element, std::string_view name,
                std::string_view style) {
  size_t count = element.name == name && element.text("class") == style;
  for (const auto& child : element.children) count += count_of(child, name, style);
  return count;
}

topology::XmlElement parsed(const std::string& svg) {
  auto root = topology::parse_xml(svg);
  EXPECT_TRUE(root) << (root ? "" : root.error().detail);
  return root ? *root : topology::XmlElement{};
}

std::vector<std::string> labels(const std::vector<Tick>& ticks) {
  std::vector<std::string> labels;
  for (const auto& tick : ticks) labels.push_back(tick.label);
  return labels;
}

using Texts = std::vector<std::string>;

TEST(Scale, HasTicksThatPeopleLike) {
  EXPECT_EQ(labels(Scale(number("x", 0, 1), 0, 500).ticks(5)),
            (Texts{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"}));
  EXPECT_EQ(labels(Scale(number("x", -2500, 31000), 0, 500).ticks(4)),
            (Texts{"0", "10k", "20k", "30k"}));
  EXPECT_EQ(labels(Scale(number("x", 0.1234, 0.1239), 0, 500).ticks(3)),
            (Texts{"0.1234", "0.1236", "0.1238"}));
  EXPECT_EQ(labels(Scale(number("x", 1e-5, 1e-1, true), 0, 500).ticks(6)),
            (Texts{"1e-5", "0.0001", "0.001", "0.01", "0.1"}));
  EXPECT_EQ(labels(Scale(number("x", 1e-12, 1e12, true), 0, 500).ticks(5)),
            (Texts{"1e-10", "1e-5", "1", "100k", "1e10"}));
  EXPECT_EQ(labels(Scale(number("x", 16, 512, true), 0, 500).ticks(8)),
            (Texts{"20", "50", "100", "200", "500"}));
  EXPECT_EQ(labels(Scale(category("x", {"a", "b", "c"}), 0, 90).ticks(8)), (Texts{"a", "b", "c"}));
  EXPECT_EQ(Scale(category("x", Texts(1000, "a")), 0, 90).ticks(8).size(), 8u);
  EXPECT_EQ(labels(Scale(number("x", 3, 3), 0, 90).ticks(8)), (Texts{"3"}));
  EXPECT_EQ(labels(Scale(number("x", 0, 0), 0, 90).ticks(8)), (Texts{"0"}));
  auto whole = number("x", 1, 3);
  whole.whole = true;
  EXPECT_EQ(labels(Scale(whole, 0, 500).ticks(9)), (Texts{"1", "2", "3"}));
}

TEST(Scale, PutsValuesInTheirPlacesAndBack) {
  Scale linear{number("x", 10, 20), 100, 0};
  EXPECT_NEAR(linear(15), 50, 1e-9);
  EXPECT_GT(linear(10), linear(20));
  EXPECT_NEAR(linear.value_at(linear(17)), 17, 1e-9);
  Scale log{number("x", 1e-4, 1, true), 0, 100};
  EXPECT_NEAR(log(1e-2), 50, 1e-9);
  EXPECT_NEAR(log.value_at(log(0.3)), 0.3, 1e-9);
  EXPECT_EQ(log(-1), 0);  // has no logarithm
  EXPECT_NEAR((Scale{number("x", 5, 5), 0, 100}(5)), 50, 1e-9);
  for (double extreme : {1e300, 1e-300, -1e300}) {
    auto ticks = Scale{number("x", extreme, extreme), 0, 100}.ticks(5);
    EXPECT_EQ(ticks.size(), 1u) << extreme;
  }
}

TEST(Svg, HoldsAnyText) {
  Svg svg{100, 50, "a<b>&\"c\"\x01\xff\xc3\xa4"};
  svg.text(1, 2, "</text>\xed\xa0\x80", "t");
  svg.circle(1, 2, 3, "p", "x > y & \x1b[31m");
  svg.path({{1, 2}, {3, 4}, {nothing, 5}, {6, 7}, {8, 9}}, "l");
  auto text = std::move(svg).finish();
  auto root = parsed(text);
  EXPECT_EQ(root.name, "svg");
  EXPECT_EQ(root.text("viewBox"), "0 0 100 50");
  EXPECT_NE(text.find("a&lt;b&gt;&amp;&quot;c&quot;\ufffd\ufffdä"), std::string::npos) << text;
  EXPECT_NE(text.find("&lt;/text&gt;\ufffd\ufffd\ufffd"), std::string::npos);
  EXPECT_NE(text.find("M1.0 2.0L3.0 4.0M6.0 7.0L8.0 9.0"), std::string::npos);
  EXPECT_NE(text.find("prefers-color-scheme:dark"), std::string::npos);
}

TEST(Svg, CutsToAWidth) {
  EXPECT_EQ(cut_px("short", 100), "short");
  auto cut = cut_px("a name that is much too long", 60);
  EXPECT_LE(text_px(cut), 60);
  EXPECT_TRUE(cut.starts_with("a name") && cut.ends_with("…")) << cut;
  auto middle = cut_middle_px("model.encoder.block7.größe", 120);
  EXPECT_LE(text_px(middle), 121);
  EXPECT_TRUE(middle.starts_with("mo") && middle.ends_with(".größe")) << middle;
}

TEST(Study, RanksWhatCounts) {
  auto study = study_of(4);
  study.members[0].values = {0.5};
  study.members[1].values = {0.7};
  study.members[2].values = {0.7};
  study.members[3].values = {0.9};
  study.members[3].fate = Fate::running;
  EXPECT_EQ(study.ranked(), (std::vector<size_t>{1, 2, 0}));
  EXPECT_EQ(study.best(), 1u);
  EXPECT_EQ(study.standing()[0], 0);
  EXPECT_TRUE(std::isnan(study.standing()[3]));
  study.goals[0].maximize = false;
  EXPECT_EQ(study.best(), 0u);
  EXPECT_EQ(study.params_text(study.members[0]).substr(0, 3), "lr=");
}

TEST(Study, FrontsHoldWhatNoneBeatsInBoth) {
  auto study = study_of(0);
  study.goals = {{"loss", false}, {"accuracy", true}};
  auto add = [&](double loss, double accuracy, Fate fate = Fate::finished) {
    Member member;
    member.fate = fate;
    member.values = {loss, accuracy};
    study.members.push_back(member);
  };
  add(3, 0.9);              // 0
  add(1, 0.5);              // 1
  add(1, 0.4);              // beaten by 1
  add(2, 0.5);              // beaten by 1
  add(2, 0.8);              // 4
  add(0, 1, Fate::failed);  // does not count
  add(1, 0.5);              // the same as 1: the first stands for both
  add(0.5, nothing);
  EXPECT_EQ(study.front(0, 1), (std::vector<size_t>{1, 4, 0}));
}

TEST(Study, ThinnedCurvesKeepTheirSpikes) {
  std::vector<std::pair<double, double>> points;
  for (int i = 0; i < 100000; ++i) points.emplace_back(i, i == 51234 ? 99 : i == 777 ? -99 : i % 7);
  auto kept = thinned(points, 200);
  EXPECT_LE(kept.size(), 400u);
  EXPECT_EQ(kept.front(), points.front());
  EXPECT_EQ(kept.back(), points.back());
  EXPECT_EQ(std::count(kept.begin(), kept.end(), std::pair(51234.0, 99.0)), 1);
  EXPECT_EQ(std::count(kept.begin(), kept.end(), std::pair(777.0, -99.0)), 1);
  EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
  points.resize(300);
  EXPECT_EQ(thinned(points, 200), points);
}

TEST(Numbers, AreShort) {
  EXPECT_EQ(number_text(0.00001), "1e-5");
  EXPECT_EQ(number_text(-3.2e-9), "-3.2e-9");
  EXPECT_EQ(number_text(2.5e12), "2.5e12");
  EXPECT_EQ(number_text(12000), "12k");
  EXPECT_EQ(number_text(12345), "1.234e4");
  EXPECT_EQ(number_text(25e6), "25M");
  EXPECT_EQ(number_text(0.98333), "0.9833");
  EXPECT_EQ(number_text(0), "0");
}

TEST(Page, ShowsAllThatASetHas) {
  auto study = study_of(80);
  for (size_t i = 0; i < 5; ++i) study.curves.push_back({i, {{1, 0.1}, {2, 0.2 + 0.1 * i}}});
  study.curves_of = 5;
  study.curve_metric = "accuracy";
  Scene scene{study};
  EXPECT_EQ(study.axes[scene.axes[0]].name, "lr");
  ASSERT_EQ(scene.axes.size(), 2u);  // the seed does not vary
  EXPECT_GT(scene.model.shares()[0].mean, 0.8);
  auto kinds = kinds_of(scene);
  EXPECT_EQ(kinds, (std::vector<Kind>{Kind::history, Kind::importance, Kind::parallel,
                                      Kind::contour, Kind::curves, Kind::slices}));
  auto svg = page(scene, kinds);
  EXPECT_EQ(svg, page(scene, kinds));
  auto root = parsed(svg);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  // Each of 70 members that ended well: in the history as a dot or a ring.
  auto history = parsed(page(scene, {Kind::history}));
  auto finished = std::count_if(study.members.begin(), study.members.end(),
                                [](const Member& one) { return one.fate == Fate::finished; });
  EXPECT_EQ(count_of(history, "circle", "p"), static_cast<size_t>(finished) + 1);  // the legend's
  EXPECT_EQ(count_of(history, "circle", "s"), 70u - static_cast<size_t>(finished) + 1);
  EXPECT_EQ(count_of(history, "path", "x"), 11u);
  EXPECT_NE(svg.find("op&lt;t"), std::string::npos);
  EXPECT_NE(svg.find("42.3: accuracy "), std::string::npos);  // the text of a mark
}

TEST(Page, OfTwoGoalsHasAFront) {
  auto study = study_of(40);
  study.goals.push_back({"seconds", false});
  for (auto& member : study.members) member.values.push_back(member.params[0]);
  Scene scene{study};
  auto front = study.front(0, 1);
  auto root = parsed(page(scene, {Kind::pareto}));
  EXPECT_EQ(count_of(root, "circle", "b"), front.size() + 1);  // the legend's
  EXPECT_EQ(count_of(root, "path", "l"), 1u);
}

TEST(Page, SaysWhatIsMissing) {
  auto why = [](const Study& study, Kind kind) {
    Scene scene{study};
    auto checked = check_kind(scene, kind);
    return checked ? std::string{} : checked.error().detail;
  };
  auto study = study_of(40);
  EXPECT_EQ(why(study, Kind::pareto), "accuracy is its only metric");
  EXPECT_EQ(why(study, Kind::curves), "no member reported a metric more than once");
  Scene one{study, {0}};
  EXPECT_EQ(check_kind(one, Kind::contour).error().hint, "plot the one: --kind slices --params lr");
  auto flat = study;
  for (auto& member : flat.members) member.values = {1};
  EXPECT_EQ(why(flat, Kind::importance), "accuracy is the same for all members");
  EXPECT_EQ(why(flat, Kind::history), "");
  EXPECT_EQ(why(study_of(3), Kind::contour),
            "3 members ended with a value of accuracy; it takes 5");
  EXPECT_EQ(why(study_of(0), Kind::history), "no member has ended with a value of accuracy");
  EXPECT_EQ(why(study_of(1), Kind::slices), "one member alone has ended with a value");
  auto goalless = study;
  goalless.goals.clear();
  for (auto& member : goalless.members) member.values.clear();
  EXPECT_EQ(why(goalless, Kind::history), "the set has no metric");
  EXPECT_FALSE(kind_from("histroy"));
  for (auto kind : all_kinds) EXPECT_EQ(*kind_from(to_string(kind)), kind);
}

TEST(Page, StandsStrangeValues) {
  auto study = study_of(30);
  study.members[0].values = {1e308};
  study.members[1].values = {-1e308};
  study.members[2].params = {nothing, nothing, nothing};  // nothing of it was active
  for (auto& member : study.members)
    if (member.number % 5 == 0) member.params[1] = nothing;
  Scene scene{study};
  for (auto kind : {Kind::history, Kind::parallel, Kind::slices, Kind::importance, Kind::contour}) {
    auto svg = page(scene, {kind});
    parsed(svg);
    EXPECT_EQ(svg.find("=\"nan"), std::string::npos) << to_string(kind);
    EXPECT_EQ(svg.find("inf\""), std::string::npos) << to_string(kind);
    if (kind == Kind::parallel) {
      EXPECT_NE(svg.find(">not active</text>"), std::string::npos);
    }
  }
}

TEST(Page, OfManyMembersStaysSmall) {
  auto study = study_of(20000);
  Scene scene{study};
  auto svg = page(scene, kinds_of(scene));
  EXPECT_LT(svg.size(), 2u << 20);
  EXPECT_NE(svg.find("1000 of 17500 members"), std::string::npos);
}

TEST(TextPlot, DrawsACourse) {
  TextCourse course;
  for (int i = 0; i < 50; ++i) course.points.emplace_back(i, i % 10);
  course.steps = {{0, 0}, {20, 5}, {30, 9}};
  auto lines = text_course(course, 40, 6);
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_TRUE(lines.front().starts_with("9 ┤"));
  EXPECT_TRUE(lines.back().starts_with("0 ┤ ⣈⣀⣀")) << lines.back();
  for (const auto& line : lines) {
    size_t columns = 0;
    for (unsigned char c : line) columns += (c & 0xc0) != 0x80;
    EXPECT_LE(columns, 40u);
  }
  EXPECT_TRUE(text_course(course, 8, 6).empty());  // too narrow
  EXPECT_TRUE(text_course({}, 80, 6).empty());
  EXPECT_EQ(text_course({{{1, 3}}, {{1, 3}}}, 30, 3).size(), 3u);
}

TEST(TextPlot, DrawsBarsThatFit) {
  auto lines = text_bars({{"lr", 0.5}, {"a.name.that.is.long", 0.25}, {"c", 0.001}}, 36);
  ASSERT_EQ(lines.size(), 3u);
  for (const auto& line : lines) {
    size_t columns = 0;
    for (unsigned char c : line) columns += (c & 0xc0) != 0x80;
    EXPECT_LE(columns, 36u) << line;
  }
  EXPECT_TRUE(lines[0].ends_with(" 50 %"));
  EXPECT_TRUE(lines[2].ends_with(" 0.1 %"));
  auto blocks = [&](size_t line) {
    return std::count(lines[line].begin(), lines[line].end(), '\x88');
  };
  EXPECT_EQ(blocks(0) / 2, blocks(1));  // whole ones
  EXPECT_TRUE(text_bars({{"lr", 1}}, 10).empty());
}

}  // namespace
}  // namespace troupe::plot
