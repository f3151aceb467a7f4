// The OpenAPI document is made of the tables; here it is compared with what the parsers do, and
// with its copy in docs. TAYFA_UPDATE_DOCS=1 writes the copy anew.
#include "runtime/api/openapi.hpp"

#include "runtime/api/openai.hpp"
#include "runtime/api/policy.hpp"
#include "runtime/api/route.hpp"
#include "tests/support/places.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace tayfa::api {
namespace {

namespace json = boost::json;
using names = std::set<std::string>;

const json::object& document() {
  static const json::value parsed =
      json::parse(json::string_view{openapi_text().data(), openapi_text().size()});
  return parsed.as_object();
}
std::string text_of(const json::value& value) {
  return std::string{value.as_string()};
}
/// "#/components/schemas/Job", and everything that is no reference as it is.
const json::value& resolved(const json::value& value) {
  const auto* const object = value.if_object();
  const auto* const ref = object == nullptr ? nullptr : object->if_contains("$ref");
  if (ref == nullptr) {
    return value;
  }
  const json::object* at = &document();
  std::istringstream path{text_of(*ref).substr(2)};
  const json::value* found = nullptr;
  for (std::string part; std::getline(path, part, '/');) {
    found = &at->at(part);
    at = found->is_object() ? &found->as_object() : at;
  }
  return *found;
}
/// The document as people read it: what fits into a line stands in one.
std::string printed(const json::value& value, std::size_t indent, std::size_t before) {
  const std::string line = json::serialize(value);
  const auto* const object = value.if_object();
  const auto* const array = value.if_array();
  if (line.size() + indent + before <= 120 || (object == nullptr && array == nullptr)) {
    return line;
  }
  std::string out{object != nullptr ? "{" : "["};
  const auto add = [&out, indent](const std::string& key, const json::value& each) {
    out += (out.size() > 1 ? ",\n" : "\n") + std::string(indent + 2, ' ') + key +
           printed(each, indent + 2, key.size() + 1);
  };
  for (const auto& [key, each] : object == nullptr ? json::object{} : *object) {
    add(json::serialize(json::value(key)) + ": ", each);
  }
  for (const auto& each : array == nullptr ? json::array{} : *array) {
    add("", each);
  }
  return out + '\n' + std::string(indent, ' ') + (object != nullptr ? '}' : ']');
}

/// The parameters of an operation, its path's with it, that stand in `place`.
std::map<std::string, json::object> parameters(const json::object& item, const json::object& op,
                                               std::string_view place) {
  std::map<std::string, json::object> out;
  for (const auto* const owner : {&item, &op}) {
    const auto* const list = owner->if_contains("parameters");
    for (const auto& each : list == nullptr ? json::array{} : list->as_array()) {
      const auto& parameter = resolved(each).as_object();
      if (text_of(parameter.at("in")) == place) {
        out.emplace(text_of(parameter.at("name")), resolved(parameter.at("schema")).as_object());
      }
    }
  }
  return out;
}
names split(std::string_view list, std::string_view separator) {
  names out;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(separator), list.size());
    out.emplace(list.substr(0, end));
    list.remove_prefix(std::min(end + separator.size(), list.size()));
  }
  return out;
}
/// Calls `see` with each row, its path item, and the item's operation under each method.
template <class See>
void each_operation(See see) {
  for (const auto& row : routes()) {
    const auto& item = document().at("paths").at("/" + std::string{row.path}).as_object();
    for (auto method : split(row.methods, ", ")) {
      std::transform(method.begin(), method.end(), method.begin(),
                     [](char c) { return static_cast<char>(c + ('a' - 'A')); });
      ASSERT_TRUE(item.contains(method)) << method << ' ' << row.path;
      see(row, item, method, item.at(method).as_object());
    }
  }
}

