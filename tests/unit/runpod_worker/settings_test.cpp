// Settings from the environment, and refused environments.
#include "tests/unit/runpod_worker/samples.hpp"

#include <gtest/gtest.h>

namespace tayfa::runpod {
namespace {

using namespace samples;

TEST(runpod_settings, whole_environment) {
  const settings s = settings_of(environment());
  EXPECT_EQ(s.get_job, "https://api.runpod.ai/v2/ep1/job-take/$ID?gpu=RTX");
  EXPECT_EQ(s.post_output, "https://api.runpod.ai/v2/ep1/job-done/$RUNPOD_POD_ID/$ID?gpu=RTX");
  EXPECT_EQ(s.post_stream, "https://api.runpod.ai/v2/ep1/job-stream/$RUNPOD_POD_ID/$ID?gpu=RTX");
  EXPECT_EQ(s.ping, "https://api.runpod.ai/v2/ep1/ping/$RUNPOD_POD_ID?gpu=RTX");
  EXPECT_EQ(s.worker_id, "w1");
  EXPECT_TRUE(s.pings);
  EXPECT_EQ(s.ping_interval, milliseconds{4'000});
  EXPECT_EQ(s.api_key.reveal(), "rpa_KEY");
  EXPECT_EQ(s.endpoint_id, "ep1");
  EXPECT_EQ(s.hostname, "w1-6441");
}

TEST(runpod_settings, no_worker_without_the_take_url) {
  EXPECT_FALSE(settings_from({}, "x").value().has_value());
  EXPECT_FALSE(settings_from(environment_but({"RUNPOD_WEBHOOK_GET_JOB"}), "x").value().has_value());
  EXPECT_FALSE(
      settings_from(environment_but({"RUNPOD_WEBHOOK_GET_JOB= "}), "x").value().has_value());
}

TEST(runpod_settings, defaults) {
  const settings s = settings_of({"RUNPOD_WEBHOOK_GET_JOB=http://127.0.0.1:8080/job-take/x",
                                  "RUNPOD_WEBHOOK_POST_OUTPUT=http://127.0.0.1:8080/done/$ID"});
  EXPECT_EQ(s.worker_id, "made-up");
  EXPECT_EQ(s.hostname, "unknown");
  EXPECT_EQ(s.ping_interval, milliseconds{10'000});
  EXPECT_TRUE(s.post_stream.empty());
  EXPECT_TRUE(s.ping.empty());
  EXPECT_TRUE(s.api_key.empty());
  EXPECT_TRUE(s.endpoint_id.empty());
  EXPECT_FALSE(s.pings);
}

struct pings_row {
  const char* change;
  bool pings;
};
TEST(runpod_settings, pings_need_url_id_and_key) {
  for (const auto& [change, pings] :
       {pings_row{"RUNPOD_WEBHOOK_PING", false},
        pings_row{"RUNPOD_WEBHOOK_PING=PING_NOT_SET", false}, pings_row{"RUNPOD_POD_ID", false},
        pings_row{"RUNPOD_POD_ID=", false}, pings_row{"RUNPOD_AI_API_KEY", false},
        pings_row{"RUNPOD_ENDPOINT_ID", true}}) {
    EXPECT_EQ(settings_of(environment_but({change})).pings, pings) << change;
  }
}

TEST(runpod_settings, interval_is_whole_seconds_and_never_none) {
  for (const auto& [text, ms] :
       {std::pair{"10000", 10'000}, std::pair{"10999", 10'000}, std::pair{"999", 1'000},
        std::pair{"0", 1'000}, std::pair{" 2000 ", 2'000}, std::pair{"3600000", 3'600'000}}) {
    EXPECT_EQ(settings_of(environment_but({std::string{"RUNPOD_PING_INTERVAL="} + text}))
                  .ping_interval.count(),
              ms)
        << text;
  }
}

TEST(runpod_settings, the_key_loses_the_newline_of_its_file) {
  EXPECT_EQ(settings_of(environment_but({"RUNPOD_AI_API_KEY=rpa_KEY\r\n"})).api_key.reveal(),
            "rpa_KEY");
}

TEST(runpod_settings, the_first_entry_of_a_name_counts) {
  auto entries = environment();
  entries.emplace_back("RUNPOD_POD_ID=late");
  EXPECT_EQ(settings_of(entries).worker_id, "w1");
}

TEST(runpod_settings, refused_environments_name_the_variable_and_tell_no_value) {
  const std::vector<std::string> rows = {
      "RUNPOD_WEBHOOK_GET_JOB=api.runpod.ai/secret/job-take/$ID",
      "RUNPOD_WEBHOOK_GET_JOB=ftp://secret/job-take/$ID?",
      "RUNPOD_WEBHOOK_GET_JOB=https://",
      "RUNPOD_WEBHOOK_GET_JOB=https:///secret/$ID",
      "RUNPOD_WEBHOOK_GET_JOB=https://user:secret@h/job-take/$ID?",
      "RUNPOD_WEBHOOK_GET_JOB=https://h/job-take/$ID?secret#x",
      "RUNPOD_WEBHOOK_GET_JOB=https://h/job-\x01take/$ID?secret",
      "RUNPOD_WEBHOOK_GET_JOB=https://h/secret" + std::string(2'048, 'x'),
      "RUNPOD_WEBHOOK_GET_JOB=https://h:99999999/secret",
      "RUNPOD_WEBHOOK_POST_OUTPUT",
      "RUNPOD_WEBHOOK_POST_OUTPUT=",
      "RUNPOD_WEBHOOK_POST_OUTPUT=https://h/secret/$RUNPOD_POD_ID?",
      "RUNPOD_WEBHOOK_POST_OUTPUT=JOB_DONE_URL",
      "RUNPOD_WEBHOOK_POST_STREAM=https://h/secret/$RUNPOD_POD_ID",
      "RUNPOD_WEBHOOK_POST_STREAM=secret",
      "RUNPOD_WEBHOOK_PING=secret",
      "RUNPOD_PING_INTERVAL=secret",
      "RUNPOD_PING_INTERVAL=-1",
      "RUNPOD_PING_INTERVAL=1.5",
      "RUNPOD_PING_INTERVAL=99999999999999999999",
      "RUNPOD_PING_INTERVAL=3600001",
      "RUNPOD_AI_API_KEY=secret\nsecret",
      "RUNPOD_AI_API_KEY=secret" + std::string(4'096, 'x'),
      "RUNPOD_POD_ID=secret" + std::string(512, 'x'),
      "RUNPOD_POD_HOSTNAME=secret\x7f",
      "RUNPOD_ENDPOINT_ID=secret\x1b"};
  for (const std::string& row : rows) {
    const auto got = settings_from(environment_but({row}), "x");
    ASSERT_FALSE(got.has_value()) << row;
    EXPECT_EQ(got.error().code, errc::bad_config) << row;
    EXPECT_EQ(got.error().text.find(row.substr(0, row.find('=')) + " "), 0U) << got.error().text;
    EXPECT_EQ(got.error().text.find("secret"), std::string::npos) << got.error().text;
  }
}

TEST(runpod_settings, taken_urls) {
  for (const char* url : {"http://localhost:8080/job-take/$ID?", "HTTPS://h/x/job-take/w1",
                          "http://[::1]:9/job-take/$ID", "http://h?id=$ID",
                          "https://h/job-take/$ID?gpu=NVIDIA GeForce RTX 4090",
                          "https://h/job-take/$ID?gpu=$RUNPOD_GPU_TYPE_ID"}) {
    EXPECT_EQ(settings_of(environment_but({std::string{"RUNPOD_WEBHOOK_GET_JOB="} + url})).get_job,
              url);
  }
}

TEST(runpod_ids, the_platforms_own_or_made_of_it) {
  EXPECT_EQ(local_id("sync-4d3c-u1").str(), "sync-4d3c-u1");
  EXPECT_EQ(local_id(std::string(128, 'a')).str(), std::string(128, 'a'));
  EXPECT_EQ(local_id("a/b").str(),
            "rp-c14cddc033f64b9dea80ea675cf280a015e672516090a5626781153dc68fea11");
  EXPECT_NE(local_id("é"), local_id("è"));
  for (const std::string& odd : {std::string(129, 'a'), std::string{"a b"}, std::string{"é"}}) {
    EXPECT_TRUE(job_id::parse(local_id(odd).str()).has_value()) << odd;
    EXPECT_EQ(local_id(odd), local_id(odd));
  }
}

} // namespace
} // namespace tayfa::runpod
