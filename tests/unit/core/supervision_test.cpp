#include "runtime/core/supervision.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa::supervision {
namespace {

using std::chrono::seconds;

std::string text_of(const order& o) {
  struct {
    std::string operator()(const start_child& x) const {
      return "start " + std::to_string(x.index);
    }
    std::string operator()(const start_later& x) const {
      return "later " + std::to_string(x.index) + " " + std::to_string(x.after.count());
    }
    std::string operator()(const stop_child& x) const { return "stop " + std::to_string(x.index); }
    std::string operator()(const gave_up& x) const { return "gave_up " + std::to_string(x.index); }
    std::string operator()(const quarantined& x) const {
      return "quarantined " + std::to_string(x.index) + " " + std::to_string(x.time.count());
    }
    std::string operator()(const all_stopped&) const { return "all_stopped"; }
  } words;
  return std::visit(words, o);
}

/// A group of three permanent children, driven by hand. Backoff has no jitter here: 100, 200, 400 …
/// ms.
struct group_script {
  explicit group_script(strategy how, std::uint32_t intensity = 3,
                        std::vector<restart> kinds = {restart::permanent, restart::permanent,
                                                      restart::permanent},
                        milliseconds quarantine = milliseconds{0})
      : group_(make_policy(how, intensity, quarantine), make_children(kinds), random_) {}

  static policy make_policy(strategy how, std::uint32_t intensity, milliseconds quarantine) {
    policy p;
    p.quarantine_base = quarantine;
    p.quarantine_max = 8 * quarantine;
    p.how = how;
    p.intensity = intensity;
    p.jitter = 0;
    return p;
  }
  static std::vector<child_spec> make_children(const std::vector<restart>& kinds) {
    std::vector<child_spec> out;
    for (const auto kind : kinds) {
      out.push_back({"child" + std::to_string(out.size()), kind, milliseconds{500}});
    }
    return out;
  }

  std::string say(const orders& all) {
    std::string out;
    for (const auto& o : all) {
      out += (out.empty() ? "" : "; ") + text_of(o);
      if (const auto* later = std::get_if<start_later>(&o)) {
        timer = *later;
      }
      if (const auto* up = std::get_if<gave_up>(&o)) {
        why = up->why;
      }
    }
    return out;
  }
  std::string start() { return say(group_.start(now)); }
  std::string fails(std::size_t i) { return say(group_.ended(now, i, false)); }
  std::string ends(std::size_t i) { return say(group_.ended(now, i, true)); }
  std::string refreshes(std::size_t i) { return say(group_.refreshed(now, i)); }
  std::string is_excused(std::size_t i) { return say(group_.excused(now, i)); }
  std::string stop() { return say(group_.stop(now)); }
  /// The latest start_later fires.
  std::string due() {
    now += timer.after;
    return say(group_.due(now, timer.index, timer.ticket));
  }
  std::string due(const start_later& t) { return say(group_.due(now, t.index, t.ticket)); }
  std::string states() const {
    static const char* const names[] = {"waiting", "running",  "backing_off", "stopping",
                                        "stopped", "given_up", "quarantined"};
    std::string out;
    for (std::size_t i = 0; i < group_.children().size(); ++i) {
      out += (i == 0 ? "" : " ") + std::string{names[static_cast<int>(group_.state(i))]};
    }
    return out;
  }