TEST(openapi, its_copy_in_docs_is_up_to_date) {
  const std::string copy = test::in_source("/docs/openapi.json");
  const std::string text = printed(json::value(document()), 0, 0) + '\n';
  if (std::getenv("TAYFA_UPDATE_DOCS") != nullptr) {
    std::ofstream{copy} << text;
  }
  std::stringstream found;
  found << std::ifstream{copy}.rdbuf();
  EXPECT_TRUE(found.str() == text) << "run: TAYFA_UPDATE_DOCS=1 build/tests/test_api";
}

TEST(openapi, every_operation_has_a_name_of_its_own_and_a_summary) {
  std::size_t operations = 0;
  names ids;
  each_operation([&](const auto& row, const auto&, const auto& method, const json::object& op) {
    ++operations;
    ids.insert(text_of(op.at("operationId")));
    EXPECT_FALSE(text_of(op.at("summary")).empty()) << method << ' ' << row.path;
    EXPECT_FALSE(op.at("responses").as_object().empty());
  });
  EXPECT_EQ(ids.size(), operations);
  EXPECT_GT(operations, routes().size());
}

TEST(openapi, bodies_are_as_large_as_they_may_be) {
  const limits bounds;
  each_operation([&bounds](const route_spec& row, const json::object&, const std::string& method,
                           const json::object& op) {
    if (!op.contains("requestBody")) {
      return;
    }
    std::string target = "/" + std::string{row.path};
    for (const std::string part :
         {"{id}", "{worker}", "{job}", "{slot}", "{count}", "{openai}", "{pod}"}) {
      if (const auto at = target.find(part); at != std::string::npos) {
        target.replace(at, part.size(), "1");
      }
    }
    const auto head = read_head(method == "post" ? "POST" : "GET", target, bounds);
    ASSERT_TRUE(head) << target;
    EXPECT_EQ(op.at("requestBody").at("x-max-bytes").to_number<std::size_t>(), head->body_bytes)
        << target;
  });
}

TEST(openapi, all_references_lead_somewhere) {
  std::vector<const json::value*> open;
  for (const auto& [key, value] : document()) {
    open.push_back(&value);
  }
  std::size_t references = 0;
  while (!open.empty()) {
    const json::value& value = *open.back();
    open.pop_back();
    if (const auto* const object = value.if_object()) {
      if (object->contains("$ref")) {
        EXPECT_NO_THROW(resolved(value)) << json::serialize(value);
        ++references;
      }
      for (const auto& [key, member] : *object) {
        open.push_back(&member);
      }
    } else if (const auto* const array = value.if_array()) {
      for (const auto& member : *array) {
        open.push_back(&member);
      }
    }
  }
  EXPECT_GT(references, 100U);
}

/// Checks that the wire accepts a whole number exactly within its documented bounds.
void expect_bounds(const json::object& said, const std::function<bool(std::int64_t)>& taken) {
  const auto lowest = said.at("minimum").to_number<std::int64_t>();
  const auto highest = said.at("maximum").to_number<std::int64_t>();
  EXPECT_TRUE(taken(lowest) && taken(highest));
  EXPECT_FALSE(taken(lowest - 1));
  EXPECT_FALSE(taken(highest + 1));
}

