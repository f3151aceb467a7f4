// Jobs and requested models follow the current catalogue: a missing model makes its jobs wait with
// a reason, one that cannot be loaded fails them, and neither is requested for ever.
#include "tests/unit/core/durable_script.hpp"

#include <set>

namespace tayfa::testing {
namespace {

using std::chrono::seconds;

const auto w0 = job_script::worker(0);
const error invalid{errc::model_invalid, "warm-up: an empty picture"};
const error out_of_memory{errc::gpu_oom, "no room"};

std::vector<model_facts> catalogue(std::initializer_list<const char*> names) {
  std::vector<model_facts> all;
  for (const auto* name : names) {
    all.push_back(model_facts{name, 1'000, 0, 0});
  }
  return all;
}

job_request of_model(const char* model) {
  auto r = job_script::request();
  r.model = model;
  return r;
}

worker_facts with_model(const char* model) {
  auto f = job_script::facts();
  f.model = model;
  f.can_change = true;
  return f;
}

/// A worker with aaa loaded, of aaa and bbb.

struct two_models : job_script {
  explicit two_models(job_limits l = {}) : job_script(std::move(l)) {
    models(catalogue({"aaa", "bbb"}));
    join(w0, with_model("aaa"));
  }
  std::uint64_t incarnation = 1;
  /// The worker's engine is replaced, and comes back with this model.
  std::string comes_back(const char* model) {
    lose(0, {errc::internal, "asked"});
    return join(worker(0, ++incarnation), with_model(model));
  }
};

TEST(job_table_models, a_job_whose_model_is_gone_waits_with_a_reason_and_others_run) {
  durable_script before;
  before.models(catalogue({"aaa", "bbb"}));
  before.submit("b", of_model("bbb"));
  before.commit();
  durable_script s;
  before.restart(s);
  EXPECT_EQ(s.models(catalogue({"aaa"})), "");
  EXPECT_EQ(s.why("b"), "model_missing");
  EXPECT_EQ(s.join(w0, with_model("aaa")), "") << "nothing is asked of the worker";
  EXPECT_EQ(s.submit("a", of_model("aaa")), "a IN_PROGRESS (assigned); give a#1 to 0#1");
  EXPECT_EQ(s.complete(w0, job_script::attempt("a", 1)), "a COMPLETED (finished)");
  EXPECT_EQ(s.table.counts().in_queue, 1u);
  EXPECT_EQ(s.table.list(s.now, {}).jobs.back().why, wait_reason::model_missing);
  s.models(catalogue({"aaa", "bbb"}));
  EXPECT_NE(s.why("b"), "model_missing") << "it is back";
  s.pass(seconds{60});
  EXPECT_EQ(s.expire(), "change 0#1 to bbb");
}

TEST(job_table_models, a_job_whose_model_is_gone_can_be_cancelled_and_times_out) {
  job_script s;
  s.submit("a", of_model("bbb"));
  auto brief = of_model("bbb");
  brief.policy.ttl = seconds{10};
  s.submit("b", brief);
  s.models(catalogue({"aaa"}));
  EXPECT_EQ(s.cancel("a"), "a CANCELLED (cancel_requested)");
  s.pass(seconds{10});
  EXPECT_EQ(s.expire(), "b TIMED_OUT (ttl_expired)");
}

TEST(job_table_models, a_delayed_job_whose_model_is_gone_sleeps_and_then_waits) {
  job_script s;
  auto later = of_model("bbb");
  later.policy.delay = seconds{5};
  s.submit("a", later);
  s.models(catalogue({"aaa"}));
  s.join(w0, with_model("aaa"));
  EXPECT_EQ(s.why("a"), "delayed");
  s.pass(seconds{5});
  EXPECT_EQ(s.expire(), "");
  EXPECT_EQ(s.why("a"), "model_missing");
}

TEST(job_table_models, a_job_of_a_platform_whose_model_is_gone_fails_there) {
  job_script s;
  auto r = job_script::taken("a");
  r.model = "bbb";
  s.submit("a", r);
  EXPECT_EQ(s.models(catalogue({"aaa"})), "a FAILED (load_failed); deliver p-a of a FAILED try 1");
  EXPECT_EQ(s.view("a").failure->code, errc::model_not_found);
}

TEST(job_table_models, a_retry_of_a_job_whose_model_is_gone_is_refused_and_changes_nothing) {
  job_script s;
  auto brief = of_model("bbb");
  brief.policy.ttl = seconds{10};
  s.submit("a", brief);
  s.pass(seconds{10});
  s.expire();
  s.models(catalogue({"aaa"}));
  EXPECT_EQ(s.retry("a"), "model_not_found");
  EXPECT_EQ(s.state("a"), "TIMED_OUT");
  s.models(catalogue({"aaa", "bbb"}));
  EXPECT_EQ(s.retry("a"), "");
}

TEST(job_table_models, the_key_of_a_job_whose_model_is_gone_still_names_it) {
  job_script s;
  auto r = job_script::keyed("k");
  r.model = "bbb";
  s.submit("a", r);
  s.models(catalogue({"aaa"}));
  EXPECT_EQ(s.submit("again", r), "again a");
  EXPECT_EQ(s.submit("new", of_model("bbb")), "model_not_found");
}

TEST(job_table_models, a_job_that_named_no_model_takes_the_default_of_today) {
  durable_script before;
  before.submit("a");
  before.commit();
  durable_script s;
  before.restart(s);
  s.models(catalogue({"aaa", "bbb"}));
  EXPECT_EQ(s.detail("a").model, "aaa");
  EXPECT_EQ(s.join(w0, with_model("bbb")), "change 0#1 to aaa");
  job_filter of_aaa;
  of_aaa.model = "aaa";
  EXPECT_EQ(s.table.list(s.now, of_aaa).jobs.size(), 1u);
}

TEST(job_table_models, jobs_of_a_model_that_cannot_be_loaded_fail_with_its_reason) {
  two_models s;
  EXPECT_EQ(s.submit("b", of_model("bbb")), "change 0#1 to bbb");
  s.lose(0, {errc::internal, "asked"});
  s.refuse("bbb", invalid);
  EXPECT_EQ(s.next(), milliseconds{0});
  EXPECT_EQ(s.expire(), "b FAILED (load_failed)");
  EXPECT_EQ(s.view("b").failure->code, errc::model_unavailable);
  EXPECT_NE(s.view("b").failure->text.find("an empty picture"), std::string::npos);
  EXPECT_EQ(s.join(job_script::worker(0, 2), with_model("aaa")), "");
  EXPECT_EQ(s.submit("a", of_model("aaa")), "a IN_PROGRESS (assigned); give a#1 to 0#2");
  EXPECT_EQ(s.submit("c", of_model("bbb")), "model_unavailable") << "not accepted to fail";
  EXPECT_EQ(s.retry("b"), "model_unavailable");
}

TEST(job_table_models, a_broken_model_is_tried_again_ever_more_rarely) {
  two_models s;
  std::vector<seconds> pauses;
  s.submit("b", of_model("bbb"));
  for (int i = 0; i < 4; ++i) {
    s.lose(0, {errc::internal, "asked"});
    s.refuse("bbb", invalid);
    s.expire();
    s.join(job_script::worker(0, ++s.incarnation), with_model("aaa"));
    seconds pause{0};
    while (s.submit("again", of_model("bbb")) == "model_unavailable") {
      s.pass(seconds{1});
      pause += seconds{1};
    }
    pauses.push_back(pause);
    s.cancel("again");
    s.drop("again");
  }
  EXPECT_EQ(pauses, (std::vector{seconds{60}, seconds{120}, seconds{240}, seconds{480}}));
}

TEST(job_table_models, a_load_that_may_pass_is_tried_three_times_with_pauses) {
  two_models s;
  s.submit("b", of_model("bbb"));
  int changes = 1;
  for (int second = 0; second < 60 && s.state("b") == "IN_QUEUE"; ++second) {
    s.lose(0, {errc::internal, "asked"});
    s.refuse("bbb", out_of_memory);
    const auto then = s.join(job_script::worker(0, ++s.incarnation), with_model("aaa"));
    EXPECT_EQ(then, "") << "not at once";
    EXPECT_TRUE(s.state("b") != "IN_QUEUE" || s.why("b") == "model_retry");
    std::string done;
    while (s.state("b") == "IN_QUEUE" && done.find("change") == std::string::npos) {
      s.pass(milliseconds{100});
      done = s.expire();
    }
    changes += done.find("change") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(changes, 3);
  EXPECT_EQ(s.state("b"), "FAILED");
}

TEST(job_table_models, an_engine_that_comes_back_with_another_model_is_not_asked_without_end) {
  two_models s;
  EXPECT_EQ(s.submit("b", of_model("bbb")), "change 0#1 to bbb");
  int changes = 1;
  for (int i = 0; i < 1'000 && s.state("b") == "IN_QUEUE"; ++i) { // 100 seconds
    const auto back = s.comes_back("aaa");
    s.pass(milliseconds{100});
    const auto then = back + s.expire();
    changes += then.find("change") != std::string::npos ? 1 : 0;
  }
  EXPECT_LE(changes, 3);
  EXPECT_EQ(s.state("b"), "FAILED");
}

TEST(job_table_models, a_file_in_its_place_ends_what_was_held_against_a_model) {
  two_models s;
  s.submit("b", of_model("bbb"));
  s.lose(0, {errc::internal, "asked"});
  s.refuse("bbb", invalid);
  s.expire();
  s.join(job_script::worker(0, 2), with_model("aaa"));
  EXPECT_EQ(s.submit("c", of_model("bbb")), "model_unavailable");
  s.models(catalogue({"aaa", "bbb"}));
  EXPECT_EQ(s.submit("c", of_model("bbb")), "model_unavailable") << "the same files";
  auto mended = catalogue({"aaa", "bbb"});
  mended[1].version = 1;
  s.models(mended);
  EXPECT_EQ(s.submit("c", of_model("bbb")), "change 0#2 to bbb");
  s.lose(0, {errc::internal, "asked"});
  EXPECT_EQ(s.join(job_script::worker(0, 3), with_model("bbb")),
            "c IN_PROGRESS (assigned); give c#1 to 0#3");
}

/// Two models share one slot: the time until a job's model is requested does not grow with the
/// demand for the loaded one.
TEST(job_table_models, a_job_waits_a_few_loads_at_most_until_its_model_is_loaded) {
  std::set<moment::duration> waits;
  for (const int at_a_time : {1, 10}) {
    two_models s;
    s.submit("learn", of_model("bbb"));
    s.pass(milliseconds{1'000}); // a load takes a second
    s.comes_back("bbb");
    const auto w = job_script::worker(0, 2);
    s.complete(w, job_script::attempt("learn", 1));
    s.submit("a", of_model("aaa"));
    const auto from = s.now;
    std::string orders;
    int submitted = 0;
    for (int i = 0; i < 100 && orders.find("change") == std::string::npos; ++i) {
      for (int n = 0; n < at_a_time; ++n) {
        s.submit(("b" + std::to_string(submitted++)).c_str(), of_model("bbb"));
      }
      s.pass(milliseconds{100});
      orders =
          s.expire() + s.complete(w, job_script::attempt(("b" + std::to_string(i)).c_str(), 1));
    }
    EXPECT_NE(orders.find("change 0#2 to aaa"), std::string::npos) << at_a_time << ": " << orders;
    EXPECT_GE(s.now - from, milliseconds{1'000}) << "the others were served meanwhile";
    EXPECT_LE(s.now - from, milliseconds{3'200}) << "three loads, and the run that was going on";
    waits.insert(s.now - from);
  }
  EXPECT_EQ(waits.size(), 1u);
}

TEST(job_table_models, many_jobs_of_a_broken_model_fail_in_steps) {
  job_limits l;
  l.step_rows = 3;
  two_models s{l};
  for (int i = 0; i < 7; ++i) {
    s.submit(("b" + std::to_string(i)).c_str(), of_model("bbb"));
  }
  s.lose(0, {errc::internal, "asked"});
  s.refuse("bbb", invalid);
  std::vector<std::size_t> waiting;
  while (s.table.counts().in_queue > 0) {
    s.expire();
    waiting.push_back(s.table.counts().in_queue);
  }
  EXPECT_EQ(waiting, (std::vector<std::size_t>{4, 1, 0}));
}

TEST(job_table_models, a_refusal_of_an_unknown_model_changes_nothing) {
  two_models s;
  EXPECT_EQ(s.refuse("zzz", invalid), "");
  EXPECT_EQ(s.submit("z", of_model("zzz")), "model_not_found");
  EXPECT_EQ(s.submit("a", of_model("aaa")), "a IN_PROGRESS (assigned); give a#1 to 0#1");
}

// ---- kinds of model files ----------------------------------------------------------------------

TEST(job_table_models, a_worker_gets_no_job_of_a_kind_of_model_that_it_does_not_run) {
  auto known = catalogue({"aaa", "bbb"});
  known[0].kind = "torchscript";
  known[1].kind = "gguf";
  job_script s;
  s.models(known);
  auto f = job_script::facts();
  f.model_kinds = {"torchscript", "aot_inductor"};
  s.join(w0, f);
  EXPECT_EQ(s.submit("b", of_model("bbb")), "");
  EXPECT_EQ(s.why("b"), "no_engine");
  EXPECT_EQ(s.submit("a", of_model("aaa")), "a IN_PROGRESS (assigned); give a#1 to 0#1");
  f.model_kinds = {"gguf"};
  EXPECT_EQ(s.join(job_script::worker(1), f), "b IN_PROGRESS (assigned); give b#1 to 1#1");
}

TEST(job_table_models, a_worker_is_not_asked_to_change_to_a_kind_of_model_that_it_does_not_run) {
  auto known = catalogue({"aaa", "bbb"});
  known[1].kind = "gguf";
  job_script s;
  s.models(known);
  auto f = with_model("aaa");
  f.model_kinds = {"torchscript"};
  s.join(w0, f);
  EXPECT_EQ(s.submit("b", of_model("bbb")), "");
  s.pass(seconds{600});
  EXPECT_EQ(s.expire(), "");
  known[1].kind = "torchscript";
  EXPECT_EQ(s.models(known), "change 0#1 to bbb");
}

TEST(job_table_models,
     a_worker_that_names_no_kinds_runs_every_model_and_unknown_kinds_run_anywhere) {
  auto known = catalogue({"aaa", "bbb"});
  known[0].kind = "gguf";
  job_script s;
  s.models(known);
  s.join(w0, job_script::facts());
  EXPECT_EQ(s.submit("a", of_model("aaa")), "a IN_PROGRESS (assigned); give a#1 to 0#1");
  auto f = job_script::facts();
  f.model_kinds = {"torchscript"};
  s.join(job_script::worker(1), f);
  EXPECT_EQ(s.submit("b", of_model("bbb")), "b IN_PROGRESS (assigned); give b#1 to 1#1");
}

} // namespace
} // namespace tayfa::testing
