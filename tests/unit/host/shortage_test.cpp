// The system is short of descriptors while an engine is to be started: that passes.
#include "tests/support/sanitizer.hpp"
#include "tests/unit/host/fixture.hpp"

#include <csignal>
#include <sys/resource.h>

namespace tayfa::test {
namespace {

/// No descriptor can be opened while this lives.
class no_descriptors {
 public:
  no_descriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::dup(STDERR_FILENO);
    ::close(next);
    auto none = before_;
    none.rlim_cur = static_cast<rlim_t>(next);
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~no_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  no_descriptors(const no_descriptors&) = delete;
  no_descriptors& operator=(const no_descriptors&) = delete;

 private:
  rlimit before_{};
};

struct shortage_test : testing::Test {
  folder home;
  remembering_log log;
  event_box box;
  std::unique_ptr<process_engine_host> host;
  const worker_ref worker{slot_id{0}, 1};

  void SetUp() override {
    if (tayfa::test::with_sanitizer) {
      GTEST_SKIP() << tayfa::test::sanitizer_needs_it;
    }
    auto made = process_engine_host::make(
        {.program = engine_program, .run_folder = home.path() + "/run"}, log);
    ASSERT_TRUE(made.has_value()) << made.error().str();
    host = std::move(*made);
  }
};

TEST_F(shortage_test, the_start_is_tried_again_and_the_engine_runs) {
  {
    const no_descriptors shortage;
    host->start({worker, "scripted", {}}, box.sink());
    ASSERT_TRUE(log.wait_for("engine_start_delayed"));
  }
  EXPECT_EQ(box.wait_frame<protocol::hello>().engine, "scripted");
  EXPECT_EQ(log.lines("engine_start_delayed").size(), 1U) << "said once";
}

TEST_F(shortage_test, an_engine_that_is_not_wanted_any_more_is_not_started) {
  const no_descriptors shortage;
  host->start({worker, "scripted", {}}, box.sink());
  ASSERT_TRUE(log.wait_for("engine_start_delayed"));
  host->kill(worker, SIGTERM);
  EXPECT_FALSE(box.wait<engine_exited>().started);
}

TEST_F(shortage_test, a_host_that_closes_does_not_wait_for_the_end_of_it) {
  const no_descriptors shortage;
  host->start({worker, "scripted", {}}, box.sink());
  ASSERT_TRUE(log.wait_for("engine_start_delayed"));
  host.reset();
  EXPECT_FALSE(box.wait<engine_exited>().started);
}

} // namespace
} // namespace tayfa::test
