// Calls, byte by byte, as the SDK 1.12.0 sends them.
#include "tests/unit/runpod_worker/samples.hpp"

#include <gtest/gtest.h>

namespace tayfa::runpod {
namespace {

using namespace samples;
using fields = std::vector<std::pair<std::string, std::string>>;

const std::string agent = "Tayfa/" TAYFA_VERSION " (RunPod-Python-SDK/1.12.0 compatible)";

void expect_common(const outgoing_call& call) {
  EXPECT_EQ(call.user_agent, agent);
  EXPECT_TRUE(call.compressed);
  EXPECT_FALSE(call.guarded);
}

TEST(runpod_calls, take_one) {
  const outgoing_call call = take_call(settings_of(environment()), 1, false, milliseconds{90'000});
  expect_common(call);
  EXPECT_EQ(call.method, "GET");
  EXPECT_EQ(call.url, "https://api.runpod.ai/v2/ep1/job-take/w1?gpu=RTX&job_in_progress=0");
  EXPECT_EQ(call.body, "");
  EXPECT_EQ(call.headers,
            (fields{{"Content-Type", "application/json"}, {"Authorization", "rpa_KEY"}}));
  EXPECT_EQ(call.timeout, milliseconds{90'000});
  EXPECT_EQ(call.answer_bytes_max, take_bytes_max);
}

struct take_row {
  const char* url_template;
  std::uint32_t wanted;
  bool busy;
  const char* url;
};
TEST(runpod_calls, take_urls) {
  for (const take_row& row :
       {take_row{"http://h/v2/e/job-take/$ID?gpu=RTX", 0, true,
                 "http://h/v2/e/job-take/w1?gpu=RTX&job_in_progress=1"},
        take_row{"http://h/v2/e/job-take/$ID?gpu=RTX", 3, false,
                 "http://h/v2/e/job-take-batch/w1?gpu=RTX&batch_size=3&job_in_progress=0"},
        take_row{"http://h/v2/e/job-take/$ID?", 1, false,
                 "http://h/v2/e/job-take/w1?&job_in_progress=0"},
        take_row{"http://h/v2/e/job-take/$ID", 1, false,
                 "http://h/v2/e/job-take/w1?job_in_progress=0"},
        take_row{"http://h/v2/e/job-take/$ID", 2, true,
                 "http://h/v2/e/job-take-batch/w1?batch_size=2&job_in_progress=1"},
        take_row{"http://h/take?worker=$ID", 2, true,
                 "http://h/take?worker=w1&batch_size=2&job_in_progress=1"},
        take_row{"http://h/job-take/$RUNPOD_POD_ID?", 1, false,
                 "http://h/job-take/$RUNPOD_POD_ID?&job_in_progress=0"},
        take_row{"http://[::1]:80/job-take/job-take/$ID?gpu=NVIDIA GeForce|é%2f%", 2, false,
                 "http://[::1]:80/job-take-batch/job-take/w1?gpu=NVIDIA+GeForce%7C%C3%A9%2f%25"
                 "&batch_size=2&job_in_progress=0"}}) {
    const settings s =
        settings_of(environment_but({std::string{"RUNPOD_WEBHOOK_GET_JOB="} + row.url_template}));
    EXPECT_EQ(take_call(s, row.wanted, row.busy, milliseconds{1}).url, row.url) << row.url_template;
  }
}

TEST(runpod_calls, odd_worker_ids_stay_one_part_of_the_path) {
  const settings s = settings_of(environment_but({"RUNPOD_POD_ID=a/job-take/?b#%$ID é"}));
  EXPECT_EQ(take_call(s, 2, false, milliseconds{1}).url,
            "https://api.runpod.ai/v2/ep1/job-take-batch/"
            "a%2Fjob-take%2F%3Fb%23%25$ID%20%C3%A9?gpu=RTX&batch_size=2&job_in_progress=0");
}

TEST(runpod_calls, stop) {
  const auto call = stop_call(settings_of(environment()), milliseconds{90'000});
  ASSERT_TRUE(call.has_value());
  expect_common(*call);
  EXPECT_EQ(call->method, "GET");
  EXPECT_EQ(call->url, "https://api.runpod.ai/v2/ep1/job-stop/w1?gpu=RTX");
  EXPECT_EQ(call->headers,
            (fields{{"Content-Type", "application/json"}, {"Authorization", "rpa_KEY"}}));
  EXPECT_FALSE(stop_call(settings_of(environment_but({"RUNPOD_WEBHOOK_GET_JOB=http://h/take/$ID"})),
                         milliseconds{1})
                   .has_value());
}

TEST(runpod_calls, ping) {
  const settings s = settings_of(environment());
  const outgoing_call idle = ping_call(s, {});
  expect_common(idle);
  EXPECT_EQ(idle.method, "GET");
  EXPECT_EQ(idle.url, "https://api.runpod.ai/v2/ep1/ping/w1?gpu=RTX&runpod_version=1.12.0");
  EXPECT_EQ(idle.headers, (fields{{"Authorization", "rpa_KEY"}}));
  EXPECT_EQ(idle.timeout, milliseconds{8'000});
  const std::vector<std::string> jobs{"a-u1", "b c", "é"};
  EXPECT_EQ(ping_call(s, jobs).url,
            "https://api.runpod.ai/v2/ep1/ping/w1?gpu=RTX&job_id=a-u1%2Cb+c%2C%C3%A9"
            "&runpod_version=1.12.0");
}

TEST(runpod_calls, ping_urls) {
  for (const auto& [url_template, url] :
       {std::pair{"http://h/p/$RUNPOD_POD_ID", "http://h/p/w1?job_id=j&runpod_version=1.12.0"},
        std::pair{"http://h/p?", "http://h/p?job_id=j&runpod_version=1.12.0"},
        std::pair{"http://h/p?a=$ID", "http://h/p?a=$ID&job_id=j&runpod_version=1.12.0"},
        std::pair{"http://h/p?gpu=A B", "http://h/p?gpu=A%20B&job_id=j&runpod_version=1.12.0"}}) {
    const settings s =
        settings_of(environment_but({std::string{"RUNPOD_WEBHOOK_PING="} + url_template}));
    EXPECT_EQ(ping_call(s, std::vector<std::string>{"j"}).url, url);
  }
}

TEST(runpod_calls, ping_leaves_out_whole_ids_beyond_the_sdks_buffer) {
  const std::string long_id(511, 'a');
  const std::vector<std::string> jobs(200, long_id);
  const std::string url = ping_call(settings_of(environment()), jobs).url;
  std::size_t ids = 0;
  for (std::size_t at = url.find(long_id); at != std::string::npos;
       at = url.find(long_id, at + 1)) {
    ++ids;
  }
  EXPECT_EQ(ids, 128U); // 128 ids and 127 commas are 65,535 bytes
  EXPECT_NE(url.find(long_id + "&runpod_version"), std::string::npos);
}

TEST(runpod_calls, unhealthy) {
  const settings s = settings_of(environment());
  const outgoing_call call =
      unhealthy_call(s, "_memory_check", "RuntimeError: Insufficient memory: 1.0GB & more");
  expect_common(call);
  EXPECT_EQ(call.url,
            "https://api.runpod.ai/v2/ep1/ping/w1?gpu=RTX&status=unhealthy&check=_memory_check"
            "&reason=RuntimeError%3A+Insufficient+memory%3A+1.0GB+%26+more&runpod_version=1.12.0");
  EXPECT_EQ(call.method, "GET");
  EXPECT_EQ(call.timeout, milliseconds{2'000});
  EXPECT_EQ(call.headers, (fields{{"Authorization", "rpa_KEY"}}));
  std::string accents;
  std::string encoded;
  for (int i = 0; i < 300; ++i) {
    accents += "é";
    encoded += i < 256 ? "%C3%A9" : "";
  }
  EXPECT_NE(unhealthy_call(s, "c", accents).url.find("&reason=" + encoded + "&"),
            std::string::npos);
  EXPECT_LT(unhealthy_call(s, "c", std::string(9'000, '\x80')).url.size(), 4'000U);
}

TEST(runpod_calls, result_post) {
  const outgoing_call call =
      result_call(settings_of(environment()), "job-u1", false, R"({"output": {"ok": "é"}})");
  expect_common(call);
  EXPECT_EQ(call.method, "POST");
  EXPECT_EQ(call.url, "https://api.runpod.ai/v2/ep1/job-done/w1/job-u1?gpu=RTX&isStream=false");
  EXPECT_EQ(call.body, R"({"output": {"ok": "é"}})");
  EXPECT_EQ(call.headers, (fields{{"Content-Type", "application/x-www-form-urlencoded"},
                                  {"charset", "utf-8"},
                                  {"X-Request-ID", "job-u1"},
                                  {"Authorization", "rpa_KEY"}}));
}

TEST(runpod_calls, a_streams_last_post_says_so_and_its_chunks_do_not) {
  const settings s = settings_of(environment());
  EXPECT_EQ(result_call(s, "j", true, "{}").url,
            "https://api.runpod.ai/v2/ep1/job-done/w1/j?gpu=RTX&isStream=true");
  EXPECT_EQ(chunk_call(s, "j", "{}").url,
            "https://api.runpod.ai/v2/ep1/job-stream/w1/j?gpu=RTX&isStream=false");
  EXPECT_EQ(chunk_call(s, "j", "{}").headers, result_call(s, "j", true, "{}").headers);
}

struct id_row {
  const char* url_template;
  const char* id;
  const char* url;
};
TEST(runpod_calls, job_ids_in_urls) {
  for (const id_row& row :
       {id_row{"http://h/$ID?", "sync-1_2.3~4-u1", "http://h/sync-1_2.3~4-u1?&isStream=false"},
        id_row{"http://h/$ID", "a:b@c,d;e=f+g!h'i(j)*k&l$m",
               "http://h/a:b@c,d;e=f+g!h'i(j)*k&l$m?isStream=false"},
        id_row{"http://h/$ID?x", "a/b", "http://h/a%2Fb?x&isStream=false"},
        id_row{"http://h/$ID?x", "a?b#c", "http://h/a%3Fb%23c?x&isStream=false"},
        id_row{"http://h/$ID?x", "a b%20\"<>\\^`{|}[]",
               "http://h/a%20b%2520%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D?x&isStream=false"},
        id_row{"http://h/$ID?x", "é", "http://h/%C3%A9?x&isStream=false"},
        id_row{"http://h/$ID?x", "$ID$RUNPOD_POD_ID",
               "http://h/$ID$RUNPOD_POD_ID?x&isStream=false"},
        id_row{"http://h/done?id=$ID", "a&b=c+d;e/f",
               "http://h/done?id=a%26b%3Dc%2Bd%3Be/f&isStream=false"},
        id_row{"http://h/$ID/$ID?w=$RUNPOD_POD_ID", "j", "http://h/j/j?w=w1&isStream=false"}}) {
    const settings s = settings_of(
        environment_but({std::string{"RUNPOD_WEBHOOK_POST_OUTPUT="} + row.url_template}));
    EXPECT_EQ(result_call(s, row.id, false, "").url, row.url);
  }
}

TEST(runpod_calls, without_a_key_the_field_is_empty_as_the_sdks) {
  const settings s = settings_of(environment_but({"RUNPOD_AI_API_KEY"}));
  EXPECT_EQ(take_call(s, 1, false, milliseconds{1}).headers,
            (fields{{"Content-Type", "application/json"}, {"Authorization", ""}}));
}

} // namespace
} // namespace tayfa::runpod
