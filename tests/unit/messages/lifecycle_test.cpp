// The five lifecycle tables: what the header's diagrams say, written down once more, and laws that
// hold for all.
#include "messages/lifecycle.hpp"

#include <deque>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <set>

namespace tayfa {
namespace {

constexpr cause all_causes[] = {
#define TAYFA_X(name) cause::name,
    TAYFA_CAUSES(TAYFA_X)
#undef TAYFA_X
};

template <class State>
using path = std::vector<edge<State>>;

/// The shortest way from the initial state to every state that can be reached.
template <class State>
std::map<State, path<State>> ways() {
  using traits = machine_traits<State>;
  std::map<State, path<State>> found{{traits::initial, {}}};
  std::deque<State> open{traits::initial};
  while (!open.empty()) {
    const auto at = open.front();
    open.pop_front();
    for (const auto& e : traits::edges) {
      if (e.from == at && !found.contains(e.to)) {
        auto way = found.at(at);
        way.push_back(e);
        found.emplace(e.to, way);
        open.push_back(e.to);
      }
    }
  }
  return found;
}

template <class State>
machine<State> machine_in(State wanted) {
  machine<State> m;
  const auto way = ways<State>().at(wanted);
  for (const auto& e : way) {
    EXPECT_TRUE(m.move_to(e.to, e.why));
  }
  EXPECT_EQ(m.state(), wanted);
  return m;
}

template <class State>
bool legal(State from, State to, cause why) {
  for (const auto& e : machine_traits<State>::edges) {
    if (e.from == from && e.to == to && e.why == why) {
      return true;
    }
  }
  return false;
}

template <class State>
class lifecycle : public ::testing::Test {};
using all_machines =
    ::testing::Types<pod_state, stop_state, engine_state, ingress_state, job_state>;
TYPED_TEST_SUITE(lifecycle, all_machines);

TYPED_TEST(lifecycle, starts_in_its_first_state) {
  EXPECT_EQ(machine<TypeParam>{}.state(), machine_traits<TypeParam>::states.front());
  EXPECT_EQ(machine_traits<TypeParam>::initial, machine_traits<TypeParam>::states.front());
}

TYPED_TEST(lifecycle, every_state_can_be_reached) {
  const auto found = ways<TypeParam>();
  for (const auto s : machine_traits<TypeParam>::states) {
    EXPECT_TRUE(found.contains(s)) << to_string(s);
  }
}

TYPED_TEST(lifecycle, legal_moves_move_and_all_others_are_refused_by_name) {
  using traits = machine_traits<TypeParam>;
  std::size_t moves = 0;
  for (const auto from : traits::states) {
    const auto start = machine_in(from);
    for (const auto to : traits::states) {
      for (const auto why : all_causes) {
        auto m = start;
        const auto done = m.move_to(to, why);
        if (legal(from, to, why)) {
          ++moves;
          ASSERT_TRUE(done) << done.error().str();
          EXPECT_EQ(*done, from);
          EXPECT_EQ(m.state(), to);
        } else {
          ASSERT_FALSE(done) << to_string(from) << " -> " << to_string(to);
          EXPECT_EQ(m.state(), from);
          EXPECT_EQ(done.error().code, errc::illegal_transition);
          EXPECT_EQ(done.error().text,
                    std::string{traits::name} + " " + std::string{to_string(from)} + " -> " +
                        std::string{to_string(to)} + " (" + std::string{to_string(why)} + ")");
        }
      }
    }
  }
  EXPECT_EQ(moves, traits::edges.size()) << "an edge stands in the table twice";
}

TYPED_TEST(lifecycle, only_final_states_have_no_exit_and_the_end_can_always_be_reached) {
  using traits = machine_traits<TypeParam>;
  std::set<TypeParam> ends;
  for (const auto s : traits::states) {
    if (is_final(s)) {
      ends.insert(s);
    }
  }
  EXPECT_FALSE(ends.empty());
  std::set<TypeParam> can_end = ends;
  for (std::size_t i = 0; i < traits::states.size(); ++i) {
    for (const auto& e : traits::edges) {
      if (can_end.contains(e.to)) {
        can_end.insert(e.from);
      }
    }
  }
  EXPECT_EQ(can_end.size(), traits::states.size());
}

TYPED_TEST(lifecycle, nothing_moves_to_itself) {
  for (const auto& e : machine_traits<TypeParam>::edges) {
    EXPECT_NE(e.from, e.to) << to_string(e.from);
  }
}

TYPED_TEST(lifecycle, names_are_unique) {
  std::set<std::string_view> names;
  for (const auto s : machine_traits<TypeParam>::states) {
    EXPECT_TRUE(names.insert(to_string(s)).second) << to_string(s);
    EXPECT_NE(to_string(s), "?");
  }
}

TYPED_TEST(lifecycle, the_diagram_shows_every_edge_and_both_ends) {
  using traits = machine_traits<TypeParam>;
  const auto text = to_mermaid<TypeParam>();
  EXPECT_TRUE(text.starts_with("stateDiagram-v2\n    [*] --> " +
                               std::string{to_string(traits::initial)} + "\n"));
  std::size_t lines = 2;
  for (const auto& e : traits::edges) {
    EXPECT_THAT(text, ::testing::HasSubstr("    " + std::string{to_string(e.from)} + " --> " +
                                           std::string{to_string(e.to)} + " : " +
                                           std::string{to_string(e.why)} + "\n"));
    ++lines;
  }
  for (const auto s : traits::states) {
    const auto end = "    " + std::string{to_string(s)} + " --> [*]\n";
    EXPECT_EQ(text.find(end) != std::string::npos, is_final(s)) << to_string(s);
    lines += is_final(s) ? 1 : 0;
  }
  EXPECT_EQ(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')), lines);
}

// ---- each table by its own words ----------------------------------------------------------------

template <class State>
std::set<std::string> arrows() {
  std::set<std::string> out;
  for (const auto& e : machine_traits<State>::edges) {
    out.insert(std::string{to_string(e.from)} + ">" + std::string{to_string(e.to)});
  }
  return out;
}

TEST(lifecycle_tables, pod) {
  EXPECT_EQ(arrows<pod_state>(),
            (std::set<std::string>{"CREATED>STARTING", "STARTING>CONFIGURING",
                                   "CONFIGURING>LAUNCHING", "LAUNCHING>READY", "READY>RUNNING",
                                   "RUNNING>READY", "CREATED>STOPPING", "STARTING>STOPPING",
                                   "CONFIGURING>STOPPING", "LAUNCHING>STOPPING", "READY>STOPPING",
                                   "RUNNING>STOPPING", "STOPPING>STOPPED"}));
  EXPECT_TRUE(is_final(pod_state::STOPPED));
}

TEST(lifecycle_tables, stop) {
  const auto found = arrows<stop_state>();
  for (const auto* way :
       {"NOT_STOPPING>DRAINING_ORIGIN", "DRAINING_ORIGIN>FINISHING_ORIGIN",
        "FINISHING_ORIGIN>DRAINING_QUEUE", "DRAINING_QUEUE>DELIVERING",
        "DELIVERING>STOPPING_WORKERS", "STOPPING_WORKERS>STOPPING_CORE",
        "STOPPING_CORE>CLOSING_PORT", "CLOSING_PORT>CLOSING_STORE", "CLOSING_STORE>DONE"}) {
    EXPECT_TRUE(found.contains(way)) << way;
  }
  EXPECT_TRUE(is_final(stop_state::DONE));
}

TEST(lifecycle_tables, a_pods_stop_goes_forward_only) {
  for (const auto& e : machine_traits<stop_state>::edges) {
    EXPECT_LT(e.from, e.to) << to_string(e.from) << " -> " << to_string(e.to);
  }
}

TEST(lifecycle_tables, the_store_is_closed_last_whatever_happens) {
  for (const auto& e : machine_traits<stop_state>::edges) {
    EXPECT_EQ(e.to == stop_state::DONE, e.from == stop_state::CLOSING_STORE) << to_string(e.from);
  }
}

TEST(lifecycle_tables, all_that_drains_or_stops_can_be_killed) {
  using s = stop_state;
  for (const auto from : machine_traits<s>::states) {
    const bool runs = from > s::NOT_STOPPING && from < s::KILLING;
    EXPECT_EQ(legal(from, s::KILLING, cause::stop_requested), runs) << to_string(from);
    EXPECT_EQ(legal(from, s::KILLING, cause::deadline), runs) << to_string(from);
  }
}

TEST(lifecycle_tables, a_stop_begins_for_each_reason_for_which_the_pod_goes_to_STOPPING) {
  std::set<cause> pods;
  for (const auto& e : machine_traits<pod_state>::edges) {
    if (e.to == pod_state::STOPPING) {
      pods.insert(e.why);
    }
  }
  for (const auto why : pods) {
    EXPECT_TRUE(legal(stop_state::NOT_STOPPING, stop_state::DRAINING_QUEUE, why)) << to_string(why);
    EXPECT_TRUE(legal(stop_state::NOT_STOPPING, stop_state::DRAINING_ORIGIN, why));
  }
}

TEST(lifecycle_tables, engine) {
  EXPECT_EQ(
      arrows<engine_state>(),
      (std::set<std::string>{"NOT_STARTED>INITIALIZING", "INITIALIZING>LOADING_MODEL",
                             "LOADING_MODEL>READY", "READY>PROCESSING", "PROCESSING>READY",
                             "NOT_STARTED>SHUTDOWN", "INITIALIZING>SHUTDOWN",
                             "LOADING_MODEL>SHUTDOWN", "READY>SHUTDOWN", "PROCESSING>SHUTDOWN"}));
}

TEST(lifecycle_tables, ingress) {
  EXPECT_EQ(arrows<ingress_state>(),
            (std::set<std::string>{"NOT_STARTED>WAITING", "WAITING>READY", "READY>PROCESSING",
                                   "PROCESSING>READY", "NOT_STARTED>SHUTDOWN", "WAITING>SHUTDOWN",
                                   "READY>SHUTDOWN", "PROCESSING>SHUTDOWN"}));
  EXPECT_EQ(to_mermaid<ingress_state>(), "stateDiagram-v2\n"
                                         "    [*] --> NOT_STARTED\n"
                                         "    NOT_STARTED --> WAITING : start_requested\n"
                                         "    WAITING --> READY : pod_ready\n"
                                         "    READY --> PROCESSING : jobs_started\n"
                                         "    PROCESSING --> READY : jobs_done\n"
                                         "    NOT_STARTED --> SHUTDOWN : stop_requested\n"
                                         "    WAITING --> SHUTDOWN : stop_requested\n"
                                         "    READY --> SHUTDOWN : stop_requested\n"
                                         "    PROCESSING --> SHUTDOWN : stop_requested\n"
                                         "    SHUTDOWN --> [*]\n");
}

TEST(lifecycle_tables, job) {
  EXPECT_EQ(arrows<job_state>(),
            (std::set<std::string>{"IN_QUEUE>IN_PROGRESS", "IN_PROGRESS>IN_QUEUE",
                                   "IN_PROGRESS>COMPLETED", "IN_PROGRESS>FAILED", "IN_QUEUE>FAILED",
                                   "IN_QUEUE>CANCELLED", "IN_PROGRESS>CANCELLED",
                                   "IN_QUEUE>TIMED_OUT", "IN_PROGRESS>TIMED_OUT"}));
}

TEST(lifecycle_tables, every_machine_can_stop_in_every_state) {
  for (const auto s : machine_traits<pod_state>::states) {
    const bool ending = s == pod_state::STOPPING || s == pod_state::STOPPED;
    EXPECT_NE(legal(s, pod_state::STOPPING, cause::stop_requested), ending) << to_string(s);
  }
  for (const auto s : machine_traits<engine_state>::states) {
    const bool ended = s == engine_state::SHUTDOWN;
    EXPECT_NE(legal(s, engine_state::SHUTDOWN, cause::stop_requested), ended) << to_string(s);
    EXPECT_NE(legal(s, engine_state::SHUTDOWN, cause::crashed), ended) << to_string(s);
  }
  for (const auto s : machine_traits<ingress_state>::states) {
    const bool ended = s == ingress_state::SHUTDOWN;
    EXPECT_NE(legal(s, ingress_state::SHUTDOWN, cause::stop_requested), ended) << to_string(s);
  }
}

TEST(lifecycle_tables, every_cause_is_used_and_has_its_own_name) {
  std::set<cause> used;
  const auto collect = [&used](const auto& edges) {
    for (const auto& e : edges) {
      used.insert(e.why);
    }
  };
  collect(machine_traits<pod_state>::edges);
  collect(machine_traits<stop_state>::edges);
  collect(machine_traits<engine_state>::edges);
  collect(machine_traits<ingress_state>::edges);
  collect(machine_traits<job_state>::edges);
  std::set<std::string_view> names;
  for (const auto c : all_causes) {
    EXPECT_TRUE(used.contains(c)) << to_string(c);
    EXPECT_TRUE(names.insert(to_string(c)).second) << to_string(c);
  }
}

} // namespace
} // namespace tayfa
