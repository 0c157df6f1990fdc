// plot: a set as a page of SVG.
#include "client/cli/commands.hpp"
#include "client/cli/set_study.hpp"
#include "client/plot/plot.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace troupe::cli {

namespace {

std::vector<std::string> words_of(const std::vector<std::string>& texts) {
  std::vector<std::string> words;
  for (std::string_view text : texts)
    while (!text.empty()) {
      auto end = std::min(text.find(','), text.size());
      if (end > 0) words.emplace_back(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  return words;
}

Result<std::vector<plot::Kind>> kinds_wanted(const Arguments& arguments) {
  std::vector<plot::Kind> kinds;
  for (const auto& word : words_of(arguments.all("kind"))) {
    auto kind = plot::kind_from(word);
    if (!kind) return std::move(kind).error();
    if (std::find(kinds.begin(), kinds.end(), *kind) == kinds.end()) kinds.push_back(*kind);
  }
  return kinds;
}

Result<std::vector<size_t>> axes_wanted(const Arguments& arguments, const plot::Study& study) {
  std::vector<size_t> axes;
  for (const auto& word : words_of(arguments.all("params"))) {
    auto axis = std::find_if(study.axes.begin(), study.axes.end(),
                             [&](const plot::Axis& one) { return one.name == word; });
    std::vector<std::string> names;
    for (const auto& one : study.axes)
      if (one.varies()) names.push_back(one.name);
    if (axis == study.axes.end() || !axis->varies())
      return Error{Errc::invalid,
                   axis == study.axes.end() ? fmt::format("the set has no parameter {}", word)
                                            : fmt::format("{} has one value in this set", word),
                   "", fmt::format("those that vary: {}", fmt::join(names, ", "))};
    auto place = static_cast<size_t>(axis - study.axes.begin());
    if (std::find(axes.begin(), axes.end(), place) == axes.end()) axes.push_back(place);
  }
  return axes;
}

/// Why there is nothing to plot, in the words of what the members did report.
Result<void> check_reported(const Value& set, const plot::Study& study,
                            const std::vector<std::string>& metrics) {
  if (study.members.empty())
    return Error{Errc::not_found, fmt::format("set {} has no members yet", text_of(set, "id")), "",
                 "see troupe why " + text_of(set, "id")};
  for (const auto& goal : study.goals) {
    auto place = static_cast<size_t>(&goal - study.goals.data());
    if (std::any_of(study.members.begin(), study.members.end(),
                    [&](const plot::Member& member) { return member.has(place); }))
      continue;
    bool known = std::find(metrics.begin(), metrics.end(), goal.name) != metrics.end();
    auto others = fmt::format("{}", fmt::join(metrics, ", "));
    if (known)
      return Error{Errc::not_found, fmt::format("no member has a finite {}", goal.name),
                   "all that was reported is NaN or infinite", "see troupe show"};
    return Error{Errc::not_found, fmt::format("no member has reported {}", goal.name),
                 metrics.empty() ? "no member has reported any metric" : "reported: " + others,
                 metrics.empty() ? "see troupe logs " + text_of(set, "id")
                                 : fmt::format("plot another: --metric min.{}", metrics.front())};
  }
  return ok();
}

Value report_of(const Value& set, const plot::Scene& scene, const std::vector<plot::Kind>& kinds,
                const std::string& file) {
  ValueMap report{{"set", text_of(set, "id")},
                  {"members", static_cast<int64_t>(scene.study.members.size())}};
  ValueList names;
  for (auto kind : kinds) names.emplace_back(plot::to_string(kind));
  report.emplace("kinds", std::move(names));
  if (!file.empty()) report.emplace("file", file);
  if (scene.model.usable()) {
    ValueMap shares;
    for (size_t i = 0; i < scene.study.axes.size(); ++i)
      if (scene.study.axes[i].varies())
        shares.emplace(scene.study.axes[i].name, scene.model.shares()[i].mean);
    report.emplace("importance", std::move(shares));
    report.emplace("importance_together", scene.model.together());
  }
  return report;
}

struct Page {
  std::string svg, kinds;
  Value report;
};

Result<Page> make_page(Session& session, const std::string& file) {
  const auto& arguments = session.arguments();
  auto kinds = kinds_wanted(arguments);
  if (!kinds) return std::move(kinds).error();
  auto id = session.select_one(arguments.arguments[0]);
  if (!id) return std::move(id).error();
  auto head = session.head();
  if (!head) return std::move(head).error();
  auto set = (*head)->show(*id);
  if (!set) return std::move(set).error();
  auto maker = StudyMaker::make(*set, arguments.get("metric"));
  if (!maker) return std::move(maker).error();
  TROUPE_TRY(visit_members(**head, *set, [&](const Value& member) { maker->add(member); }));
  auto metrics = maker->metrics();
  auto study = std::move(*maker).finish();
  TROUPE_TRY(check_reported(*set, study, metrics));
  bool curves =
      kinds->empty() || std::find(kinds->begin(), kinds->end(), plot::Kind::curves) != kinds->end();
  if (curves && (!study.goals.empty() || !metrics.empty()))
    TROUPE_TRY(
        add_curves(**head, study, study.goals.empty() ? metrics.front() : study.goals[0].name));
  auto axes = axes_wanted(arguments, study);
  if (!axes) return std::move(axes).error();
  plot::Scene scene{study, std::move(*axes)};
  if (kinds->empty()) *kinds = plot::kinds_of(scene);
  if (kinds->empty()) return plot::check_kind(scene, plot::Kind::history).error();
  for (auto kind : *kinds) TROUPE_TRY(plot::check_kind(scene, kind));
  std::vector<std::string_view> names;
  for (auto kind : *kinds) names.push_back(plot::to_string(kind));
  return Page{plot::page(scene, *kinds), fmt::format("{}", fmt::join(names, ", ")),
              report_of(*set, scene, *kinds, file)};
}

}  // namespace

int plot_verb(Session& session) {
  auto& out = session.out();
  auto file = session.arguments().get("output");
  if (file == "json" || file == "-") file.clear();
  if (file.empty() && !out.wants_json() && out.out().terminal)
    return session.fail({Errc::invalid, "a plot is SVG, nothing for a terminal", "",
                         fmt::format("troupe plot {0} -o {0}.svg; in the terminal: troupe show {0}",
                                     session.arguments().arguments[0])});
  auto page = make_page(session, file);
  if (!page) return session.fail(page.error());
  if (!file.empty())
    if (auto written = write_output(file, page->svg); !written)
      return session.fail(written.error());
  if (out.wants_json()) {
    out.json(page->report);
  } else if (file.empty()) {
    out.raw(page->svg);
  } else {
    out.line(file);
    if (!out.quiet())
      out.talk(fmt::format("{} of {} members", page->kinds, int_of(page->report, "members")));
  }
  return 0;
}

}  // namespace troupe::cli
