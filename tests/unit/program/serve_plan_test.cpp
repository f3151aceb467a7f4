// What serve decides before it starts anything.
#include "cluster/program/serve_plan.hpp"

#include <gtest/gtest.h>

namespace tayfa {
namespace {

const serve_surroundings here{"/opt/tayfa", false};

config with_models(const char* list) {
  config c;
  c.engine_models = string_list{list};
  return c;
}

TEST(serve_plan, auto_is_scripted_without_a_model_and_torch_with_one) {
  EXPECT_EQ(plan_serve(config{}, here)->engine, "scripted");
  EXPECT_EQ(plan_serve(with_models("a.pt"), here)->engine, "torch");
}

TEST(serve_plan, torch_needs_a_model_unless_no_engine_runs) {
  config c;
  c.engine_kind = "torch";
  ASSERT_FALSE(plan_serve(c, here));
  EXPECT_EQ(plan_serve(c, here).error().code, errc::bad_config);
  EXPECT_NE(plan_serve(c, here).error().text.find("engine.models"), std::string::npos);
  c.engine_slots = 0;
  EXPECT_TRUE(plan_serve(c, here));
}

TEST(serve_plan, the_scripted_engine_runs_no_model) {
  auto c = with_models("a.pt");
  c.engine_kind = "scripted";
  ASSERT_FALSE(plan_serve(c, here));
  EXPECT_EQ(plan_serve(c, here).error().code, errc::bad_config);
}

TEST(serve_plan, several_models_are_for_the_queue_to_place) {
  const auto plan = plan_serve(with_models("a.pt,b.pt"), here);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->engine, "torch");
}

TEST(serve_plan, shares_of_tenants_reach_the_queue) {
  config c;
  c.queue_tenants = string_list{"alice=3,bob=0.5:2"};
  c.queue_tenant_running_max = 7;
  const auto plan = plan_serve(c, here);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->limits.tenants.at("alice").weight, 3);
  EXPECT_EQ(plan->limits.tenants.at("alice").running_max, 7U);
  EXPECT_EQ(plan->limits.tenants.at("bob").weight, 0.5);
  EXPECT_EQ(plan->limits.tenants.at("bob").running_max, 2U);
  EXPECT_TRUE(plan->limits.durable);
  c.store_kind = "memory";
  EXPECT_FALSE(plan_serve(c, here)->limits.durable);
}

TEST(serve_plan, the_engine_is_beside_the_program_unless_said_otherwise) {
  EXPECT_EQ(plan_serve(config{}, here)->program, "/opt/tayfa/tayfa-engine");
  config c;
  c.engine_program = "/elsewhere/engine";
  EXPECT_EQ(plan_serve(c, here)->program, "/elsewhere/engine");
}

TEST(serve_plan, logs_are_runpods_where_its_variables_are_set) {
  EXPECT_EQ(plan_serve(config{}, here)->log.format, log_format::text);
  EXPECT_EQ(plan_serve(config{}, {"/opt/tayfa", true})->log.format, log_format::runpod);
  config c;
  c.log_format = "json";
  c.log_level = "warn";
  EXPECT_EQ(plan_serve(c, {"/opt/tayfa", true})->log.format, log_format::json);
  EXPECT_EQ(plan_serve(c, here)->log.level, log_level::warn);
}

} // namespace
} // namespace tayfa