TEST(openapi, numbers_have_the_bounds_that_they_have) {
  const auto query = [](const std::string& path, const std::string& method,
                        const std::string& name) {
    const auto& item = document().at("paths").at(path).as_object();
    return parameters(item, item.at(method).as_object(), "query").at(name);
  };
  const auto head_taken = [](const std::string& method, const std::string& target) {
    return [method, target](std::int64_t number) {
      return read_head(method, target + std::to_string(number), limits{}).has_value();
    };
  };
  const auto wait = query("/runsync", "post", "wait");
  expect_bounds(wait, head_taken("POST", "/runsync?wait="));
  EXPECT_EQ(wait.at("default").to_number<std::int64_t>(), limits{}.runsync_wait.count());
  for (const std::string held : {"status-sync", "stream"}) {
    expect_bounds(query("/" + held + "/{id}", "post", "wait"),
                  head_taken("POST", "/" + held + "/a?wait="));
  }
  EXPECT_EQ(query("/status-sync/{id}", "get", "wait").at("default"), wait.at("default"));
  for (const std::string kept : {"status", "status-sync"}) {
    expect_bounds(query("/" + kept + "/{id}", "get", "ttl"),
                  head_taken("GET", "/" + kept + "/a?ttl="));
  }
  for (const std::string list : {"jobs", "dead", "requests"}) {
    const auto limit = query("/" + list, "get", "limit");
    expect_bounds(limit, head_taken("GET", "/" + list + "?limit="));
    EXPECT_EQ(limit.at("default").to_number<std::size_t>(), job_filter{}.limit);
  }
  expect_bounds(query("/job-take-batch/{worker}", "get", "batch_size"),
                head_taken("GET", "/job-take-batch/w?batch_size="));
  const auto& drain = document().at("paths").at("/slots/{slot}/drain").as_object();
  expect_bounds(parameters(drain, drain, "path").at("slot"), [&](std::int64_t number) {
    return read_head("POST", "/slots/" + std::to_string(number) + "/drain", limits{}).has_value();
  });
  const auto& resize = document().at("paths").at("/slots/count/{count}").as_object();
  expect_bounds(parameters(resize, resize, "path").at("count"),
                [&](std::int64_t number) { return head_taken("POST", "/slots/count/")(number); });
  const auto& policy = document().at("components").at("schemas").at("Policy").at("properties");
  for (const auto& [name, member] : policy.as_object()) {
    if (member.as_object().contains("maximum")) {
      const std::string key{name};
      expect_bounds(member.as_object(), [&key](std::int64_t number) {
        return policy_of("{\"" + key + "\":" + std::to_string(number) + "}").has_value();
      });
    }
  }
}

TEST(openapi, the_rest_of_openais_paths_has_its_form) {
  const auto& item = document().at("paths").at("/openai/v1/{openai}").as_object();
  const auto rest = parameters(item, item, "path").at("openai");
  EXPECT_EQ(rest.at("maxLength").to_number<std::size_t>(), openai_path_bytes);
  const std::regex form{text_of(rest.at("pattern"))};
  for (const std::string path :
       {"models", "chat/completions", "models/ft:gpt-4@x+y~z_1.0", "a/b/c/d/e/f/g/h", "", "/", "a/",
        "a/b/c/d/e/f/g/h/i", "a//b", ".", "..", "a/..", "a/.b", "a b", "a*b", "a?b", "\xC3\xA9"}) {
    EXPECT_EQ(std::regex_match(path, form), openai_route_of(path).has_value()) << path;
  }
}

TEST(openapi, idempotency_keys_have_their_form) {
  const auto& item = document().at("paths").at("/run").as_object();
  const auto said = parameters(item, item.at("post").as_object(), "header").at("Idempotency-Key");
  const std::regex form{text_of(said.at("pattern"))};
  for (const std::string key :
       {"a", "\"a\"", "\"a b\"", R"("a\"b\\c")", "a:b/c=d", "", "\"\"", "a b", "a,b", "a;b",
        "\"a\\\"", "\"a\"b\"", "\"a", R"("a\b")", "\xC3\xA9", "[a]~!#+-<"}) {
    EXPECT_EQ(std::regex_match(key, form), idempotency_key_of(key).has_value()) << key;
  }
  for (const std::size_t size : {255U, 256U}) {
    const std::string key(size, 'k');
    EXPECT_EQ(std::regex_match(key, form), idempotency_key_of(key).has_value()) << size;
    EXPECT_EQ(std::regex_match('"' + key + '"', form),
              idempotency_key_of('"' + key + '"').has_value())
        << size;
  }
}

TEST(openapi, is_what_is_answered) {
  const auto answer = described();
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.content_type, "application/json");
  EXPECT_EQ(answer.body, openapi_text());
}

} // namespace
} // namespace tayfa::api
