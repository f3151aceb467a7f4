#include "runtime/base/secret.hpp"
#include "runtime/base/text.hpp"
#include "runtime/telemetry/log.hpp"

#include <boost/json.hpp>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <rapidcheck/gtest.h>
#include <string>
#include <vector>

namespace tayfa {
namespace {

using namespace std::chrono;

const system_clock::time_point when =
    sys_days{year{2026} / 11 / 21} + hours{8} + milliseconds{123} + microseconds{999};

std::string line(log_format format, log_level level, std::string_view event,
                 const std::vector<log_field>& fields) {
  return format_line(format, {when, level, event, fields});
}

TEST(format_line, golden_lines) {
  const std::vector<log_field> state = {{"machine", "pod"},
                                        {"from", pod_state::STARTING},
                                        {"to", pod_state::CONFIGURING},
                                        {"cause", cause::parts_started},
                                        {"ms", 12}};
  EXPECT_EQ(line(log_format::text, log_level::info, "state", state),
            "2026-11-21T08:00:00.123Z info state machine=pod from=STARTING to=CONFIGURING "
            "cause=parts_started ms=12");
  EXPECT_EQ(line(log_format::json, log_level::info, "state", state),
            R"({"time":"2026-11-21T08:00:00.123Z","level":"info","event":"state","machine":"pod",)"
            R"("from":"STARTING","to":"CONFIGURING","cause":"parts_started","ms":12})");
  EXPECT_EQ(line(log_format::runpod, log_level::info, "state", state),
            R"({"requestId": null, "message": "state machine=pod from=STARTING to=CONFIGURING )"
            R"(cause=parts_started ms=12", "level": "INFO"})");

  const job_id id{"sync-1-u1"};
  const std::vector<log_field> job = {{"job", id},
                                      {"worker", worker_ref{{3}, 2}},
                                      {"code", errc::gpu_oom},
                                      {"ok", false},
                                      {"seconds", 0.25},
                                      {"seed", std::uint64_t{18446744073709551615U}},
                                      {"text", "out \"of\"\nmemory"}};
  EXPECT_EQ(line(log_format::text, log_level::warn, "attempt_failed", job),
            "2026-11-21T08:00:00.123Z warn attempt_failed job=sync-1-u1 worker=3#2 code=gpu_oom "
            R"(ok=false seconds=0.25 seed=18446744073709551615 text="out \"of\"\nmemory")");
  EXPECT_EQ(line(log_format::json, log_level::error, "attempt_failed", job),
            R"({"time":"2026-11-21T08:00:00.123Z","level":"error","event":"attempt_failed",)"
            R"("job":"sync-1-u1","worker":"3#2","code":"gpu_oom","ok":false,"seconds":0.25,)"
            R"("seed":18446744073709551615,"text":"out \"of\"\nmemory"})");
  EXPECT_EQ(line(log_format::runpod, log_level::debug, "attempt_failed", job),
            R"({"requestId": "sync-1-u1", "message": "attempt_failed job=sync-1-u1 worker=3#2 )"
            R"(code=gpu_oom ok=false seconds=0.25 seed=18446744073709551615 )"
            R"(text=\"out \\\"of\\\"\\nmemory\"", "level": "DEBUG"})");
}

TEST(format_line, times_before_the_epoch_and_at_midnight) {
  const auto at = [](system_clock::time_point t) {
    return format_line(log_format::text, {t, log_level::info, "e", {}});
  };
  EXPECT_EQ(at(system_clock::time_point{} - milliseconds{1}), "1969-12-31T23:59:59.999Z info e");
  EXPECT_EQ(at(sys_days{year{2024} / 2 / 29}), "2024-02-29T00:00:00.000Z info e");
}

TEST(format_line, keys_are_bounded_cleaned_and_never_twice) {
  const std::string text =
      line(log_format::text, log_level::info, "e",
           {{"a b\n=", 1}, {"", 2}, {"level", 3}, {"x", 4}, {"x", 5}, {std::string(500, 'k'), 6}});
  EXPECT_EQ(text, "2026-11-21T08:00:00.123Z info e a_b__=1 _=2 level_=3 x=4 x_=5 " +
                      std::string(64, 'k') + "=6");
  const auto parsed = boost::json::parse(
      line(log_format::json, log_level::info, "e", {{"event", "b"}, {"time", "c"}, {"q\"", "d"}}));
  EXPECT_EQ(parsed.at("event"), "e");
  EXPECT_EQ(parsed.at("event_"), "b");
  EXPECT_EQ(parsed.at("time_"), "c");
  EXPECT_EQ(parsed.at("q_"), "d");
}

TEST(format_line, long_values_are_cut_in_the_middle_in_every_form) {
  const std::string huge(1'000'000, 'x');
  for (const auto format : {log_format::text, log_format::json}) {
    const std::string out = line(format, log_level::info, "e", {{"v", huge}});
    EXPECT_LT(out.size(), 4400U);
    EXPECT_NE(out.find("...CUT 99"), std::string::npos);
  }
  const std::string out = line(log_format::runpod, log_level::info, "e", {{"v", huge}});
  EXPECT_LT(out.size(), 4400U);
  EXPECT_NE(out.find("\\n...TRUNCATED 61"), std::string::npos); // of the 64 KiB that are kept
  EXPECT_LT(line(log_format::text, log_level::info, huge, {}).size(), 300U);
}

