// Ownership of worker names: a worker belongs to the API key that brought it.
#include "tests/unit/runpod_platform/registry_script.hpp"

namespace tayfa::remote::testing {
namespace {

using std::chrono::seconds;
using what = registry_script::what;

/// Worker "a" came with the key "alice" and has job "j".
struct alices_worker : registry_script {
  alices_worker() {
    key = "alice";
    running("a", "j");
  }
  auto as(const std::string& other) {
    key = other;
    return this;
  }
};

TEST(worker_names, another_key_can_neither_end_nor_touch_what_a_worker_holds) {
  alices_worker s;
  s.as("mallory");
  EXPECT_EQ(s.post("a", "j", what::completed, "forged"), "forbidden");
  EXPECT_EQ(s.post("a", "j", what::failed, "forged"), "forbidden");
  EXPECT_EQ(s.post("a", "j", what::progress), "forbidden");
  EXPECT_EQ(s.chunk("a", "j", "x"), "forbidden");
  EXPECT_EQ(s.post("a", "made-up"), "forbidden") << "it learns nothing of what the worker holds";
  EXPECT_EQ(s.registry.refused(), 5U);
  EXPECT_EQ(s.as("alice")->post("a", "j"), "w0.1 completed j/1 1");
}

TEST(worker_names, another_key_can_neither_call_it_unfit_nor_keep_it_alive) {
  alices_worker s;
  s.as("mallory");
  EXPECT_EQ(s.ping("a", {}, "gpu: dead"), "forbidden");
  s.pass(seconds{29});
  EXPECT_EQ(s.ping("a", {"j"}), "forbidden");
  EXPECT_EQ(s.stops(8, "a"), "poll 8 forbidden");
  EXPECT_EQ(s.take(9, "a"), "poll 9 forbidden");
  EXPECT_TRUE(s.registry.summaries(s.now).front().healthy);
  s.pass(seconds{1});
  EXPECT_EQ(s.expire(), "a left; leave w0.1 lease_expired") << "only its own words count";
  EXPECT_EQ(s.take(10, "a"), "a came; offer w0.2 x1") << "and then the name is free";
  EXPECT_EQ(s.as("alice")->ping("a"), "forbidden");
}

TEST(worker_names, one_key_has_as_many_workers_as_it_likes) {
  alices_worker s;
  EXPECT_EQ(s.take(2, "b"), "b came; offer w1.2 x1");
  s.assign(s.ref(1, 2), "k");
  EXPECT_EQ(s.post("a", "k"), "job_not_found") << "each of them with its own jobs";
  EXPECT_EQ(s.post("b", "k"), "w1.2 started k/1; w1.2 completed k/1 1");
}

TEST(worker_names, a_name_in_another_endpoint_is_another_name) {
  alices_worker s;
  EXPECT_EQ(
      s.words(s.registry.take(s.now, 2, {{"other", "a", "", "mallory", false}, 1, false, false})),
      "a came; offer w1.2 x1");
}

TEST(worker_names, an_operator_speaks_for_every_worker_and_takes_no_name_away) {
  alices_worker s;
  EXPECT_EQ(s.as("root")->ping("a", {"j"}), "w0.1 stepped j/1 #1");
  EXPECT_EQ(s.as("alice")->post("a", "j"), "w0.1 completed j/1 1");
}

TEST(worker_names, a_worker_that_came_without_a_key_belongs_to_the_first_that_comes_with_one) {
  registry_script s;
  s.running("a", "j");
  s.key = "alice";
  EXPECT_EQ(s.chunk("a", "j", "x"), "w0.1 partial j/1 #1 x");
  EXPECT_EQ(s.ping("a", {"j"}), "w0.1 stepped j/1 #1");
  s.key = "mallory";
  EXPECT_EQ(s.post("a", "j"), "forbidden");
}

} // namespace
} // namespace tayfa::remote::testing
