// Properties over random input: the pieces of any chunk add up to it, and the body of any job's
// output is JSON with exactly its content.
#include "tests/unit/runpod_worker/samples.hpp"

#include "runtime/api/json_text.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tayfa::runpod {
namespace {

namespace json = boost::json;

/// Parts of a JSON text, each whole by itself.
rc::Gen<std::vector<std::string>> parts() {
  return rc::gen::container<std::vector<std::string>>(
      rc::gen::element<std::string>("a", "é", "€", "😀", "\\n", "\\\\", "\\\"", "\\u00e9",
                                    "\\ud83d\\ude00", "\\uFFFD", "]", "{", ","));
}

json::value output_in(const std::string& body) {
  RC_ASSERT(body.size() <= chunk_bytes_max);
  return json::parse(body).at("output");
}

RC_GTEST_PROP(runpod_chunk_property, the_pieces_of_a_text_are_the_text, ()) {
  const auto some = *rc::gen::nonEmpty(parts());
  const auto shift = *rc::gen::inRange<std::size_t>(0, 16);
  std::string text(shift, 'x');
  const auto most = *rc::gen::inRange<std::size_t>(990'000, 2'200'000);
  while (text.size() < most) {
    for (const std::string& part : some) {
      text += part;
    }
  }
  text = '"' + text + '"';
  std::string joined;
  const auto bodies = chunk_bodies(chunk{text}).value();
  for (const std::string& body : bodies) {
    joined += output_in(body).as_string();
  }
  RC_ASSERT(joined == json::parse(text).as_string());
}

RC_GTEST_PROP(runpod_chunk_property, the_pieces_of_a_list_are_the_list, ()) {
  const auto sizes =
      *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, 600'000));
  const auto blank = *rc::gen::element<std::string>("", " ", "\n\t");
  std::string text = "[";
  for (const std::size_t size : sizes) {
    text +=
        (text.size() > 1 ? "," : "") + blank + "[\"" + std::string(size, 'x') + "\",[]]" + blank;
  }
  text += "]";
  json::array joined;
  const auto bodies = chunk_bodies(chunk{text}).value();
  for (const std::string& body : bodies) {
    const json::value piece = output_in(body);
    joined.insert(joined.end(), piece.as_array().begin(), piece.as_array().end());
  }
  RC_ASSERT(json::value(joined) == json::parse(text));
}

bool truthy(const json::value& value) {
  switch (value.kind()) {
  case json::kind::null: return false;
  case json::kind::bool_: return value.get_bool();
  case json::kind::int64: return value.get_int64() != 0;
  case json::kind::uint64: return value.get_uint64() != 0;
  case json::kind::double_: return value.get_double() != 0;
  case json::kind::string: return !value.get_string().empty();
  case json::kind::array: return !value.get_array().empty();
  case json::kind::object: return !value.get_object().empty();
  }
  return false;
}

/// The SDK's treatment of a handler's return value, after its source.
json::object expected_body(json::value output, bool refresh) {
  json::object body;
  bool stop = refresh;
  if (json::object* const object = output.if_object()) {
    json::value error;
    if (const auto* const found = object->if_contains("error")) {
      error = *found;
      object->erase("error");
    }
    if (const auto* const found = object->if_contains("refresh_worker")) {
      stop = stop || truthy(*found);
      object->erase("refresh_worker");
    }
    if (!object->empty()) {
      body["output"] = *object;
    }
    if (truthy(error)) {
      body["error"] = error;
    }
  } else {
    body["output"] = output;
  }
  if (stop) {
    body["stopPod"] = true;
  }
  return body;
}

RC_GTEST_PROP(runpod_output_property, as_the_sdk_would_send_it, (bool refresh)) {
  const auto value = rc::gen::element<std::string>(
      "null", "0", "-0.0", "1.50", R"("")", R"("é \" } ,")", "[]", "{}", R"({"error":"in"})",
      "[1, {\"refresh_worker\":true}]", "true", "false");
  const auto key = rc::gen::element<std::string>("error", "refresh_worker", "\\u0065rror", "a", "b",
                                                 "", "errors");
  const auto blank = *rc::gen::element<std::string>("", " ", "\r\n\t");
  const auto members = *rc::gen::container<std::vector<std::pair<std::string, std::string>>>(
      rc::gen::pair(key, value));
  std::string text = blank + "{";
  for (const auto& [name, said] : members) {
    text +=
        (text.ends_with('{') ? "" : ",") + blank + '"' + name + '"' + blank + ":" + blank + said;
  }
  text += blank + "}" + blank;
  const std::string output = *rc::gen::oneOf(rc::gen::just(text), value);
  const std::string body = output_body(shared_text{output}, refresh).value();
  RC_ASSERT(json::parse(body) == json::value(expected_body(json::parse(output), refresh)));
}

RC_GTEST_PROP(runpod_take_property, any_bytes_are_read, ()) {
  std::string body = R"([{"id":"a","input":{"x":"\u00e9"}},{"input":1,"id":"b","policy":{}}])";
  const int edits = *rc::gen::inRange(0, 6);
  for (int i = 0; i < edits && !body.empty(); ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, body.size());
    if (*rc::gen::arbitrary<bool>()) {
      body[at] = *rc::gen::oneOf(rc::gen::element('{', '}', '[', ']', '"', '\\', ','),
                                 rc::gen::arbitrary<char>());
    } else {
      body.erase(at, *rc::gen::inRange<std::size_t>(1, 4));
    }
  }
  const take_outcome outcome = read_take(samples::answer(200, body));
  for (const taken_job& job : outcome.jobs) {
    RC_ASSERT(api::check_json(job.input.view()).has_value());
    RC_ASSERT(!job.id.empty());
  }
  RC_ASSERT((outcome.kind == take_outcome::what::jobs) ==
            (!outcome.jobs.empty() || !outcome.faulty.empty()));
  RC_ASSERT(outcome.jobs.size() + outcome.faulty.size() <= 2U);
}

} // namespace
} // namespace tayfa::runpod
