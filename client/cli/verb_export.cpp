// export: a set as a table for other programs.
#include "client/cli/commands.hpp"
#include "client/cli/set_export.hpp"
#include "client/cli/set_study.hpp"

#include <fmt/format.h>

namespace troupe::cli {

int export_verb(Session& session) {
  const auto& arguments = session.arguments();
  auto& out = session.out();
  auto file = arguments.get("output");
  auto format = file.substr(std::min(file.size(), file.find_last_of("./") + 1));
  if (file == "json" || file == "csv") file.clear();
  if (file.empty() && format.empty()) format = out.wants_json() ? "json" : "csv";
  if (format != "csv" && format != "json")
    return session.fail({Errc::invalid, fmt::format("{} is neither CSV nor JSON by its name", file),
                         "", "end its name with .csv or .json"});
  auto set = session.show_one(arguments.arguments[0]);
  if (!set) return session.fail(set.error());
  auto id = text_of(*set, "id");
  if (text_of(*set, "kind") != "set")
    return session.fail({Errc::invalid, fmt::format("{} is no set", id),
                         "only a set has a table of members",
                         fmt::format("troupe show {} -o json", id)});
  auto head = session.head();
  if (!head) return session.fail(head.error());
  SetTable table{*set};
  auto read = visit_members(**head, *set, [&](const Value& member) { table.add(member); });
  if (!read) return session.fail(read.error());
  auto text = format == "csv" ? table.csv() : table.json();
  if (file.empty()) {
    out.raw(text);
    return 0;
  }
  if (auto written = write_output(file, text); !written) return session.fail(written.error());
  if (out.wants_json()) {
    out.json(ValueMap{{"file", file}, {"members", static_cast<int64_t>(table.rows())}});
    return 0;
  }
  out.line(file);
  if (!out.quiet()) out.talk(fmt::format("{} members", table.rows()));
  return 0;
}

}  // namespace troupe::cli