  seeded_random random_{1};
  group group_;
  moment now{seconds{1000}};
  start_later timer{};
  error why;
};

// ---- starting and stopping ----------------------------------------------------------------------

TEST(supervision, children_start_in_order_and_stop_in_reverse_one_by_one) {
  group_script s{strategy::one_for_one};
  EXPECT_EQ(s.states(), "waiting waiting waiting");
  EXPECT_EQ(s.start(), "start 0; start 1; start 2");
  EXPECT_EQ(s.stop(), "stop 2");
  EXPECT_EQ(s.states(), "running running stopping");
  EXPECT_EQ(s.ends(2), "stop 1");
  EXPECT_EQ(s.fails(1), "stop 0") << "a failure while stopping is an end";
  EXPECT_EQ(s.ends(0), "all_stopped");
  EXPECT_EQ(s.states(), "stopped stopped stopped");
  EXPECT_EQ(s.start(), "") << "a group lives once";
}

TEST(supervision, the_stop_order_carries_the_childs_own_timeout) {
  group_script s{strategy::one_for_one};
  s.start();
  const auto consequences = s.group_.stop(s.now);
  EXPECT_EQ(std::get<stop_child>(consequences.at(0)).timeout, milliseconds{500});
}

TEST(supervision, a_child_that_ends_by_itself_while_the_group_stops_is_not_asked) {
  group_script s{strategy::one_for_one};
  s.start();
  s.stop();
  EXPECT_EQ(s.fails(1), "");
  EXPECT_EQ(s.ends(2), "stop 0");
  EXPECT_EQ(s.ends(0), "all_stopped");
}

TEST(supervision, stopping_twice_is_stopping_once) {
  group_script s{strategy::one_for_one};
  s.start();
  s.stop();
  EXPECT_EQ(s.stop(), "");
  s.ends(2);
  s.ends(1);
  EXPECT_EQ(s.ends(0), "all_stopped");
  EXPECT_EQ(s.stop(), "all_stopped") << "asked again, it says so again";
}

TEST(supervision, nothing_to_stop_is_stopped_at_once) {
  group_script fresh{strategy::one_for_one};
  EXPECT_EQ(fresh.stop(), "all_stopped");
  EXPECT_EQ(fresh.start(), "");
  group_script empty{strategy::one_for_all, 3, {}};
  EXPECT_EQ(empty.start(), "");
  EXPECT_EQ(empty.stop(), "all_stopped");
}

TEST(supervision, ends_of_unknown_or_dead_children_are_ignored) {
  group_script s{strategy::one_for_one};
  EXPECT_EQ(s.fails(0), "") << "not started yet";
  s.start();
  EXPECT_EQ(s.fails(9), "");
  s.fails(1);
  EXPECT_EQ(s.fails(1), "") << "it is dead already";
}

// ---- kinds --------------------------------------------------------------------------------------

TEST(supervision, what_comes_back_depends_on_the_kind_and_the_end) {
  const auto kinds = {restart::permanent, restart::transient, restart::temporary};
  group_script failing{strategy::one_for_one, 3, kinds};
  failing.start();
  EXPECT_EQ(failing.fails(0), "later 0 100");
  EXPECT_EQ(failing.fails(1), "later 1 100");
  EXPECT_EQ(failing.fails(2), "");
  EXPECT_EQ(failing.states(), "backing_off backing_off stopped");

  group_script normal{strategy::one_for_one, 3, kinds};
  normal.start();
  EXPECT_EQ(normal.ends(0), "later 0 100");
  EXPECT_EQ(normal.ends(1), "");
  EXPECT_EQ(normal.ends(2), "");
  EXPECT_EQ(normal.states(), "backing_off stopped stopped");
}

// ---- one_for_one --------------------------------------------------------------------------------

TEST(supervision, one_for_one_restarts_only_the_failed_child) {
  group_script s{strategy::one_for_one};
  s.start();
  EXPECT_EQ(s.fails(1), "later 1 100");
  EXPECT_EQ(s.states(), "running backing_off running");
  EXPECT_EQ(s.due(), "start 1");
  EXPECT_EQ(s.group_.restarts(), 1u);
  EXPECT_EQ(s.due(s.timer), "") << "a timer works once";
}

TEST(supervision, an_old_ticket_changes_nothing) {
  group_script s{strategy::one_for_one};
  s.start();
  s.fails(1);
  const auto old = s.timer;
  s.due();
  s.fails(1);
  EXPECT_EQ(s.due(old), "");
  EXPECT_EQ(s.due({1, {}, 0}), "");
  EXPECT_EQ(s.due({9, {}, old.ticket}), "");
  EXPECT_EQ(s.due(), "start 1");
}

TEST(supervision, backoff_doubles_and_starts_anew_after_a_healthy_life) {
  group_script s{strategy::one_for_one, 100};
  s.start();
  EXPECT_EQ(s.fails(0), "later 0 100");
  s.due();
  EXPECT_EQ(s.fails(0), "later 0 200");
  s.due();
  EXPECT_EQ(s.fails(1), "later 1 100") << "each child has its own";
  EXPECT_EQ(s.fails(0), "later 0 400");
  s.due();
  s.now += seconds{30};
  EXPECT_EQ(s.fails(0), "later 0 100");
}

TEST(supervision, too_many_restarts_within_the_period_are_given_up) {
  group_script s{strategy::one_for_one};
  s.start();
  for (int i = 0; i < 3; ++i) {
    s.fails(1);
    EXPECT_EQ(s.due(), "start 1");
  }
  s.fails(0);
  EXPECT_EQ(s.fails(1), "gave_up 1");
  EXPECT_EQ(s.why.code, errc::restart_intensity);
  EXPECT_THAT(s.why.text, ::testing::HasSubstr("child1"));
  EXPECT_EQ(s.states(), "backing_off given_up running") << "the others live on";
  EXPECT_EQ(s.stop(), "stop 2");
  EXPECT_EQ(s.ends(2), "all_stopped");
}

TEST(supervision, the_period_slides) {
  group_script s{strategy::one_for_one, 2};
  s.start();
  const auto first = s.now;
  s.fails(0);
  s.due();
  s.now += seconds{40};
  s.fails(0);
  s.due();
  s.now = first + seconds{60};
  EXPECT_EQ(s.fails(0), "later 0 200") << "the first one is exactly a minute old";
  s.due();
  EXPECT_EQ(s.fails(0), "gave_up 0");
}

TEST(supervision, an_intensity_of_zero_allows_no_restart) {
  group_script s{strategy::one_for_one, 0};
  s.start();
  EXPECT_EQ(s.fails(2), "gave_up 2");
}

TEST(supervision, stop_drops_a_pending_restart) {
  group_script s{strategy::one_for_one};
  s.start();
  s.fails(1);
  EXPECT_EQ(s.stop(), "stop 2");
  EXPECT_EQ(s.due(), "");
  EXPECT_EQ(s.ends(2), "stop 0");
  EXPECT_EQ(s.ends(0), "all_stopped");
  EXPECT_EQ(s.due(), "");
}

TEST(supervision, a_child_refreshed_on_request_is_started_at_once_and_costs_nothing) {
  group_script s{strategy::one_for_one, 1};
  s.start();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(s.refreshes(1), "start 1");
  }
  EXPECT_EQ(s.fails(1), "later 1 100") << "the one allowed restart is still there";
  EXPECT_EQ(s.refreshes(1), "") << "it is not alive";
  EXPECT_EQ(s.refreshes(9), "");
}

