// Properties over random input: any bytes get an answer from parse, and all rendered text is JSON.
#include "runtime/api/call.hpp"
#include "runtime/api/json_text.hpp"

#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tayfa::api {
namespace {

namespace json = boost::json;

const limits bounds{};

void must_be_json(const response& r) {
  json::error_code ec;
  const auto value = json::parse(r.body, ec);
  RC_ASSERT(!ec);
  RC_ASSERT(value.is_object());
}

/// Every refusal is an error object with a status of its own, or the answer to a head alone; every
/// job's input is JSON.
void check_outcome(const request& asked) {
  const auto parsed = parse(asked, bounds);
  if (!parsed) {
    const unsigned status = parsed.error().status;
    if (status == 204U) {
      RC_ASSERT((asked.method == "HEAD" || asked.method == "OPTIONS") &&
                parsed.error().body.empty());
      return;
    }
    must_be_json(parsed.error());
    RC_ASSERT((status >= 400U && status < 500U) || (status == 501U && asked.method.empty()));
    return;
  }
  if (const auto* s = std::get_if<submit>(&*parsed)) {
    RC_ASSERT(check_json(s->job.input.view()).has_value());
  }
}

rc::Gen<std::string> bytes() {
  return rc::gen::container<std::string>(rc::gen::arbitrary<char>());
}

RC_GTEST_PROP(parse_property, answers_any_bytes, ()) {
  check_outcome({*rc::gen::element<std::string>("GET", "POST", "HEAD", "OPTIONS", ""),
                 "/" + *bytes(), *bytes(), *bytes()});
  check_outcome({"POST", "/run", "application/json", *bytes()});
}

RC_GTEST_PROP(parse_property, answers_mutated_requests, ()) {
  std::string target = "/v2/tayfa/runsync?wait=%32000";
  std::string body = R"({"input":{"prompt":"a \"cat\" \u00e9","steps":[20,1.5e1,null]},)"
                     R"("webhook":"https://a.example/b","policy":{"executionTimeout":60000,)"
                     R"("ttl":900000,"lowPriority":false},"s3Config":{"accessId":"x"}})";
  const auto mutate = [](std::string& text) {
    const int edits = *rc::gen::inRange(0, 4);
    for (int i = 0; i < edits && !text.empty(); ++i) {
      const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
      switch (*rc::gen::inRange(0, 4)) {
      case 0: text[at] = *rc::gen::arbitrary<char>(); break;
      case 1: text.erase(at, 1); break;
      case 2:
        text.insert(at, 1, *rc::gen::element('"', '\\', '{', '}', '[', ']', ',', ':', '\0'));
        break;
      default: text.insert(at, text.substr(at / 2, 20)); break;
      }
    }
  };
  mutate(target);
  mutate(body);
  check_outcome({"POST", target, "application/json", body});
}

json::value random_value(int depth) {
  switch (*rc::gen::inRange(0, depth > 0 ? 6 : 4)) {
  case 0: return *rc::gen::arbitrary<std::int64_t>();
  case 1: return *rc::gen::arbitrary<bool>();
  case 2: return nullptr;
  case 3: {
    std::string out;
    append_json_string(out, *bytes());
    return json::parse(out);
  }
  case 4: {
    json::array items;
    for (int i = *rc::gen::inRange(0, 3); i > 0; --i) {
      items.push_back(random_value(depth - 1));
    }
    return items;
  }
  default: {
    json::object members;
    for (int i = *rc::gen::inRange(0, 3); i > 0; --i) {
      members["k" + std::to_string(i)] = random_value(depth - 1);
    }
    return members;
  }
  }
}

RC_GTEST_PROP(parse_property, valid_inputs_come_back_unchanged, ()) {
  const std::string input = json::serialize(random_value(4));
  const auto parsed =
      parse({"POST", "/run", "", R"({"x":[{}], "input" : )" + input + " }"}, bounds);
  RC_ASSERT(parsed.has_value() == (input != "null"));
  if (parsed) {
    RC_ASSERT(std::get<submit>(*parsed).job.input.view() == input);
  }
}

RC_GTEST_PROP(render_property, every_answer_is_json, ()) {
  static constexpr std::array codes{errc::job_failed, errc::engine_crash, errc::queue_full,
                                    errc::ttl_expired, errc::bad_input};
  const auto output = shared_text{json::serialize(random_value(3))};
  job_view view;
  view.id = job_id{*bytes()};
  view.state = *rc::gen::elementOf(machine_traits<job_state>::states);
  view.output = output;
  view.worker = *bytes();
  view.failure = error{*rc::gen::elementOf(codes), *bytes()};
  view.delay = milliseconds{*rc::gen::arbitrary<std::uint32_t>()};
  must_be_json(job(view));
  must_be_json(chunks(view, {output, output}));
  must_be_json(state_of(view));
  must_be_json(accepted(view.id));
  must_be_json(refuse(*view.failure));
}

} // namespace
} // namespace tayfa::api
