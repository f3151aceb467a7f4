// The command line reads back what the pod writes of a record, by the same list of fields. Fields
// that are missing or of another type are named.
#include "runtime/api/record_reader.hpp"
#include "runtime/api/record_writer.hpp"
#include "runtime/api/records.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace tayfa::api {
namespace {

namespace json = boost::json;

json::object parsed(std::string_view text) {
  return json::parse(json::string_view{text.data(), text.size()}).as_object();
}

/// Reads what is written of the record, and says why when that fails.
template <class List>
typename List::record reread(const List& list, const typename List::record& record) {
  const auto read = read_record(list, parsed(object_text(list, record)));
  EXPECT_TRUE(read) << read.error().text;
  return read.value_or(typename List::record{});
}

/// The record is the same after it was written and read.
template <class List>
void expect_same(const List& list, const typename List::record& record) {
  EXPECT_EQ(object_text(list, reread(list, record)), object_text(list, record));
}

job_summary summary() {
  job_summary out;
  out.id = job_id{"a"};
  out.why = wait_reason::quota;
  out.model = "m";
  out.tenant = "t";
  out.worker = "slot-1";
  out.priority = 9;
  out.attempts = 2;
  out.age = milliseconds{7};
  out.failure = error{errc::job_failed, "text"};
  return out;
}

job_detail detail_of() {
  job_detail out;
  out.view.id = job_id{"a"};
  out.view.state = job_state::FAILED;
  out.view.failure = error{errc::job_failed, "its own"};
  out.view.worker = "slot-0";
  out.view.attempts = 3;
  out.view.delay = milliseconds{1};
  out.view.execution = milliseconds{0};
  out.view.dropped_chunks = 4;
  out.endpoint = "tayfa";
  out.dead = true;
  out.lives = 2;
  out.history = {{1, "slot-0", milliseconds{1}, milliseconds{2}, milliseconds{3},
                  error{errc::job_failed, "x"}},
                 {2, "slot-1", milliseconds{4}, {}, milliseconds{8}, {}}};
  return out;
}

TEST(record_reader, what_was_written_is_read_back) {
  expect_same(job_summary_fields, summary());
  job_summary least;
  least.id = job_id{"b"};
  expect_same(job_summary_fields, least);
  expect_same(job_list_fields, {{summary(), summary()}, 77});
  expect_same(job_list_fields, {});
  expect_same(job_detail_fields, detail_of());
  expect_same(purged_fields, 7);
  slot_summary slot;
  slot.slot = slot_id{3};
  slot.state = engine_state::PROCESSING;
  slot.device = "cuda:0";
  slot.given_up = true;
  slot.pinned = "0-3";
  expect_same(slots_fields, {slot, slot_summary{}});
  remote_summary remote;
  remote.name = "w";
  remote.healthy = false;
  remote.jobs = {job_id{"a"}, job_id{"b"}};
  remote.silent = milliseconds{5};
  expect_same(remotes_fields, {remote});
  pod_summary pod;
  pod.name = "gpu-1";
  pod.state = "closed";
  pod.why = "draining";
  pod.slots = 4;
  pod.models = {"a"};
  pod.round_trip_us = 250;
  pod.bytes_in = std::uint64_t{1} << 40;
  expect_same(pods_fields, {pod, pod_summary{}});
  trust_list list;
  list.listens = "tcp://127.0.0.1:1";
  list.pods = {{"gpu-1", "k", true, "api"}};
  list.tokens = {{"0f", true, milliseconds{0}, "k", "uid:0"}};
  expect_same(trust_fields, list);
  expect_same(join_text_fields, {"0f", "tayfa1:x", milliseconds{60'000}});
  expect_same(job_move_fields, {job_state::IN_QUEUE, cause::assigned});
  expect_same(lifecycle_fields,
              {"engine", "slot-1", "READY", "LOADING_MODEL", cause::warmed_up, milliseconds{5}});
  expect_same(error_fields, {errc::queue_full, "full"});
  expect_same(health_fields, {{.completed = 1, .retried = 2}, {.idle = 3}});
}

TEST(record_reader, members_have_their_values) {
  const job_summary read = reread(job_summary_fields, summary());
  EXPECT_EQ(read.id.str(), "a");
  EXPECT_EQ(read.why, wait_reason::quota);
  EXPECT_EQ(read.priority, 9);
  EXPECT_EQ(read.age, milliseconds{7});
  EXPECT_EQ(read.failure, (error{errc::job_failed, "text"}));
  EXPECT_EQ(reread(job_detail_fields, detail_of()).history, detail_of().history);
}

TEST(record_reader, a_failure_is_read_as_people_see_it) {
  job_summary failed = summary();
  failed.failure = error{errc::gpu_oom, "detail"};
  EXPECT_EQ(reread(job_summary_fields, failed).failure,
            (error{errc::gpu_oom, "gpu_oom: the device ran out of memory: detail"}));
}

TEST(record_reader, what_is_missing_or_wrong_is_named) {
  const std::string whole = object_text(job_summary_fields, summary());
  const auto fault = [&whole](std::string_view name, const char* value) {
    auto changed = parsed(whole);
    value == nullptr ? static_cast<void>(changed.erase(name))
                     : static_cast<void>(changed[name] = json::parse(value));
    const auto read = read_record(job_summary_fields, changed);
    return read ? std::string{} : read.error().text;
  };
  EXPECT_EQ(fault("id", nullptr), "id is missing");
  EXPECT_EQ(fault("id", "5"), "id is of another kind");
  EXPECT_EQ(fault("id", R"("a b")"), "id is of another kind");
  EXPECT_EQ(fault("status", R"("SOMEWHERE")"),
            "status has a value that this release does not know");
  EXPECT_EQ(fault("age", nullptr), "age is missing");
  EXPECT_EQ(fault("age", "-1"), "age is of another kind");
  EXPECT_EQ(fault("priority", "256"), "priority is of another kind");
  EXPECT_EQ(fault("model", "null"), "model is of another kind");
  EXPECT_EQ(fault("model", nullptr), "");
  EXPECT_EQ(fault("waitReason", R"("of_a_later_release")"), "");
  EXPECT_EQ(fault("waitReason", "1"), "waitReason is of another kind");
  EXPECT_EQ(fault("ofALaterRelease", "{}"), "");

  const auto nested = read_record(slots_fields, parsed(R"({"slots":[{"slot":1}]})"));
  ASSERT_FALSE(nested);
  EXPECT_EQ(nested.error().text, "slots incarnation is missing");
  EXPECT_EQ(read_record(slots_fields, parsed(R"({"slots":1})")).error().text, "slots is no list");
  EXPECT_EQ(read_record(slots_fields, parsed(R"({"slots":[1]})")).error().text,
            "slots is no object");
}

} // namespace
} // namespace tayfa::api