TEST(format_line, a_runpod_message_is_bounded_as_a_whole) {
  const std::string big(4000, 'x');
  const auto parsed = boost::json::parse(
      line(log_format::runpod, log_level::info, "e", {{"a", big}, {"b", big}, {"job", big}}));
  const std::string whole = "e a=" + big + " b=" + big + " job=" + big;
  EXPECT_EQ(parsed.at("message").as_string(),
            whole.substr(0, 2048) + "\n...TRUNCATED " + std::to_string(whole.size() - 4096) +
                " CHARACTERS...\n" + whole.substr(whole.size() - 2048));
  EXPECT_EQ(parsed.at("requestId").as_string().size(), 4000U);
}

// The exact bytes of print(json.dumps({"requestId": …, "message": …, "level": …})).
TEST(format_line, what_a_job_says_is_runpods_message) {
  const job_id id{"sync-1-u1"};
  const auto says = [&id](std::string_view words, log_level level = log_level::info) {
    return line(log_format::runpod, level, engine_says,
                {{"worker", worker_ref{{0}, 1}}, {"job", id}, {"text", words}});
  };
  EXPECT_EQ(says("Update 1/3"),
            R"({"requestId": "sync-1-u1", "message": "Update 1/3", "level": "INFO"})");
  EXPECT_EQ(says("a \"b\"\n\té 😀 \\", log_level::warn),
            R"({"requestId": "sync-1-u1", "message": "a \"b\"\n\t\u00e9 \ud83d\ude00 \\", )"
            R"("level": "WARN"})");
  EXPECT_EQ(says("", log_level::error),
            R"({"requestId": "sync-1-u1", "message": "", "level": "ERROR"})");
  EXPECT_EQ(says("\xff", log_level::debug),
            R"({"requestId": "sync-1-u1", "message": "\ufffd", "level": "DEBUG"})");
  EXPECT_EQ(
      line(log_format::runpod, log_level::info, engine_says, {{"job", id}}),
      R"({"requestId": "sync-1-u1", "message": "engine_says job=sync-1-u1", "level": "INFO"})");
}

TEST(format_line, runpod_counts_characters_and_cuts_in_the_middle) {
  const auto message = [](const std::string& words) {
    return std::string{boost::json::parse(line(log_format::runpod, log_level::info, engine_says,
                                               {{"text", words}}))
                           .at("message")
                           .as_string()};
  };
  std::string fits;
  for (int i = 0; i < 4096; ++i) {
    fits += "é";
  }
  EXPECT_EQ(message(fits), fits);
  EXPECT_EQ(message(fits + "é"),
            fits.substr(0, 4096) + "\n...TRUNCATED 1 CHARACTERS...\n" + fits.substr(4096));
  EXPECT_EQ(message(std::string(2048, 'a') + std::string(777, 'b') + std::string(2048, 'c')),
            std::string(2048, 'a') + "\n...TRUNCATED 777 CHARACTERS...\n" + std::string(2048, 'c'));
}

TEST(format_line, fields_beyond_the_limit_are_counted) {
  std::vector<log_field> many;
  for (int i = 0; i < 70; ++i) {
    many.push_back({"k", i});
  }
  const auto parsed = boost::json::parse(line(log_format::json, log_level::info, "e", many));
  EXPECT_EQ(parsed.at("fields_dropped"), 6);
  EXPECT_EQ(parsed.as_object().size(), 3U + 64U + 1U);
  EXPECT_NE(line(log_format::text, log_level::info, "e", many).find(" fields_dropped=6"),
            std::string::npos);
}

TEST(format_line, numbers_that_json_lacks_are_text) {
  const auto parsed = boost::json::parse(line(log_format::json, log_level::info, "e",
                                              {{"nan", std::nan("")},
                                               {"inf", std::numeric_limits<double>::infinity()},
                                               {"huge", 1e300},
                                               {"negative", -1}}));
  EXPECT_EQ(parsed.at("nan"), "nan");
  EXPECT_EQ(parsed.at("inf"), "inf");
  EXPECT_EQ(parsed.at("huge").as_double(), 1e300);
  EXPECT_EQ(parsed.at("negative"), -1);
}

std::vector<log_field> fields_of(const std::vector<std::pair<std::string, std::string>>& pairs,
                                 std::int64_t whole, double real) {
  std::vector<log_field> out = {{"whole", whole}, {"real", real}};
  for (const auto& [key, value] : pairs) {
    out.push_back({key, value});
  }
  return out;
}

RC_GTEST_PROP(format_line, every_json_line_parses_and_is_one_line,
              (const std::vector<std::pair<std::string, std::string>>& pairs,
               const std::string& event, std::int64_t whole, double real)) {
  // rapidcheck draws bytes from the whole range, so most of these are not UTF-8.
  const auto fields = fields_of(pairs, whole, real);
  for (const auto format : {log_format::json, log_format::runpod}) {
    const std::string out = line(format, log_level::info, event, fields);
    boost::json::error_code why;
    const auto parsed = boost::json::parse(out, why);
    RC_ASSERT(!why);
    RC_ASSERT(parsed.is_object());
    RC_ASSERT(text::is_clean(out));
    if (format == log_format::json) {
      RC_ASSERT(parsed.as_object().size() ==
                3 + std::min<std::size_t>(fields.size(), 64) + (fields.size() > 64 ? 1 : 0));
      RC_ASSERT(parsed.at("whole").to_number<std::int64_t>() == whole);
    }
  }
  RC_ASSERT(text::is_clean(line(log_format::text, log_level::info, event, fields)));
}

} // namespace
} // namespace tayfa