TEST(supervision, a_child_brought_down_by_its_work_backs_off_but_is_never_given_up_for_it) {
  group_script s{strategy::one_for_one, 1};
  s.start();
  EXPECT_EQ(s.is_excused(1), "later 1 100");
  EXPECT_EQ(s.due(), "start 1");
  EXPECT_EQ(s.is_excused(1), "later 1 200");
  s.due();
  EXPECT_EQ(s.is_excused(1), "later 1 400");
  s.due();
  EXPECT_EQ(s.fails(1), "later 1 800") << "the one allowed restart is still there";
  s.due();
  EXPECT_EQ(s.fails(1), "gave_up 1");
  EXPECT_EQ(s.is_excused(9), "");
}

// ---- quarantine ---------------------------------------------------------------------------------

group_script with_quarantine(strategy how = strategy::one_for_one) {
  return group_script{how, 1, {restart::permanent, restart::permanent}, seconds{60}};
}

TEST(quarantine, takes_the_place_of_giving_up) {
  auto s = with_quarantine();
  s.start();
  EXPECT_EQ(s.fails(1), "later 1 100");
  s.due();
  EXPECT_EQ(s.fails(1), "quarantined 1 60000; later 1 60000");
  EXPECT_EQ(s.states(), "running quarantined") << "the others live on";
  EXPECT_EQ(s.fails(1), "") << "it does not live";
  EXPECT_EQ(s.due(), "start 1");
  EXPECT_EQ(s.states(), "running running");
}

TEST(quarantine, grows_while_the_one_try_after_it_fails) {
  auto s = with_quarantine();
  s.start();
  s.fails(1);
  s.due();
  s.fails(1);
  for (const auto* time : {"120000", "240000", "480000", "480000"}) {
    EXPECT_EQ(s.due(), "start 1");
    EXPECT_EQ(s.fails(1), std::string{"quarantined 1 "} + time + "; later 1 " + time);
  }
}

