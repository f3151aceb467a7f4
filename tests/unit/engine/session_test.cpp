#include "runtime/engine/session.hpp"

#include "runtime/engine/scripted.hpp"
#include "tests/unit/engine/fixture.hpp"

#include <gmock/gmock.h>

namespace tayfa::engine::test {
namespace {

constexpr worker_ref me{slot_id{3}, 7};

struct session_test : testing::Test {
  manual_time time;
  fake_dispatcher wire;
  std::unique_ptr<session> it;

  void open(const std::string& behavior = {}, std::uint32_t capacity = 1) {
    auto parsed = parse_behavior(behavior);
    ASSERT_TRUE(parsed.has_value()) << parsed.error().str();
    parsed->device.capacity = std::max(parsed->device.capacity, capacity);
    session_options options;
    options.pid = 42;
    options.memory = [] { return memory_use{1000, 2000}; };
    add_faults(*parsed, options);
    it = std::make_unique<session>(
        me,
        [&](sink& out) {
          return std::make_unique<scripted_engine>(out, time, scripted_options{*parsed});
        },
        wire, time, options);
    begin();
  }
  void begin() {
    wire.link = fake_dispatcher{}.link;
    it->open();
    wire.answer(*it);
  }
  void tell(const protocol::downstream& message, worker_ref to = me) {
    wire.give(*it, message, to);
  }
  void open_and_load(std::uint32_t capacity = 1) {
    open({}, capacity);
    tell(protocol::load_model{"m", "", ""});
    ASSERT_EQ(all<protocol::load_finished>(wire.said).size(), 1U);
  }
  /// Lets virtual time pass, stopping at every wake-up on the way.
  void pass(std::chrono::nanoseconds span) {
    const auto end = time.now() + span;
    while (it->next_wakeup() && *it->next_wakeup() <= end) {
      time.set(std::max(time.now(), *it->next_wakeup()));
      it->wake(time.now());
    }
    time.set(end);
    it->wake(end);
  }
};

TEST_F(session_test, names_its_slot_and_incarnation) {
  open({}, 2);
  ASSERT_EQ(wire.said.size(), 1U);
  const auto& hello = std::get<protocol::hello>(wire.said[0]);
  EXPECT_EQ(hello.pid, 42U);
  EXPECT_EQ(hello.engine, "scripted");
  EXPECT_EQ(hello.device, "cpu");
  EXPECT_EQ(hello.capacity, 2U);
  EXPECT_EQ(wire.workers[0], me);
}

TEST_F(session_test, beats_as_often_as_the_welcome_says) {
  open();
  pass(10s);
  EXPECT_TRUE(all<protocol::heartbeat>(wire.said).empty());
  tell(protocol::welcome{500});
  pass(2s);
  const auto beats = all<protocol::heartbeat>(wire.said);
  ASSERT_EQ(beats.size(), 4U);
  EXPECT_EQ(beats[0].sequence, 1U);
  EXPECT_EQ(beats[3].sequence, 4U);
  EXPECT_EQ(beats[0].rss_bytes, 1000U);
  EXPECT_EQ(beats[0].device_bytes, 2000U);
}

TEST_F(session_test, a_welcome_without_an_interval_is_no_flood) {
  open();
  tell(protocol::welcome{0});
  pass(1s);
  EXPECT_EQ(all<protocol::heartbeat>(wire.said).size(), 100U);
}

TEST_F(session_test, beats_go_on_while_a_job_hangs) {
  open_and_load();
  tell(protocol::welcome{100});
  tell(assign("a", R"({"mock_hang":true})"));
  tell(protocol::cancel{attempt("a")});
  pass(1s);
  EXPECT_EQ(all<protocol::heartbeat>(wire.said).size(), 10U);
  EXPECT_EQ(all<protocol::heartbeat>(wire.said).back().running, 1U);
  EXPECT_TRUE(all<protocol::finished>(wire.said).empty());
}

TEST_F(session_test, falls_silent_on_request) {
  open(R"({"no_heartbeat_after":1})");
  tell(protocol::welcome{100});
  pass(10s);
  EXPECT_EQ(all<protocol::heartbeat>(wire.said).size(), 9U);
}

TEST_F(session_test, hello_may_be_late_or_never) {
  open(R"({"init_delay":2})");
  EXPECT_TRUE(wire.said.empty());
  EXPECT_EQ(it->next_wakeup(), time.now() + 2s);
  pass(2s);
  EXPECT_EQ(all<protocol::hello>(wire.said).size(), 1U);

  wire.said.clear();
  open(R"({"init_crash":true})");
  EXPECT_TRUE(wire.said.empty());
  EXPECT_TRUE(it->dead());
}

TEST_F(session_test, runs_a_job_and_numbers_what_it_says) {
  open_and_load();
  wire.said.clear();
  tell(assign("a", R"({"mock_progress":{"updates":2},"mock_stream":[1,2,3],"mock_return":"r",
                       "mock_logs":[{"level":"warn","message":"w"}]})"));
  ASSERT_EQ(wire.said.size(), 8U);
  EXPECT_TRUE(std::holds_alternative<protocol::started>(wire.said[0]));
  EXPECT_EQ(std::get<protocol::log>(wire.said[1]).level, 2);
  EXPECT_EQ(std::get<protocol::progress>(wire.said[2]).sequence, 1U);
  EXPECT_EQ(std::get<protocol::progress>(wire.said[3]).sequence, 2U);
  EXPECT_EQ(std::get<protocol::partial>(wire.said[4]).sequence, 1U);
  EXPECT_EQ(std::get<protocol::partial>(wire.said[6]).sequence, 3U);
  EXPECT_EQ(std::get<protocol::finished>(wire.said[7]).output.view(), R"("r")");
  tell(assign("b", R"({"mock_progress":{"updates":1}})"));
  EXPECT_EQ(all<protocol::progress>(wire.said).back().sequence, 1U);
}

TEST_F(session_test, ignores_other_incarnations_and_broken_frames) {
  open_and_load();
  const auto before = wire.said.size();
  tell(assign("a", "1"), worker_ref{slot_id{3}, 6});
  tell(assign("a", "1"), worker_ref{slot_id{2}, 7});
  tell(protocol::shutdown{}, worker_ref{slot_id{3}, 8});
  const std::string broken = "\x93\x01";
  it->on_message(broken);
  it->on_message({});
  EXPECT_EQ(wire.said.size(), before);
  EXPECT_FALSE(it->done());
  EXPECT_EQ(it->counters().foreign_frames, 3U);
  EXPECT_EQ(it->counters().bad_frames, 2U);
}

TEST_F(session_test, a_repeated_assign_runs_nothing_twice) {
  open_and_load();
  tell(assign("a", R"({"mock_delay":1})"));
  tell(assign("a", R"({"mock_delay":1})"));
  pass(2s);
  tell(assign("a", R"({"mock_delay":1})"));
  pass(2s);
  EXPECT_EQ(all<protocol::started>(wire.said).size(), 1U);
  EXPECT_EQ(all<protocol::finished>(wire.said).size(), 1U);
  EXPECT_EQ(it->counters().out_of_place, 2U);
  tell(assign("a", "1", 2));
  EXPECT_EQ(all<protocol::finished>(wire.said).size(), 2U) << "a new attempt is another thing";
}

TEST_F(session_test, an_assign_that_cannot_be_taken_is_answered) {
  open();
  tell(assign("early", "1"));
  tell(protocol::load_model{"m", "", ""});
  tell(assign("one", R"({"mock_delay":1})"));
  tell(assign("two", "1"));
  const auto done = all<protocol::finished>(wire.said);
  ASSERT_EQ(done.size(), 2U);
  EXPECT_EQ(errc_from(done[0].code), errc::not_ready);
  EXPECT_EQ(errc_from(done[1].code), errc::engine_protocol);
  EXPECT_EQ(all<protocol::started>(wire.said).size(), 1U);
}

TEST_F(session_test, a_cancelled_attempt_ends_once) {
  open_and_load();
  tell(assign("a", R"({"mock_delay":60})"));
  tell(protocol::cancel{attempt("a", 2)});
  EXPECT_TRUE(all<protocol::finished>(wire.said).empty());
  tell(protocol::cancel{attempt("a")});
  tell(protocol::cancel{attempt("a")});
  pass(120s);
  const auto done = all<protocol::finished>(wire.said);
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(done[0].how, protocol::outcome::cancelled);
}

TEST_F(session_test, shutdown_is_the_end) {
  open_and_load();
  tell(protocol::welcome{100});
  tell(assign("a", R"({"mock_delay":1})"));
  const auto before = wire.said.size();
  tell(protocol::shutdown{});
  EXPECT_TRUE(it->done());
  EXPECT_FALSE(it->next_wakeup().has_value());
  pass(10s);
  tell(assign("b", "1"));
  EXPECT_EQ(wire.said.size(), before);
}

TEST_F(session_test, a_crash_is_reported_once_and_then_nothing_more) {
  int crashes = 0;
  it = std::make_unique<session>(
      me, [&](sink& out) { return std::make_unique<scripted_engine>(out, time); }, wire, time,
      session_options{.on_crash = [&] { ++crashes; }});
  begin();
  tell(protocol::load_model{"m", "", ""});
  tell(protocol::welcome{100});
  tell(assign("a", R"({"mock_crash":true,"mock_delay":1})"));
  pass(950ms);
  const auto before = wire.said.size();
  pass(10s);
  EXPECT_EQ(crashes, 1);
  EXPECT_TRUE(it->dead());
  EXPECT_FALSE(it->done());
  EXPECT_LE(wire.said.size(), before + 2) << "a heartbeat and its steps may be due then";
  EXPECT_TRUE(all<protocol::finished>(wire.said).empty());
}

TEST_F(session_test, garbage_leaves_as_it_is) {
  open_and_load();
  tell(assign("a", R"({"mock_garbage":true})"));
  ASSERT_EQ(wire.raw.size(), 1U);
}

// An engine that breaks every rule a session is there to keep.
class rude_engine final : public engine {
 public:
  explicit rude_engine(sink& out) : out_(out) {}
  std::string kind() const override { return std::string(100'000, 'k'); }
  std::string device() const override { return "cpu"; }
  std::uint32_t capacity() const override { return 0; }
  void load(const protocol::load_model& m) override {
    out_.emit(protocol::load_finished{m.model, true, 0, std::string(100'000, 't'), 0, 0});
    out_.emit(protocol::load_finished{m.model, true, 0, "again", 0, 0});
  }
  void start(const protocol::assign& m) override {
    out_.emit(protocol::hello{});
    out_.emit(protocol::heartbeat{});
    out_.emit(protocol::started{m.attempt});
    out_.emit(protocol::log{m.attempt, 200, std::string(65'535, 'x') + "\xc3\xa9"});
    protocol::finished last;
    last.attempt = m.attempt;
    last.output = shared_text{std::string(protocol::frame_bytes_max, '1')};
    out_.emit(last);
    out_.emit(last);
    out_.emit(protocol::progress{m.attempt, 0, shared_text{"1"}});
    out_.emit(protocol::partial{m.attempt, 0, shared_text{"1"}});
    out_.emit(protocol::log{m.attempt, 1, "late"});
  }
  void cancel(const attempt_ref&) override {}
  std::uint32_t running() const override { return 0; }
  void wake(moment) override {}

 private:
  sink& out_;
};

TEST_F(session_test, no_frame_leaves_that_the_other_side_would_refuse) {
  it = std::make_unique<session>(
      me, [](sink& out) { return std::make_unique<rude_engine>(out); }, wire, time);
  begin();
  tell(protocol::load_model{"m", "", ""});
  tell(assign("a", "1"));
  EXPECT_TRUE(wire.raw.empty()) << "every frame could be decoded";
  ASSERT_EQ(wire.said.size(), 5U);
  EXPECT_EQ(std::get<protocol::hello>(wire.said[0]).engine.size(), protocol::text_bytes_max);
  EXPECT_EQ(std::get<protocol::hello>(wire.said[0]).capacity, 1U);
  EXPECT_TRUE(std::holds_alternative<protocol::load_finished>(wire.said[1]));
  EXPECT_TRUE(std::holds_alternative<protocol::started>(wire.said[2]));
  const auto& log = std::get<protocol::log>(wire.said[3]);
  EXPECT_EQ(log.level, 3);
  EXPECT_EQ(log.text, std::string(65'535, 'x')) << "cut before the character, not inside it";
  const auto& last = std::get<protocol::finished>(wire.said[4]);
  EXPECT_EQ(last.how, protocol::outcome::failed);
  EXPECT_EQ(errc_from(last.code), errc::job_failed);
  EXPECT_EQ(it->counters().late_events, 7U);
}

// ---- batches --------------------------------------------------------------------------------

struct batch_test : session_test {
  void open_with(const std::string& behavior) {
    open(behavior);
    tell(protocol::load_model{"m", "", ""});
    ASSERT_TRUE(all<protocol::load_finished>(wire.said).back().ok);
  }
  void give(const std::string& job, std::uint64_t batch, std::uint32_t size,
            const std::string& input = "1") {
    auto message = assign(job, input);
    message.batch = batch;
    message.batch_size = size;
    tell(message);
  }
  std::vector<std::string> ended() const {
    std::vector<std::string> out;
    for (const auto& m : all<protocol::finished>(wire.said)) {
      const auto code = errc_from(m.code);
      out.push_back(m.attempt.job.str() + " " +
                    (m.how == protocol::outcome::completed   ? "completed"
                     : m.how == protocol::outcome::cancelled ? "cancelled"
                                                             : std::string{to_string(*code)}));
    }
    return out;
  }
};
using testing::ElementsAre;

TEST_F(batch_test, says_what_its_engine_can_do) {
  open(R"({"batch_max":8,"memory_bytes":123,"device":"toy"})");
  const auto hello = all<protocol::hello>(wire.said).at(0);
  EXPECT_EQ(hello.batch_max, 8U);
  EXPECT_EQ(hello.capacity, 8U);
  EXPECT_FALSE(hello.continuous);
  EXPECT_TRUE(hello.steps);
  EXPECT_EQ(hello.memory_bytes, 123U);
  tell(protocol::load_model{"m", "", ""});
  EXPECT_EQ(all<protocol::load_finished>(wire.said).at(0).batch_max, 8U);
}

TEST_F(batch_test, starts_when_all_members_have_arrived) {
  open_with(R"({"batch_max":4})");
  give("a", 7, 3);
  give("b", 7, 3);
  EXPECT_TRUE(all<protocol::started>(wire.said).empty());
  give("b", 7, 3); // repeated: no new member
  EXPECT_TRUE(all<protocol::started>(wire.said).empty());
  give("c", 7, 3);
  EXPECT_EQ(all<protocol::started>(wire.said).size(), 3U);
  EXPECT_THAT(ended(), ElementsAre("a completed", "b completed", "c completed"));
}

TEST_F(batch_test, a_member_that_was_cancelled_has_arrived) {
  open_with(R"({"batch_max":4})");
  give("a", 1, 3);
  give("b", 1, 3);
  tell(protocol::cancel{attempt("a")});
  EXPECT_THAT(ended(), ElementsAre("a cancelled"));
  give("c", 1, 3);
  EXPECT_THAT(ended(), ElementsAre("a cancelled", "b completed", "c completed"));
  EXPECT_EQ(all<protocol::started>(wire.said).size(), 2U);
}

TEST_F(batch_test, a_member_that_is_refused_has_arrived) {
  open_with(R"({"batch_max":2})");
  give("busy", 0, 1, R"({"mock_delay":1})");
  give("a", 1, 2);
  give("b", 1, 2);
  EXPECT_THAT(ended(), ElementsAre("b engine_protocol"));
  pass(1s);
  EXPECT_THAT(ended(), ElementsAre("b engine_protocol", "busy completed", "a completed"));
}

TEST_F(batch_test, a_batch_without_members_gives_way) {
  open_with(R"({"batch_max":4})");
  give("a", 1, 2);
  tell(protocol::cancel{attempt("a")});
  give("b", 2, 1);
  EXPECT_THAT(ended(), ElementsAre("a cancelled", "b completed"));
  give("c", 3, 2);
  give("d", 4, 1);
  EXPECT_THAT(ended(), testing::Contains("d engine_protocol")) << "c still waits for others";
  give("e", 3, 2);
  EXPECT_THAT(ended(), testing::IsSupersetOf({"c completed", "e completed"}));
}

TEST_F(batch_test, sizes_that_the_engine_does_not_take_are_refused) {
  open_with(R"({"batch_max":2})");
  give("a", 1, 3);
  give("b", 2, 0);
  give("c", 3, 2);
  give("d", 3, 1);
  EXPECT_THAT(ended(), ElementsAre("a engine_protocol", "b engine_protocol", "d engine_protocol",
                                   "c completed"));
  EXPECT_EQ(it->counters().out_of_place, 3U);
}

// ---- progress -------------------------------------------------------------------------------

TEST_F(batch_test, heartbeats_report_the_steps_of_attempts_that_made_progress) {
  open_with(R"({"capacity":2})");
  tell(protocol::welcome{1000});
  give("a", 0, 1, R"({"mock_delay":2.5,"mock_hang":true})");
  give("b", 0, 1, R"({"mock_hang":true})");
  pass(6s);
  const auto reports = all<protocol::stepped>(wire.said);
  ASSERT_EQ(reports.size(), 3U);
  EXPECT_EQ(reports[0].attempt, attempt("a"));
  EXPECT_EQ(reports[0].steps, 10U);
  EXPECT_EQ(reports[1].steps, 20U);
  EXPECT_EQ(reports[2].steps, 25U);
  const auto beats = all<protocol::heartbeat>(wire.said);
  ASSERT_EQ(beats.size(), 6U);
  EXPECT_EQ(beats[1].steps, 20U);
  EXPECT_EQ(beats[5].steps, 25U) << "alive, and not going forward";
}

TEST_F(batch_test, an_engine_that_counts_no_steps_tells_none) {
  open_with(R"({"steps":false})");
  tell(protocol::welcome{1000});
  give("a", 0, 1, R"({"mock_delay":5})");
  pass(4s);
  EXPECT_FALSE(all<protocol::hello>(wire.said).at(0).steps);
  EXPECT_TRUE(all<protocol::stepped>(wire.said).empty());
}

} // namespace
} // namespace tayfa::engine::test
