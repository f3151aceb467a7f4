#include "runtime/api/openapi.hpp"

#include "runtime/api/parameters.hpp"
#include "runtime/api/record_schema.hpp"
#include "runtime/api/records.hpp"
#include "runtime/api/route.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace tayfa::api {

namespace json = boost::json;

namespace {

/// Calls `see` with each word of a list.
void each_word(std::string_view list, std::string_view separator, auto see) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(separator), list.size());
    see(list.substr(0, end));
    list.remove_prefix(std::min(end + separator.size(), list.size()));
  }
}

std::string_view scope_name(scope needed) {
  switch (needed) {
  case scope::open: return "open";
  case scope::client: return "client";
  case scope::worker: return "worker";
  case scope::operator_: return "operator";
  }
  return {};
}

json::object described(const parameter& each) {
  json::object schema = each.is_number        ? number_schema(each.lowest, each.highest)
                        : each.schema.empty() ? json::object{{"type", "string"}}
                                              : component_schema(each.schema);
  if (!each.pattern.empty()) {
    schema["pattern"] = each.pattern;
  }
  if (each.longest != 0) {
    schema["maxLength"] = each.longest;
  }
  if (each.otherwise != 0) {
    schema["default"] = each.otherwise;
  }
  json::object out{{"name", each.name()}, {"in", each.place}, {"required", each.place == "path"}};
  if (!each.text.empty()) {
    out["description"] = each.text;
  }
  out["schema"] = std::move(schema);
  return out;
}

class document {
 public:
  explicit document(json::object prose)
      : prose_(std::move(prose)), out_(prose_.at("document").as_object()),
        schemas_(out_.at("components").at("schemas").as_object()) {}

  json::object made() {
    schemas_.sent<job_request>("Submission");
    schemas_.shown(error_fields);
    json::object paths;
    for (const auto& row : routes()) {
      paths["/" + std::string{row.path}] = path_of(row);
    }
    out_["paths"] = std::move(paths);
    auto& components = out_["components"].as_object();
    components["schemas"] = std::move(schemas_).done();
    return std::move(out_);
  }

 private:
  json::object path_of(const route_spec& row) {
    json::object out;
    json::array placed;
    each_word(row.path, "/", [&](std::string_view part) {
      if (part.starts_with('{')) {
        placed.push_back(described(parameter_of(row.notes.id, part.substr(1, part.size() - 2))));
      }
    });
    if (!placed.empty()) {
      out["parameters"] = std::move(placed);
    }
    if (!row.prefixed) {
      out["servers"] = json::array{json::object{{"url", "/"}}};
    }
    each_word(row.methods, ", ", [&](std::string_view method) {
      const bool post = method == "POST";
      out[post ? "post" : "get"] = operation(row, post);
    });
    return out;
  }

  json::object operation(const route_spec& row, bool post) {
    const auto& notes = row.notes;
    const bool both = row.methods.find(',') != std::string_view::npos;
    json::object out{{"operationId", both ? (post ? "post" : "get") + component_of(notes.id)
                                          : std::string{notes.id}}};
    if (!notes.summary.empty()) {
      out["summary"] = notes.summary;
    } else {
      for (const auto& [name, words] : prose_.at(notes.id).at(post ? "post" : "get").as_object()) {
        out[name] = words;
      }
    }
    out["tags"] = json::array{scope_name(row.needs)};
    out["x-scope"] = scope_name(row.needs);
    if (row.needs == scope::open) {
      out["security"] = json::array{};
    }
    json::array asked;
    const auto add = [&](std::string_view name) {
      asked.push_back(described(parameter_of(notes.id, name)));
    };
    each_word(row.query == "*" ? std::string_view{} : row.query, " ", add);
    each_word(notes.parameters, " ", add);
    if (!asked.empty()) {
      out["parameters"] = std::move(asked);
    }
    if (post && row.body != body_rule::none) {
      out["requestBody"] = body_of(row.body);
    }
    out["responses"] = responses(row);
    return out;
  }

  json::object body_of(body_rule rule) {
    const auto prose = [&]() -> std::string_view {
      switch (rule) {
      case body_rule::run:
      case body_rule::runsync: return "run";
      case body_rule::result: return "result";
      case body_rule::chunk: return "chunk";
      case body_rule::openai: return "openai";
      case body_rule::ignored:
      case body_rule::none: break;
      }
      return "ignored";
    };
    json::object out = prose_.at("bodies").at(prose()).as_object();
    out["x-max-bytes"] = body_bytes(rule, limits{});
    return out;
  }

  json::object responses(const route_spec& row) {
    const auto shared = [](std::string_view name) {
      return json::object{{"$ref", "#/components/responses/" + std::string{name}}};
    };
    if (row.body == body_rule::openai) {
      return {{"200", shared("openai")},
              {"4XX", shared("openaiError")},
              {"5XX", shared("openaiError")}};
    }
    json::object done{{"description", row.notes.answer}};
    done["content"] =
        json::object{{row.notes.content, json::object{{"schema", row.notes.schema(schemas_)}}}};
    if (row.body == body_rule::run || row.body == body_rule::runsync) {
      json::object links;
      for (const auto& [name, link] : out_.at("components").at("links").as_object()) {
        links[name] = json::object{{"$ref", "#/components/links/" + std::string{name}}};
      }
      done["links"] = std::move(links);
    }
    json::object out{{"200", std::move(done)}};
    if (!row.notes.nothing.empty()) {
      out["204"] = json::object{{"description", row.notes.nothing}};
    }
    out["4XX"] = shared("refused");
    out["5XX"] = shared("unable");
    return out;
  }

  json::object prose_;
  json::object out_;
  schema_collection schemas_;
};

} // namespace

std::string_view openapi_text() {
  static const std::string text = [] {
    const auto prose = openapi_prose();
    document all{json::parse(json::string_view{prose.data(), prose.size()}).as_object()};
    return json::serialize(all.made());
  }();
  return text;
}

} // namespace tayfa::api
