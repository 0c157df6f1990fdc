#include "client/cli/session.hpp"

#include "client/cli/help.hpp"
#include "client/cli/project.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace troupe::cli {

namespace {

bool json_wanted(const Arguments& arguments) {
  return arguments.has("json") || arguments.get("output") == "json";
}

/// Before the words could be parsed: whether an error should be JSON.
bool json_wanted(const std::vector<std::string>& words) {
  for (size_t i = 0; i < words.size() && words[i] != "--"; ++i)
    if (words[i] == "--json" || words[i] == "-ojson" || words[i] == "--output=json" ||
        ((words[i] == "-o" || words[i] == "--output") && i + 1 < words.size() &&
         words[i + 1] == "json"))
      return true;
  return false;
}

OutputOptions output_options(const Arguments& arguments) {
  OutputOptions options;
  options.json = json_wanted(arguments);
  options.quiet = arguments.has("quiet");
  options.no_colour = arguments.has("no-color");
  options.no_input = arguments.has("no-input");
  return options;
}

}  // namespace

Session::Session(Arguments arguments, OutputOptions options)
    : arguments_{std::move(arguments)}, out_{options} {}

client::EndpointOptions Session::endpoint_options() const {
  return {arguments_.get("url"), arguments_.get("token-file"), arguments_.get("context")};
}

Result<client::Client*> Session::head() {
  if (client_ != nullptr) return client_.get();
  auto endpoint = client::find_endpoint(endpoint_options());
  if (!endpoint) return std::move(endpoint).error();
  auto made = client::Client::connect(*endpoint);
  if (!made) return std::move(made).error();
  client_ = std::move(*made);
  return client_.get();
}

Result<std::string> Session::project() {
  if (arguments_.has("project")) return arguments_.get("project");
  return project_here();
}

Result<Selector> Session::select(const std::string& text) {
  std::string resolved = text;
  if (text == "last" || text.starts_with("last.")) {
    auto name = project();
    if (!name) return std::move(name).error();
    auto client = head();
    if (!client) return std::move(client).error();
    auto id = (*client)->last(*name);
    if (!id) return std::move(id).error();
    resolved = to_string(*id) + text.substr(4);
  }
  return parse_selector(resolved);
}

Result<ExperimentId> Session::select_one(const std::string& text) {
  auto selector = select(text);
  if (!selector) return std::move(selector).error();
  if (selector->experiments.size() != 1)
    return Error{Errc::invalid,
                 fmt::format("{} names {} experiments", text, selector->experiments.size()),
                 "this command takes one", "see `troupe help selectors`"};
  return selector->experiments.front();
}

Result<Value> Session::show_one(const std::string& text) {
  auto id = select_one(text);
  if (!id) return std::move(id).error();
  auto head = this->head();
  if (!head) return std::move(head).error();
  return (*head)->show(*id);
}

int Session::fail(const Error& error) {
  out_.error(error);
  return exit_code_of(error.code);
}

std::string text_of(const Value& map, std::string_view key) {
  const auto* value = map.find(key);
  return value == nullptr ? "" : value->to_text();
}

int64_t int_of(const Value& map, std::string_view key) {
  const auto* value = map.find(key);
  return value != nullptr && value->is_int() ? value->as_int() : 0;
}

const ValueList& list_of(const Value& map, std::string_view key) {
  static const ValueList none;
  const auto* value = map.find(key);
  return value != nullptr && value->is_list() ? value->as_list() : none;
}

const ValueMap& map_of(const Value& map, std::string_view key) {
  static const ValueMap none;
  const auto* value = map.find(key);
  return value != nullptr && value->is_map() ? value->as_map() : none;
}

int main_of(const std::vector<std::string>& words) {
  if (words.size() == 1 && (words[0] == "--version" || words[0] == "-V"))
    return main_of({"version"});
  auto arguments = parse_arguments(words);
  if (!arguments) {
    OutputOptions options;
    options.json = json_wanted(words);
    Output{options}.error(arguments.error());
    return 2;
  }
  auto options = output_options(*arguments);
  const auto* verb = arguments->verb;
  if (verb == nullptr || arguments->has("help")) {
    Output out{options};
    out.raw(verb == nullptr ? overview(out) : verb_help(*verb, out));
    return verb == nullptr && !arguments->has("help") && !words.empty() ? 2 : 0;
  }
  const auto* format = find_option(verb, "output");
  auto asked = arguments->get("output");
  if (format != nullptr && format->kind == Kind::format && !asked.empty() && asked != "json" &&
      asked != "table") {
    Output{options}.error({Errc::invalid, fmt::format("unknown format `{}`", asked), "",
                           "-o json, or nothing for a table"});
    return 2;
  }
  Session session{std::move(*arguments), options};
  return verb->run(session);
}

}  // namespace troupe::cli