TEST(quarantine, is_forgotten_after_a_healthy_life) {
  auto s = with_quarantine();
  s.start();
  s.fails(1);
  s.due();
  s.fails(1);
  s.due();
  s.now += seconds{30};
  EXPECT_EQ(s.fails(1), "later 1 100") << "as if nothing had been";
  s.due();
  EXPECT_EQ(s.fails(1), "quarantined 1 60000; later 1 60000");
}

TEST(quarantine, of_one_child_costs_the_others_nothing) {
  auto s = with_quarantine();
  s.start();
  s.fails(1);
  s.due();
  s.fails(1);
  const auto out_again = s.timer;
  EXPECT_EQ(s.fails(0), "later 0 100");
  EXPECT_EQ(s.due(), "start 0");
  EXPECT_EQ(s.due(out_again), "start 1");
}

TEST(quarantine, ends_with_a_stop) {
  auto s = with_quarantine();
  s.start();
  s.fails(1);
  s.due();
  s.fails(1);
  EXPECT_EQ(s.stop(), "stop 0");
  EXPECT_EQ(s.ends(0), "all_stopped");
  EXPECT_EQ(s.states(), "stopped stopped");
  EXPECT_EQ(s.due(), "");
}

TEST(quarantine, is_not_counted_against_a_child_that_its_work_brought_down) {
  auto s = with_quarantine();
  s.start();
  s.fails(1);
  s.due();
  s.fails(1);
  s.due();
  EXPECT_EQ(s.is_excused(1), "later 1 200");
  s.due();
  EXPECT_EQ(s.fails(1), "quarantined 1 120000; later 1 120000");
}

TEST(quarantine, is_for_children_that_are_restarted_alone) {
  auto s = with_quarantine(strategy::one_for_all);
  s.start();
  s.fails(1);
  s.ends(0);
  s.due();
  s.fails(1);
  EXPECT_EQ(s.ends(0), "gave_up 1");
}

// ---- stopping -----------------------------------------------------------------------------------

TEST(supervision, while_the_group_stops_no_end_brings_a_child_back) {
  group_script s{strategy::one_for_one};
  s.start();
  s.stop();
  EXPECT_EQ(s.refreshes(2), "stop 1");
  EXPECT_EQ(s.is_excused(1), "stop 0");
  EXPECT_EQ(s.is_excused(0), "all_stopped");
}

// ---- rest_for_one, one_for_all ------------------------------------------------------------------

TEST(supervision, rest_for_one_restarts_the_failed_child_and_those_after_it) {
  group_script s{strategy::rest_for_one};
  s.start();
  EXPECT_EQ(s.fails(1), "stop 2");
  EXPECT_EQ(s.states(), "running backing_off stopping");
  EXPECT_EQ(s.ends(2), "later 1 100");
  EXPECT_EQ(s.due(), "start 1; start 2");
  EXPECT_EQ(s.group_.restarts(), 1u);
  EXPECT_EQ(s.fails(2), "later 2 200") << "the backoff is the group's";
}

TEST(supervision, one_for_all_restarts_all_in_order_after_stopping_in_reverse) {
  group_script s{strategy::one_for_all};
  s.start();
  EXPECT_EQ(s.fails(1), "stop 2");
  EXPECT_EQ(s.ends(2), "stop 0");
  EXPECT_EQ(s.ends(0), "later 0 100");
  EXPECT_EQ(s.states(), "backing_off backing_off backing_off");
  EXPECT_EQ(s.due(), "start 0; start 1; start 2");
}

TEST(supervision, a_second_end_among_the_affected_belongs_to_the_same_restart) {
  group_script s{strategy::one_for_all};
  s.start();
  s.fails(1);
  EXPECT_EQ(s.fails(0), "");
  EXPECT_EQ(s.fails(2), "later 0 100");
  EXPECT_EQ(s.due(), "start 0; start 1; start 2");
  EXPECT_EQ(s.group_.restarts(), 1u);
}

TEST(supervision, an_earlier_failure_widens_a_restart_that_is_stopping) {
  group_script s{strategy::rest_for_one, 3, std::vector<restart>(4, restart::permanent)};
  s.start();
  EXPECT_EQ(s.fails(2), "stop 3");
  EXPECT_EQ(s.fails(0), "") << "3 is still awaited";
  EXPECT_EQ(s.ends(3), "stop 1");
  EXPECT_EQ(s.ends(1), "later 0 100");
  EXPECT_EQ(s.due(), "start 0; start 1; start 2; start 3");
}

