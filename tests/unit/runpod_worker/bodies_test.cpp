// Bodies, byte by byte, as the SDK writes them.
#include "tests/unit/runpod_worker/samples.hpp"

#include "runtime/api/json_text.hpp"

#include <gtest/gtest.h>

namespace tayfa::runpod {
namespace {

using namespace samples;

std::string body_of(std::string output, bool refresh = false) {
  return output_body(shared_text{std::move(output)}, refresh).value();
}

struct output_row {
  const char* output;
  const char* body;
};
TEST(runpod_bodies, outputs) {
  for (const output_row& row : {
           output_row{R"({"ok": "é"})", R"({"output": {"ok": "é"}})"},
           output_row{R"({"a":1.50,"b":[1e2]})", R"({"output": {"a":1.50,"b":[1e2]}})"},
           output_row{"null", R"({"output": null})"},
           output_row{"", R"({"output": null})"},
           output_row{"true", R"({"output": true})"},
           output_row{"[]", R"({"output": []})"},
           output_row{R"("")", R"({"output": ""})"},
           output_row{R"(["error"])", R"({"output": ["error"]})"},
           output_row{"{}", "{}"},
           output_row{" { } ", "{}"},
           output_row{R"({"error": "custom"})", R"({"error": "custom"})"},
           output_row{R"({"error":"custom","a":1})", R"({"output": {"a":1}, "error": "custom"})"},
           output_row{R"({"a":1,"error":"custom","b":[2]})",
                      R"({"output": {"a":1, "b":[2]}, "error": "custom"})"},
           output_row{R"({"error": {"code": 1}})", R"({"error": {"code": 1}})"},
           output_row{R"({"\u0065rror":"x","a":{"error":"y"}})",
                      R"({"output": {"a":{"error":"y"}}, "error": "x"})"},
           output_row{R"({"error":"","a":1})", R"({"output": {"a":1}})"},
           output_row{R"({"error":null})", "{}"},
           output_row{R"({"error":"x","error":false})", "{}"},
           output_row{R"({"refresh_worker":true,"a":1})",
                      R"({"output": {"a":1}, "stopPod": true})"},
           output_row{R"({"refresh_worker":"yes"})", R"({"stopPod": true})"},
           output_row{R"({"refresh_worker":false,"a":1})", R"({"output": {"a":1}})"},
           output_row{R"({"error":"x","refresh_worker":1})", R"({"error": "x", "stopPod": true})"},
           output_row{R"({"a":1,"error":"x","refresh_worker":1})",
                      R"({"output": {"a":1}, "error": "x", "stopPod": true})"},
       }) {
    EXPECT_EQ(body_of(row.output), row.body) << row.output;
  }
}

TEST(runpod_bodies, what_python_takes_for_false) {
  for (const char* no :
       {"null", "false", "0", "-0", "0.0", "0e9", "-0.00E+5", R"("")", "[]", "{}", "[ ]", "{\n}"}) {
    EXPECT_EQ(body_of(std::string{R"({"error":)"} + no + R"(,"a":1})"), R"({"output": {"a":1}})")
        << no;
  }
  for (const char* yes :
       {"true", "1", "-1", "0.5", "10", "1e-5", R"(" ")", R"("0")", "[0]", R"({"":0})"}) {
    EXPECT_EQ(body_of(std::string{R"({"error":)"} + yes + R"(,"a":1})"),
              std::string{R"({"output": {"a":1}, "error": )"} + yes + "}");
  }
}

TEST(runpod_bodies, refresh_stops_the_pod) {
  EXPECT_EQ(body_of("1", true), R"({"output": 1, "stopPod": true})");
  EXPECT_EQ(body_of("{}", true), R"({"stopPod": true})");
  EXPECT_EQ(body_of(R"({"refresh_worker":true})", true), R"({"stopPod": true})");
}

TEST(runpod_bodies, a_result_has_a_largest_size) {
  // {"output": "…"} of exactly the limit, and one byte more.
  const std::size_t frame = std::string_view{R"({"output": ""})"}.size();
  const std::string fits(result_bytes_max - frame, 'x');
  EXPECT_EQ(body_of('"' + fits + '"').size(), result_bytes_max);
  for (const std::size_t more : {std::size_t{1}, std::size_t{1'000}}) {
    const auto body = output_body(shared_text{'"' + fits + std::string(more, 'x') + '"'}, false);
    ASSERT_FALSE(body.has_value());
    EXPECT_EQ(body.error().code, errc::payload_too_large);
  }
}

TEST(runpod_bodies, the_end_of_a_stream) {
  const std::vector<chunk> chunks{chunk{"\"a\""}, chunk{"[1, 2]"}};
  EXPECT_EQ(stream_end_body(chunks, false, false).value(), R"({"output": []})");
  EXPECT_EQ(stream_end_body(chunks, true, false).value(), R"({"output": ["a", [1, 2]]})");
  EXPECT_EQ(stream_end_body({}, true, true).value(), R"({"output": [], "stopPod": true})");
  const std::vector<chunk> large(3, chunk{'"' + std::string(8'000'000, 'x') + '"'});
  EXPECT_EQ(stream_end_body(large, false, false).value(), R"({"output": []})");
  EXPECT_EQ(stream_end_body(large, true, false).error().code, errc::payload_too_large);
}

TEST(runpod_bodies, errors_are_json_in_a_json_text) {
  const settings s = settings_of(environment());
  EXPECT_EQ(error_body(s, {errc::job_failed, "it \"broke\"\nhere é 😀 \\"}),
            R"({"error": "{\"error_type\": \"job_failed\", )"
            R"(\"error_message\": \"it \\\"broke\\\"\\nhere \\u00e9 \\ud83d\\ude00 \\\\\", )"
            R"(\"error_traceback\": \"\", \"hostname\": \"w1-6441\", \"worker_id\": \"w1\", )"
            R"(\"runpod_version\": \"1.12.0\"}"})");
  const std::string refreshed = error_body(s, {errc::engine_crash, ""}, true);
  EXPECT_NE(refreshed.find(R"(\"error_type\": \"engine_crash\")"), std::string::npos);
  EXPECT_NE(refreshed.find("the engine process died"), std::string::npos);
  EXPECT_TRUE(refreshed.ends_with(R"("}", "stopPod": true})")) << refreshed;
}

TEST(runpod_bodies, hostile_error_texts_stay_bounded_json) {
  const settings s = settings_of(environment());
  for (const std::string& text :
       {std::string(5'000'000, '\x01'), std::string(5'000'000, '"'), std::string(1'000, '\xff'),
        std::string("\xe2\x82"), std::string("\xed\xa0\x80")}) {
    const std::string body = error_body(s, {errc::job_failed, text});
    EXPECT_TRUE(api::check_json(body).has_value());
    EXPECT_LT(body.size(), std::size_t{4} << 20);
    EXPECT_TRUE(api::check_json(chunk_error_body({errc::job_failed, text})).has_value());
  }
}

TEST(runpod_bodies, progress) {
  EXPECT_EQ(progress_body(shared_text{R"("Update 1/3")"}),
            R"({"status": "IN_PROGRESS", "output": "Update 1/3"})");
  EXPECT_EQ(progress_body(shared_text{}), R"({"status": "IN_PROGRESS", "output": null})");
}

TEST(runpod_bodies, a_streams_last_word_when_it_failed) {
  EXPECT_EQ(chunk_error_body({errc::job_failed, "it \"broke\" é"}),
            R"({"output": {"error": "it \"broke\" é"}})");
}

} // namespace
} // namespace tayfa::runpod
