// The OpenAPI document says what the code does: it is compared with the table of routes, the
// constants and the list of errors.
#include "runtime/api/openapi.hpp"

#include "runtime/api/openai.hpp"
#include "runtime/api/policy.hpp"
#include "runtime/api/route.hpp"
#include "runtime/api/worker_query.hpp"

#include <algorithm>
#include <boost/json.hpp>
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
const json::object& schema(const std::string& name) {
  return document().at("components").at("schemas").at(name).as_object();
}
names words_of(const json::value& list) {
  names out;
  for (const auto& each : list.as_array()) {
    out.insert(text_of(each));
  }
  return out;
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
std::string scope_text(scope needed) {
  switch (needed) {
  case scope::open: return "open";
  case scope::client: return "client";
  case scope::worker: return "worker";
  case scope::operator_: return "operator";
  }
  return {};
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

TEST(openapi, has_every_route_with_its_methods_and_nothing_else) {
  EXPECT_EQ(text_of(document().at("openapi")), "3.1.0");
  names expected;
  for (const auto& row : routes()) {
    expected.insert("/" + std::string{row.path});
  }
  names found;
  for (const auto& [path, item] : document().at("paths").as_object()) {
    found.insert(std::string{path});
    for (const auto& [key, value] : item.as_object()) {
      EXPECT_TRUE(
          (names{"parameters", "servers", "get", "head", "post"}.contains(std::string{key})))
          << path << ' ' << key;
    }
  }
  EXPECT_EQ(found, expected);
  std::size_t operations = 0;
  names ids;
  each_operation([&](const auto&, const auto&, const auto&, const json::object& op) {
    ++operations;
    ids.insert(text_of(op.at("operationId")));
  });
  EXPECT_EQ(ids.size(), operations) << "an operationId twice";
  std::size_t written = 0;
  for (const auto& [path, item] : document().at("paths").as_object()) {
    for (const std::string method : {"get", "head", "post"}) {
      written += item.as_object().contains(method) ? 1 : 0;
    }
  }
  EXPECT_EQ(written, operations);
}

TEST(openapi, says_of_each_operation_what_the_table_says) {
  each_operation([](const route_shape& row, const json::object& item, const std::string& method,
                    const json::object& op) {
    const std::string where = method + " " + std::string{row.path};
    EXPECT_EQ(item.contains("servers"), !row.prefixed) << where;
    EXPECT_EQ(text_of(op.at("x-scope")), scope_text(row.needs)) << where;
    EXPECT_EQ(op.contains("security"), row.needs == scope::open) << where;
    names placed;
    for (const auto& [name, unused] : parameters(item, op, "path")) {
      placed.insert("{" + name + "}");
    }
    names wanted = split(row.path, "/");
    std::erase_if(wanted, [](const auto& part) { return part[0] != '{'; });
    EXPECT_EQ(placed, wanted) << where;
    if (row.query != "*") {
      names asked;
      for (const auto& [name, unused] : parameters(item, op, "query")) {
        asked.insert(name);
      }
      EXPECT_EQ(asked, split(row.query, " ")) << where;
    }
    const auto* const body = op.if_contains("requestBody");
    const bool has_body = method == "post" && row.body != body_rule::none;
    ASSERT_EQ(body != nullptr, has_body) << where;
    for (const std::string status : {"4XX", "5XX"}) {
      EXPECT_TRUE(op.at("responses").as_object().contains(status)) << where;
    }
  });
}

TEST(openapi, bodies_are_as_large_as_they_may_be) {
  const limits bounds;
  each_operation([&bounds](const route_shape& row, const json::object&, const std::string& method,
                           const json::object& op) {
    if (!op.contains("requestBody")) {
      return;
    }
    std::string target = "/" + std::string{row.path};
    for (const std::string part : {"{id}", "{worker}", "{job}", "{slot}", "{count}", "{openai}"}) {
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
  const auto& slot = document().at("components").at("parameters").at("slot").at("schema");
  EXPECT_EQ(slot.at("maximum").to_number<std::uint32_t>(), slots_max - 1);
  const auto& resize = document().at("paths").at("/slots/count/{count}").as_object();
  expect_bounds(parameters(resize, resize, "path").at("count"),
                [&](std::int64_t number) { return head_taken("POST", "/slots/count/")(number); });
  for (const auto& [name, member] : schema("Policy").at("properties").as_object()) {
    if (member.as_object().contains("maximum")) {
      const std::string key{name};
      expect_bounds(member.as_object(), [&key](std::int64_t number) {
        return policy_of("{\"" + key + "\":" + std::to_string(number) + "}").has_value();
      });
    }
  }
}

TEST(openapi, texts_have_the_forms_that_they_have) {
  const auto form = [](std::size_t lowest, std::size_t highest) {
    return "^[A-Za-z0-9._-]{" + std::to_string(lowest) + "," + std::to_string(highest) + "}$";
  };
  EXPECT_EQ(text_of(schema("JobId").at("pattern")), form(1, job_id::max_length));
  EXPECT_EQ(text_of(schema("WorkerJob").at("pattern")), form(1, worker_job_length_max));
  const auto& worker = document().at("components").at("parameters").at("worker").at("schema");
  EXPECT_EQ(text_of(worker.at("pattern")), form(1, job_id::max_length));
  EXPECT_TRUE(is_worker_name(std::string(job_id::max_length, 'w')));
  const auto& submission = schema("Submission").at("properties");
  EXPECT_EQ(text_of(submission.at("model").at("anyOf").at(0).at("pattern")),
            "^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$");
  EXPECT_EQ(submission.at("model").at("anyOf").at(0).at("maxLength"),
            json::value(job_policy::name_max));
  EXPECT_EQ(schema("Policy").at("properties").at("idempotencyKey").at("maxLength"),
            json::value(job_policy::idempotency_max));
}

TEST(openapi, the_rest_of_openais_paths_has_its_form) {
  const auto& rest = document().at("components").at("parameters").at("openai").at("schema");
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

TEST(openapi, lists_are_complete) {
  names states;
  for (const auto state : machine_traits<job_state>::states) {
    states.insert(std::string{to_string(state)});
  }
  EXPECT_EQ(words_of(schema("Status").at("enum")), states);
  names reasons;
#define TAYFA_X(name, text) reasons.insert(#name);
  TAYFA_WAIT_REASONS(TAYFA_X)
#undef TAYFA_X
  reasons.erase("none");
  EXPECT_EQ(words_of(schema("WaitReason").at("enum")), reasons);
  // These end the program, or keep it from starting: no request meets them.
  const names of_the_pod{"bad_config",         "bad_usage",    "model_invalid", "unfit",
                         "port_in_use",        "store_locked", "state_timeout", "restart_intensity",
                         "illegal_transition", "no_torch"};
  names codes;
#define TAYFA_X(code, number, status, text) codes.insert(#code);
  TAYFA_ERRORS(TAYFA_X)
#undef TAYFA_X
  for (const auto& code : of_the_pod) {
    EXPECT_EQ(codes.erase(code), 1U) << code;
  }
  EXPECT_EQ(words_of(schema("ErrorCode").at("enum")), codes);
}

TEST(openapi, is_what_is_answered) {
  const auto answer = described();
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.content_type, "application/json");
  EXPECT_EQ(answer.body, openapi_text());
}

} // namespace
} // namespace tayfa::api