TEST(supervision, an_earlier_failure_widens_a_restart_that_waits) {
  group_script s{strategy::rest_for_one};
  s.start();
  s.fails(2);
  const auto old = s.timer;
  EXPECT_EQ(s.fails(0), "stop 1");
  EXPECT_EQ(s.due(old), "") << "not while 1 is being stopped";
  EXPECT_EQ(s.ends(1), "later 0 200");
  EXPECT_EQ(s.due(old), "") << "nor before the new delay is over";
  EXPECT_EQ(s.due(), "start 0; start 1; start 2");
}

TEST(supervision, who_reached_its_end_is_not_brought_back_by_a_sibling) {
  group_script s{strategy::one_for_all,
                 3,
                 {restart::transient, restart::temporary, restart::transient, restart::permanent}};
  s.start();
  EXPECT_EQ(s.ends(0), "");
  EXPECT_EQ(s.fails(3), "stop 2");
  EXPECT_EQ(s.ends(2), "stop 1");
  EXPECT_EQ(s.ends(1), "later 2 100");
  EXPECT_EQ(s.due(), "start 2; start 3");
  EXPECT_EQ(s.states(), "stopped stopped running running");
}

TEST(supervision, a_group_is_stopped_before_it_is_given_up) {
  for (const auto how : {strategy::rest_for_one, strategy::one_for_all}) {
    group_script s{how, 0};
    s.start();
    EXPECT_EQ(s.fails(1), "stop 2");
    EXPECT_EQ(s.fails(0), "") << "one more end changes nothing";
    EXPECT_EQ(s.ends(2), "gave_up 1");
    EXPECT_EQ(s.states(), "stopped given_up stopped");
    EXPECT_EQ(s.stop(), "all_stopped");
  }
}

TEST(supervision, the_intensity_of_a_group_is_counted_over_all_its_children) {
  group_script s{strategy::one_for_all, 1};
  s.start();
  s.fails(0);
  s.ends(2);
  s.ends(1);
  s.due();
  EXPECT_EQ(s.fails(2), "stop 1");
  EXPECT_EQ(s.ends(1), "stop 0");
  EXPECT_EQ(s.ends(0), "gave_up 2");
}

TEST(supervision, stop_during_a_group_restart_drops_it) {
  group_script clearing{strategy::one_for_all};
  clearing.start();
  clearing.fails(1);
  EXPECT_EQ(clearing.stop(), "") << "2 has been asked already";
  EXPECT_EQ(clearing.ends(2), "stop 0");
  EXPECT_EQ(clearing.ends(0), "all_stopped");

  group_script pausing{strategy::rest_for_one};
  pausing.start();
  pausing.fails(2);
  EXPECT_EQ(pausing.stop(), "stop 1");
  EXPECT_EQ(pausing.due(), "");
  EXPECT_EQ(pausing.ends(1), "stop 0");
  EXPECT_EQ(pausing.ends(0), "all_stopped");
}

TEST(supervision, stop_while_giving_up_says_both) {
  group_script s{strategy::one_for_all, 0};
  s.start();
  s.fails(1);
  EXPECT_EQ(s.stop(), "");
  EXPECT_EQ(s.ends(2), "stop 0");
  EXPECT_EQ(s.ends(0), "gave_up 1; all_stopped");
}

// ---- backoff ------------------------------------------------------------------------------------

TEST(supervision, backoff_is_capped_and_spread_by_the_jitter) {
  policy p;
  p.jitter = 0;
  seeded_random random{3};
  EXPECT_EQ(backoff(p, 0, random), milliseconds{100});
  EXPECT_EQ(backoff(p, 3, random), milliseconds{800});
  EXPECT_EQ(backoff(p, 4'000'000'000u, random), milliseconds{10'000});
  p.jitter = 0.2;
  auto least = milliseconds::max();
  auto most = milliseconds::min();
  for (int i = 0; i < 1000; ++i) {
    const auto delay = backoff(p, 0, random);
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  EXPECT_GE(least, milliseconds{80});
  EXPECT_LT(least, milliseconds{85});
  EXPECT_LE(most, milliseconds{120});
  EXPECT_GT(most, milliseconds{115});
  p.backoff_base = milliseconds{0};
  EXPECT_EQ(backoff(p, 9, random), milliseconds{0});
}

} // namespace
} // namespace tayfa::supervision
