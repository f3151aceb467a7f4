// Every stored member of a job survives a restart: the table restores it from a row, and its row
// has it again. A new column without a value in the rows below, and a member that the table forgets
// on either way, fail.
#include "runtime/core/job_table.hpp"
#include "runtime/store/stored_tables.hpp"

#include <algorithm>
#include <array>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace tayfa::testing {
namespace {

using namespace std::chrono_literals;

const moment now{1'000'000s};

/// Columns of texts that are compared as texts below, and of what only the store knows;
/// and the worker's node: the table forgets workers of other nodes, and this pod's is the default.
constexpr std::array<std::string_view, 10> compared_elsewhere = {
    "worker_node",  "input",       "input_bytes", "input_file", "output",
    "output_bytes", "output_file", "chunks",      "history",    "input_released"};

std::string words(const store::cell& of) {
  return store::is_null(of)
             ? "NULL"
             : std::to_string(store::number_in(of)) + " '" + std::string{store::text_in(of)} + "'";
}

std::string written(const store::column& each, const store::job_row& row) {
  const store::store_clock clock;
  const store::row_extras extras;
  const store::meta_row meta;
  return words(each.write(store::row_source{clock, &row, &extras, &meta}));
}

/// Retried by its client, FAILED again, and its webhook is still to be called.
store::job_row ended_job() {
  store::job_row row;
  row.order = 7;
  row.id = job_id{"ended"};
  row.request.endpoint = "pictures";
  row.request.model = "sd15";
  row.request.shape = "64x64";
  row.request.input = shared_text{R"({"a":1})"};
  row.request.webhook = "https://example.com/hook";
  row.request.s3_config = R"({"bucketName":"b"})";
  row.request.sync = true;
  row.request.policy = {.execution_timeout = 11s,
                        .ttl = 12'000s,
                        .priority = 2,
                        .deadline = 13s,
                        .delay = 14s,
                        .tenant = "t",
                        .idempotency_key = "k"};
  row.fingerprint = 15;
  row.submitted = now - 100s;
  row.state = job_state::FAILED;
  row.attempts = 3;
  row.lives = 2;
  row.attempts_before = 1;
  row.solo_crashes = 2;
  row.suspect = true;
  row.dead = true;
  row.not_before = now + 5s;
  row.retried = now - 50s;
  row.ended = now - 1s;
  row.worker = "box-9";
  row.holder.node = this_node;
  row.holder.slot = slot_id{4};
  row.holder.incarnation = 6;
  row.failure = error{errc::job_failed, "out of paint"};
  row.delay = 21ms;
  row.execution = 22ms;
  row.history = {attempt_view{3, "box-9", 4ms, std::nullopt, 5ms, std::nullopt}};
  row.hook_tries = 1;
  row.hook_open = true;
  row.refresh = true;
  row.dropped_chunks = 8;
  row.keep_until = now + 9'000s;
  row.chunks = {shared_text{R"("one")"}, shared_text{R"("two")"}};
  return row;
}

/// A job of a platform, which has no key and no webhook.
store::job_row platform_job() {
  auto row = ended_job();
  row.id = job_id{"platform"};
  row.order = 8;
  row.dead = false;
  row.request.webhook.clear();
  row.request.policy.idempotency_key.clear();
  row.request.origin = "platform-1";
  return row;
}

/// A job that its worker, which outlives the process, may still claim.
store::job_row waiting_job() {
  auto row = platform_job();
  row.id = job_id{"waiting"};
  row.order = 9;
  row.state = job_state::IN_QUEUE;
  row.ended.reset();
  row.failure.reset();
  row.execution.reset();
  row.hook_open = false;
  row.hook_tries = 0;
  row.dropped_chunks = 0;
  row.chunks.clear();
  row.lasting_name = "pictures/box-9/";
  row.given = now - 3s;
  row.streamed = true;
  return row;
}

store::job_row completed_job() {
  auto row = ended_job();
  row.state = job_state::COMPLETED;
  row.dead = false;
  row.failure.reset();
  row.output = shared_text{R"("picture")"};
  row.output_bytes = row.output.size();
  return row;
}

TEST(stored_members, a_restored_job_has_the_row_that_it_had) {
  const std::vector rows{ended_job(), platform_job(), waiting_job()};
  job_limits limits;
  limits.durable = true;
  job_table table{limits};
  table.restore(now, rows, 9);
  EXPECT_THAT(table.audit(), ::testing::IsEmpty());
  for (const auto& of : {store::stored_tables.requests, store::stored_tables.states}) {
    for (const auto& each : of.columns) {
      if (each.is_sum() || std::find(compared_elsewhere.begin(), compared_elsewhere.end(),
                                     each.name) != compared_elsewhere.end()) {
        continue;
      }
      bool has_value = false;
      for (const auto& row : rows) {
        const auto image = table.image(row.id);
        ASSERT_TRUE(image) << row.id.str();
        has_value = has_value || written(each, row) != written(each, store::job_row{});
        EXPECT_EQ(written(each, image->row), written(each, row))
            << each.name << " of " << row.id.str();
      }
      EXPECT_TRUE(has_value) << each.name << " needs a value in the rows of this test";
    }
  }
}

TEST(stored_members, a_restored_job_has_the_texts_that_it_had) {
  const auto row = completed_job();
  job_limits limits;
  limits.durable = true;
  job_table table{limits};
  table.restore(now, {row}, 7);
  const auto image = table.image(row.id);
  ASSERT_TRUE(image);
  EXPECT_EQ(image->row.request.input, row.request.input);
  EXPECT_EQ(image->row.output, row.output);
  EXPECT_EQ(image->row.output_bytes, row.output_bytes);
  EXPECT_EQ(image->row.chunks, row.chunks);
  EXPECT_EQ(image->row.history, row.history);
}

} // namespace
} // namespace tayfa::testing
