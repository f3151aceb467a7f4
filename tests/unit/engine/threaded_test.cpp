#include "runtime/engine/threaded_engine.hpp"

#include "tests/unit/engine/fixture.hpp"

#include <condition_variable>
#include <functional>
#include <gmock/gmock.h>
#include <mutex>
#include <poll.h>
#include <stdexcept>

namespace tayfa::engine::test {
namespace {

/// A door between the test and the compute thread.
class gate {
 public:
  void open() {
    const std::lock_guard guard{mutex_};
    open_ = true;
    changed_.notify_all();
  }
  bool pass() {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, 60s, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

using run_function =
    std::function<result<std::string>(std::string_view, const cancel_token&, run_events&)>;

using batch_function = std::function<std::vector<result<std::string>>(std::span<const run_member>)>;

class small_model final : public blocking_model {
 public:
  std::uint32_t threads = 0; ///< of the compute thread only

  small_model(run_function run, batch_function batch)
      : run_(std::move(run)), batch_(std::move(batch)) {}
  std::string kind() const override { return "small"; }
  std::string device() const override { return "cpu"; }
  result<load_report> load(const protocol::load_model& m) override {
    if (m.model == "broken") {
      return fail(errc::model_invalid, "half a file");
    }
    loaded_ = true;
    return load_report{5, 6};
  }
  result<std::string> run(std::string_view, std::string_view input, const cancel_token& token,
                          run_events& events) override {
    return run_(input, token, events);
  }
  void use_threads(std::uint32_t count) override { threads = count; }
  std::uint32_t batch_max() const override { return loaded_ ? 4 : batch_ ? 16 : 1; }
  std::vector<result<std::string>> run_batch(std::string_view model,
                                             std::span<const run_member> members) override {
    return batch_ ? batch_(members) : blocking_model::run_batch(model, members);
  }

 private:
  run_function run_;
  batch_function batch_;
  bool loaded_ = false;
};

result<std::string> echo(std::string_view input, const cancel_token&, run_events&) {
  return std::string{input};
}

struct threaded_test : testing::Test {
  system_time time;
  recorder out;
  std::unique_ptr<threaded_engine> it;

  void make(run_function run, batch_function batch = {}) {
    it = std::make_unique<threaded_engine>(
        out, time, std::make_unique<small_model>(std::move(run), std::move(batch)));
  }
  /// Serves the descriptor once.
  void wait_more() {
    pollfd p{it->wake_descriptor(), POLLIN, 0};
    ASSERT_EQ(::poll(&p, 1, 60'000), 1) << "nothing came";
    it->wake(time.now());
  }
  /// Serves the descriptor, as the process's loop does, until the engine has said a Body.
  template <class Body>
  Body wait() {
    while (all<Body>(out.said).empty()) {
      pollfd p{it->wake_descriptor(), POLLIN, 0};
      if (::poll(&p, 1, 60'000) != 1) {
        ADD_FAILURE() << "nothing came";
        return {};
      }
      it->wake(time.now());
    }
    return all<Body>(out.said).back();
  }
};

TEST_F(threaded_test, threads_are_set_between_two_runs_and_never_during_one) {
  gate begun;
  gate go_on;
  small_model* model = nullptr;
  const auto run = [&](std::string_view input, const cancel_token&, run_events&) {
    if (input == "1") {
      begun.open();
      EXPECT_TRUE(go_on.pass());
    }
    return result<std::string>{std::to_string(model->threads)};
  };
  auto made = std::make_unique<small_model>(run, batch_function{});
  model = made.get();
  it = std::make_unique<threaded_engine>(out, time, std::move(made));
  it->use_threads(4);
  it->start({{job_id{"a"}, 1}, "m", shared_text{"1"}});
  ASSERT_TRUE(begun.pass());
  it->use_threads(2);
  it->start({{job_id{"b"}, 1}, "m", shared_text{"2"}});
  go_on.open();
  while (all<protocol::finished>(out.said).size() < 2) {
    wait_more();
  }
  EXPECT_EQ(all<protocol::finished>(out.said)[0].output.view(), "4");
  EXPECT_EQ(all<protocol::finished>(out.said)[1].output.view(), "2");
}

TEST_F(threaded_test, loads_and_tells_how_long_it_took) {
  make(echo);
  EXPECT_EQ(it->kind(), "small");
  EXPECT_EQ(it->capacity(), 1U);
  it->load({"m", "", ""});
  const auto answer = wait<protocol::load_finished>();
  EXPECT_TRUE(answer.ok);
  EXPECT_EQ(answer.model, "m");
  EXPECT_EQ(answer.load_ms, 5U);
  EXPECT_EQ(answer.warm_up_ms, 6U);
}

TEST_F(threaded_test, a_model_that_cannot_be_loaded_says_why) {
  make(echo);
  it->load({"broken", "", ""});
  const auto answer = wait<protocol::load_finished>();
  EXPECT_FALSE(answer.ok);
  EXPECT_EQ(errc_from(answer.code), errc::model_invalid);
  EXPECT_EQ(answer.text, "half a file");
}

TEST_F(threaded_test, runs_and_passes_events_in_order) {
  make([](std::string_view input, const cancel_token&, run_events& events) -> result<std::string> {
    events.progress("1");
    events.partial("2");
    events.log(2, "three");
    return std::string{input};
  });
  it->start(assign("a", R"({"x":1})"));
  EXPECT_EQ(it->running(), 1U);
  const auto last = wait<protocol::finished>();
  EXPECT_EQ(last.output.view(), R"({"x":1})");
  EXPECT_EQ(it->running(), 0U);
  ASSERT_EQ(out.said.size(), 5U);
  EXPECT_TRUE(std::holds_alternative<protocol::started>(out.said[0]));
  EXPECT_EQ(std::get<protocol::progress>(out.said[1]).payload.view(), "1");
  EXPECT_EQ(std::get<protocol::partial>(out.said[2]).payload.view(), "2");
  EXPECT_EQ(std::get<protocol::log>(out.said[3]).text, "three");
}

TEST_F(threaded_test, errors_of_the_model_keep_their_code) {
  for (const auto code : {errc::bad_input, errc::gpu_oom, errc::job_failed}) {
    out.said.clear();
    make([code](std::string_view, const cancel_token&, run_events&) -> result<std::string> {
      return fail(code, "why");
    });
    it->start(assign("a", "1"));
    const auto last = wait<protocol::finished>();
    EXPECT_EQ(last.how, protocol::outcome::failed);
    EXPECT_EQ(errc_from(last.code), code);
    EXPECT_EQ(last.text, "why");
  }
}

TEST_F(threaded_test, a_cancel_reaches_the_running_model_and_no_other) {
  gate entered;
  gate cancelled;
  make([&](std::string_view, const cancel_token& token, run_events&) -> result<std::string> {
    entered.open();
    cancelled.pass();
    return token.requested() ? result<std::string>{fail(errc::cancelled)} : "not cancelled";
  });
  it->start(assign("a", "1"));
  ASSERT_TRUE(entered.pass());
  it->cancel(attempt("a", 2));
  it->cancel(attempt("b"));
  it->cancel(attempt("a"));
  cancelled.open();
  EXPECT_EQ(wait<protocol::finished>().how, protocol::outcome::cancelled);
}

TEST_F(threaded_test, cancelled_without_a_request_is_a_failure) {
  make([](std::string_view, const cancel_token&, run_events&) -> result<std::string> {
    return fail(errc::cancelled);
  });
  it->start(assign("a", "1"));
  EXPECT_EQ(wait<protocol::finished>().how, protocol::outcome::failed);
}

TEST_F(threaded_test, the_session_is_never_blocked_by_a_run) {
  gate go_on;
  make([&](std::string_view, const cancel_token&, run_events&) -> result<std::string> {
    go_on.pass();
    return "1";
  });
  it->start(assign("a", "1"));
  wait<protocol::started>();
  it->wake(time.now());
  EXPECT_TRUE(all<protocol::finished>(out.said).empty());
  go_on.open();
  wait<protocol::finished>();
}

TEST_F(threaded_test, a_model_that_talks_too_fast_is_held_up_and_loses_nothing) {
  make([](std::string_view, const cancel_token&, run_events& events) -> result<std::string> {
    for (int i = 0; i < 10'000; ++i) {
      events.partial(std::to_string(i));
    }
    return "1";
  });
  it->start(assign("a", "1"));
  wait<protocol::finished>();
  const auto chunks = all<protocol::partial>(out.said);
  ASSERT_EQ(chunks.size(), 10'000U);
  EXPECT_EQ(chunks.back().payload.view(), "9999");
}

TEST_F(threaded_test, the_destructor_cancels_a_run_and_waits_for_it) {
  gate entered;
  bool left = false;
  make([&](std::string_view, const cancel_token& token, run_events& events) -> result<std::string> {
    entered.open();
    while (!token.requested()) {
      events.progress("1"); // held up once the queue is full, let go by the destructor
    }
    left = true;
    return fail(errc::cancelled);
  });
  it->start(assign("a", "1"));
  ASSERT_TRUE(entered.pass());
  it.reset();
  EXPECT_TRUE(left);
}

TEST_F(threaded_test, a_batch_is_one_run) {
  std::vector<std::size_t> runs;
  make(echo, [&runs](std::span<const run_member> members) {
    runs.push_back(members.size());
    std::vector<result<std::string>> results;
    for (const auto& m : members) {
      m.events.step();
      results.push_back(m.input_json == "2" ? result<std::string>{fail(errc::bad_input, "no 2")}
                                            : std::string{m.input_json});
    }
    return results;
  });
  it->load({"m", "", ""});
  EXPECT_EQ(wait<protocol::load_finished>().batch_max, 4U);
  EXPECT_EQ(it->batch_max(), 4U);
  EXPECT_EQ(it->capacity(), 4U);
  it->start_batch({assign("a", "1"), assign("b", "2"), assign("c", "3")});
  EXPECT_EQ(it->running(), 3U);
  while (it->running() != 0) {
    wait_more();
  }
  EXPECT_EQ(runs, std::vector<std::size_t>{3});
  const auto done = all<protocol::finished>(out.said);
  ASSERT_EQ(done.size(), 3U);
  EXPECT_EQ(done[0].output.view(), "1");
  EXPECT_EQ(errc_from(done[1].code), errc::bad_input);
  EXPECT_EQ(done[2].output.view(), "3");
  EXPECT_EQ(it->steps(), 3U);
}

TEST_F(threaded_test, before_a_load_it_promises_the_most_of_any_model) {
  make(echo, [](std::span<const run_member>) { return std::vector<result<std::string>>{}; });
  EXPECT_EQ(it->batch_max(), 16U);
}

TEST_F(threaded_test, runs_wait_in_line_and_can_be_cancelled_there) {
  gate entered;
  gate go_on;
  make([&](std::string_view input, const cancel_token&, run_events&) -> result<std::string> {
    entered.open();
    go_on.pass();
    return std::string{input};
  });
  it->start(assign("a", "1"));
  ASSERT_TRUE(entered.pass());
  it->start_batch({assign("b", "2"), assign("c", "3")});
  it->start(assign("d", "4"));
  it->cancel(attempt("b"));
  it->cancel(attempt("d"));
  const auto cancelled = all<protocol::finished>(out.said);
  ASSERT_EQ(cancelled.size(), 2U) << "at once: nothing of them runs";
  EXPECT_EQ(cancelled[0].how, protocol::outcome::cancelled);
  EXPECT_EQ(it->running(), 2U);
  go_on.open();
  while (it->running() != 0) {
    wait_more();
  }
  EXPECT_EQ(all<protocol::started>(out.said).size(), 2U) << "a and c";
  EXPECT_EQ(all<protocol::finished>(out.said).back().output.view(), "3");
}

TEST_F(threaded_test, steps_are_seen_while_the_run_goes_on) {
  gate stepped;
  gate go_on;
  make([&](std::string_view, const cancel_token&, run_events& events) -> result<std::string> {
    events.step();
    events.step();
    stepped.open();
    go_on.pass();
    return "1";
  });
  EXPECT_FALSE(it->counts_steps());
  it->start(assign("a", "1"));
  ASSERT_TRUE(stepped.pass());
  EXPECT_EQ(it->steps_of(attempt("a")), 2U);
  EXPECT_EQ(it->steps(), 2U);
  EXPECT_EQ(it->steps_of(attempt("b")), 0U);
  go_on.open();
  wait<protocol::finished>();
}

TEST_F(threaded_test, an_exception_of_the_model_ends_the_process) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        make([](std::string_view, const cancel_token&, run_events&) -> result<std::string> {
          throw std::runtime_error{"sticky device error"};
        });
        it->start(assign("a", "1"));
        wait<protocol::finished>();
      },
      "the model threw: sticky device error");
}

} // namespace
} // namespace tayfa::engine::test
