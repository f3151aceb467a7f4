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

class small_model final : public blocking_model {
 public:
  explicit small_model(run_function run) : run_(std::move(run)) {}
  std::string kind() const override { return "small"; }
  std::string device() const override { return "cpu"; }
  result<load_report> load(const protocol::load_model& m) override {
    if (m.model == "broken") {
      return fail(errc::model_invalid, "half a file");
    }
    return load_report{5, 6};
  }
  result<std::string> run(std::string_view, std::string_view input, const cancel_token& token,
                          run_events& events) override {
    return run_(input, token, events);
  }

 private:
  run_function run_;
};

result<std::string> echo(std::string_view input, const cancel_token&, run_events&) {
  return std::string{input};
}

struct threaded_test : testing::Test {
  system_time time;
  recorder out;
  std::unique_ptr<threaded_engine> it;

  void make(run_function run) {
    it =
        std::make_unique<threaded_engine>(out, time, std::make_unique<small_model>(std::move(run)));
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

TEST_F(threaded_test, cancelled_by_nobody_is_a_failure) {
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
