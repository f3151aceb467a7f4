#include "runtime/config/relations.hpp"

#include "runtime/config/knobs.hpp"
#include "tests/unit/config/broken_relations.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

namespace tayfa {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

/// The relations violated after one change of the defaults.
template <class Change>
std::vector<std::string> broken_after(Change change) {
  config c;
  change(c);
  return broken_relations(c);
}

TEST(relations, the_defaults_break_none_and_every_key_exists) {
  EXPECT_THAT(broken_relations(config{}), IsEmpty());
  for (const auto& r : relations()) {
    EXPECT_FALSE(r.keys.empty());
    for (const auto key : r.keys) {
      EXPECT_NE(find_knob(key), nullptr) << key;
      EXPECT_THAT(std::string{r.rule}, HasSubstr(std::string{key}));
    }
  }
}

TEST(relations, each_is_broken_by_its_own_cause_and_holds_at_its_edge) {
  EXPECT_THAT(broken_after([](config& c) { c.engine_heartbeat = 22s; }),
              ElementsAre(HasSubstr("heartbeat_misses must be below engine.load_timeout")));
  EXPECT_THAT(broken_after([](config& c) { c.engine_heartbeat = 21'999ms; }), IsEmpty());
  EXPECT_THAT(broken_after([](config& c) { c.engine_backoff_base = 10'001ms; }),
              ElementsAre(HasSubstr("must not be above engine.backoff_max")));
  EXPECT_THAT(broken_after([](config& c) { c.engine_backoff_base = 10s; }), IsEmpty());
  EXPECT_THAT(broken_after([](config& c) { c.pod_drain_budget = 30s; }),
              ElementsAre(HasSubstr("below pod.stopping_budget; here pod.drain_budget = 30000 ms, "
                                    "pod.stopping_budget = 30000 ms")));
  EXPECT_THAT(broken_after([](config& c) { c.engine_hello_timeout = 120s; }),
              ElementsAre(HasSubstr("engine.hello_timeout must be below")));
  EXPECT_THAT(broken_after([](config& c) { c.engine_load_timeout = 120s; }),
              ElementsAre(HasSubstr("engine.load_timeout must be below")));
  EXPECT_THAT(broken_after([](config& c) { c.engine_check_budget = 60s; }),
              ElementsAre(HasSubstr("engine.check_budget must be below")));
  EXPECT_THAT(broken_after([](config& c) { c.engine_kind = "torch"; }),
              ElementsAre(HasSubstr("needs a file in engine.models")));
  EXPECT_THAT(broken_after([](config& c) {
                c.engine_kind = "torch";
                c.engine_models.add("a.pt");
              }),
              IsEmpty());
  EXPECT_THAT(broken_after([](config& c) {
                c.engine_kind = "torch";
                c.engine_slots = 0;
              }),
              IsEmpty());
}

TEST(relations, a_slot_has_one_kind_and_one_that_runs_models_needs_a_file) {
  EXPECT_THAT(broken_after([](config& c) { c.engine_slot_kinds = string_list{"0-2=scripted"}; }),
              IsEmpty());
  EXPECT_THAT(broken_after([](config& c) {
                c.engine_slot_kinds = string_list{"0-2=scripted, 3-5=scripted"};
              }),
              IsEmpty());
  EXPECT_THAT(broken_after(
                  [](config& c) { c.engine_slot_kinds = string_list{"0-2=scripted, 2=scripted"}; }),
              ElementsAre(HasSubstr("must not name a slot twice")));
  EXPECT_THAT(broken_after([](config& c) { c.engine_slot_kinds = string_list{"1=torch"}; }),
              ElementsAre(HasSubstr("engine.slot_kinds torch needs a file in engine.models")));
  EXPECT_THAT(broken_after([](config& c) {
                c.engine_slot_kinds = string_list{"1=torch"};
                c.engine_models.add("a.pt");
              }),
              IsEmpty());
}

TEST(relations, health_checks_have_an_address_of_their_own_or_none) {
  EXPECT_THAT(broken_after([](config& c) { c.http_health_listen = c.http_listen; }),
              ElementsAre(HasSubstr("http.health_listen must be another address")));
  EXPECT_THAT(broken_after([](config& c) { c.http_health_listen = "127.0.0.1:8001"; }), IsEmpty());
  EXPECT_THAT(broken_after([](config& c) { c.http_health_listen = "0.0.0.0:8001"; }), IsEmpty())
      << "every client that reaches it learns ready or not";
  EXPECT_THAT(broken_after([](config& c) {
                c.http_listen = "127.0.0.1:0";
                c.http_health_listen = "127.0.0.1:0";
              }),
              IsEmpty());
}

TEST(relations, a_database_needs_its_address) {
  EXPECT_THAT(broken_after([](config& c) { c.store_kind = "postgres"; }),
              ElementsAre(HasSubstr("store.kind postgres needs store.url")));
  EXPECT_THAT(broken_after([](config& c) {
                c.store_kind = "postgres";
                c.store_url = "postgresql://db/jobs";
              }),
              IsEmpty());
}

TEST(relations, a_lease_of_the_store_can_be_waited_for_while_the_pod_starts) {
  const auto with_lease = [](milliseconds lease) {
    return broken_after([lease](config& c) {
      c.store_kind = "postgres";
      c.store_url = "postgresql://db/jobs";
      c.store_lease = lease;
    });
  };
  EXPECT_THAT(with_lease(60s), ElementsAre(HasSubstr("store.lease must be below")));
  EXPECT_THAT(with_lease(59'999ms), IsEmpty());
  EXPECT_THAT(broken_after([](config& c) { c.store_lease = 60s; }), IsEmpty()) << "no lease";
}

} // namespace
} // namespace tayfa
