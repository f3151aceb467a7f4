// Tayfa's own routes, and laws that hold for every row of the table of routes.
#include "runtime/api/route.hpp"

#include "tests/fuzz/api_request.hpp"
#include "tests/support/places.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <sstream>

namespace tayfa::api {
namespace {

const limits bounds{.endpoints = {"tayfa", "other"}};

template <class Call>
Call taken(const std::string& method, const std::string& target, std::string last_event_id = {}) {
  auto parsed = parse({method, target, "", "", {}, std::move(last_event_id)}, bounds);
  if (!parsed) {
    ADD_FAILURE() << method << ' ' << target << ": " << parsed.error().body;
    return {};
  }
  return std::get<Call>(*parsed);
}
unsigned refused(const std::string& method, const std::string& target) {
  const auto early = read_head(method, target, bounds);
  return early ? 0 : early.error().status;
}

TEST(routes, of_tayfa) {
  for (const std::string prefix : {"", "/v2/tayfa", "/v2/other"}) {
    EXPECT_EQ(taken<retry_job>("POST", prefix + "/retry/a-1").id, job_id{"a-1"});
    EXPECT_EQ(taken<drop_job>("POST", prefix + "/drop/a-1").id, job_id{"a-1"});
    taken<purge_jobs>("POST", prefix + "/purge-queue");
    EXPECT_FALSE(taken<list_jobs>("GET", prefix + "/jobs").filter.dead);
    EXPECT_TRUE(taken<list_jobs>("GET", prefix + "/dead").filter.dead);
    EXPECT_EQ(taken<inspect_job>("GET", prefix + "/jobs/a-1").id, job_id{"a-1"});
    EXPECT_TRUE(taken<events>("GET", prefix + "/events").job.empty());
    taken<events>("HEAD", prefix + "/events");
  }
  taken<list_slots>("GET", "/slots");
  EXPECT_EQ(taken<drain_slot>("POST", "/slots/7/drain").slot, slot_id{7});
  EXPECT_TRUE(taken<drain_slot>("POST", "/slots/7/drain").on);
  EXPECT_FALSE(taken<drain_slot>("POST", "/slots/1023/undrain").on);
  EXPECT_EQ(taken<resize_slots>("POST", "/slots/count/0").count, 0U);
  EXPECT_EQ(taken<resize_slots>("POST", "/slots/count/1024").count, 1024U);
}

TEST(routes, of_a_head) {
  taken<list_pods>("GET", "/pods");
  const auto drain = taken<drain_pod>("POST", "/pods/gpu-1/drain");
  EXPECT_EQ(drain.pod, "gpu-1");
  EXPECT_EQ(drain.how, pod_drain::graceful);
  EXPECT_EQ(taken<drain_pod>("POST", "/pods/a/drain?mode=graceful").how, pod_drain::graceful);
  EXPECT_EQ(taken<drain_pod>("POST", "/pods/a/drain?mode=quick").how, pod_drain::quick);
  EXPECT_EQ(taken<drain_pod>("POST", "/pods/a/drain?mode=fast").how, pod_drain::fast);
  EXPECT_EQ(taken<drain_pod>("POST", "/pods/a/undrain").how, pod_drain::off);
  // A key may have any of Z85's characters.
  EXPECT_EQ(taken<drain_pod>("POST", "/pods/%25%2Fa%3F%23:+=/drain").pod, "%/a?#:+=");
  EXPECT_EQ(refused("POST", "/pods/a/drain?mode=slow"), 400U);
  EXPECT_EQ(refused("POST", "/pods/a/undrain?mode=fast"), 400U);
  EXPECT_EQ(refused("POST", "/pods/" + std::string(65, 'a') + "/drain"), 404U);
  EXPECT_EQ(refused("POST", "/pods/a%20b/drain"), 404U);
  EXPECT_EQ(refused("GET", "/pods/a/drain"), 405U);
  EXPECT_EQ(refused("GET", "/v2/tayfa/pods"), 404U);

  taken<list_trust>("GET", "/link");
  const auto plain = taken<make_join_text>("POST", "/link/tokens");
  EXPECT_EQ(plain.minutes, 60U);
  EXPECT_TRUE(plain.addresses.empty());
  const auto text = taken<make_join_text>("POST", "/link/tokens?minutes=5&address=a:1,b");
  EXPECT_EQ(text.minutes, 5U);
  EXPECT_EQ(text.addresses, (std::vector<std::string>{"a:1", "b"}));
  EXPECT_EQ(refused("POST", "/link/tokens?minutes=0"), 400U);
  EXPECT_EQ(refused("POST", "/link/tokens?minutes=43201"), 400U);
  EXPECT_EQ(refused("POST", "/link/tokens?address=a%20b"), 400U);
  EXPECT_EQ(refused("POST", "/link/tokens?address=a,,b"), 400U);
  const auto trusted = taken<change_trust>("POST", "/link/a/trust?name=gpu-1");
  EXPECT_TRUE(trusted.trusted);
  EXPECT_EQ(trusted.name, "gpu-1");
  EXPECT_FALSE(taken<change_trust>("POST", "/link/a/revoke").trusted);
  EXPECT_EQ(refused("POST", "/link/a/trust?name=a%2Fb"), 400U);
}

TEST(routes, who_asked_for_a_change_of_trust_is_passed_on) {
  request asked;
  asked.method = "POST";
  asked.target = "/link/a/revoke";
  asked.who.name = "alice";
  EXPECT_EQ(std::get<change_trust>(*parse(asked, bounds)).by, "alice");
  asked.target = "/link/tokens";
  EXPECT_EQ(std::get<make_join_text>(*parse(asked, bounds)).by, "alice");
}

TEST(routes, refusals) {
  const std::vector<std::tuple<std::string, std::string, unsigned>> rows{
      {"GET", "/retry/a", 405},
      {"POST", "/retry/", 404},
      {"POST", "/retry", 404},
      {"POST", "/drop/a/b", 404},
      {"POST", "/drop/a?force=1", 400},
      {"GET", "/purge-queue", 405},
      {"POST", "/jobs", 405},
      {"HEAD", "/run", 405},
      {"GET", "/jobs/", 404},
      {"GET", "/jobs/a%2Fb", 404},
      {"DELETE", "/jobs/a", 405},
      {"POST", "/events", 405},
      {"GET", "/v2/tayfa/slots", 404},
      {"POST", "/slots", 405},
      {"GET", "/slots/1/drain", 405},
      {"POST", "/slots/1024/drain", 404},
      {"POST", "/slots/-1/drain", 404},
      {"POST", "/slots/x/drain", 404},
      {"POST", "/slots//undrain", 404},
      {"POST", "/slots/1/stop", 404},
      {"POST", "/slots/1", 404},
      {"POST", "/slots/count", 404},
      {"POST", "/slots/count/", 400},
      {"POST", "/slots/count/1025", 400},
      {"POST", "/slots/count/+1", 400},
      {"POST", "/slots/count/99999999999999999999", 400},
      {"POST", "/slots/count/1/2", 404},
      {"GET", "/slots?x=1", 400},
      {"GET", "/events?job=", 404},
      {"GET", "/events?job=a%2Fb", 404},
      {"GET", "/events?after=x", 400},
      {"GET", "/events?after=-1", 400},
      {"GET", "/events?state=x", 400},
      {"GET", "/events?after=18446744073709551616", 400},
      {"GET", "/v2/stranger/jobs", 404},
      {"GET", "/events?after=1&after=2", 400},
  };
  for (const auto& [method, target, status] : rows) {
    EXPECT_EQ(refused(method, target), status) << method << ' ' << target;
  }
}

TEST(routes, the_query_of_a_list) {
  const auto all = taken<list_jobs>("GET", "/jobs").filter;
  EXPECT_FALSE(all.state || all.tenant || all.model);
  EXPECT_EQ(all.limit, 100U);
  EXPECT_EQ(all.after, 0U);
  const auto some =
      taken<list_jobs>("GET", "/dead?state=FAILED&tenant=a.b-c_D&model=sd%2D15&limit=1000&after="
                              "18446744073709551615")
          .filter;
  EXPECT_EQ(some.state, job_state::FAILED);
  EXPECT_EQ(some.tenant, "a.b-c_D");
  EXPECT_EQ(some.model, "sd-15");
  EXPECT_EQ(some.limit, 1000U);
  EXPECT_EQ(some.after, 18446744073709551615ULL);
  EXPECT_TRUE(some.dead);
  // Jobs without a tenant, as opposed to jobs of any tenant.
  EXPECT_EQ(taken<list_jobs>("GET", "/jobs?tenant=&model").filter.tenant, "");
  EXPECT_EQ(taken<list_jobs>("GET", "/jobs?tenant=&model").filter.model, "");
  for (const auto state : machine_traits<job_state>::states) {
    EXPECT_EQ(taken<list_jobs>("GET", "/jobs?state=" + std::string{to_string(state)}).filter.state,
              state);
  }
  for (const std::string query : {"state=",
                                  "state=queued",
                                  "state=in_queue",
                                  "state=IN_QUEUE%00",
                                  "state=FAILED&state=FAILED",
                                  "limit=0",
                                  "limit=1001",
                                  "limit=",
                                  "limit=ten",
                                  "limit=1.0",
                                  "limit=-1",
                                  "limit=%31%",
                                  "after=",
                                  "after=-1",
                                  "after=18446744073709551616",
                                  "tenant=a%20b",
                                  "tenant=a+b",
                                  "tenant=%FF",
                                  "model=a//b",
                                  "dead=true",
                                  "Limit=1",
                                  "x",
                                  "=1",
                                  "limit%00=1"}) {
    EXPECT_EQ(refused("GET", "/jobs?" + query), 400U) << query;
    EXPECT_EQ(refused("GET", "/dead?" + query), 400U) << query;
  }
  EXPECT_EQ(refused("GET", "/jobs?tenant=" + std::string(64, 'a')), 0U);
  EXPECT_EQ(refused("GET", "/jobs?tenant=" + std::string(65, 'a')), 400U);
  EXPECT_EQ(refused("GET", "/jobs?&limit=2&"), 0U);
}

TEST(routes, where_events_begin) {
  EXPECT_EQ(taken<events>("GET", "/events").after, std::nullopt);
  EXPECT_EQ(taken<events>("GET", "/events?after=0").after, 0U);
  EXPECT_EQ(taken<events>("GET", "/events?job=a-1&after=7").after, 7U);
  EXPECT_EQ(taken<events>("GET", "/events?job=a-1&after=7").job, job_id{"a-1"});
  EXPECT_EQ(taken<events>("GET", "/events", "9").after, 9U);
  EXPECT_EQ(taken<events>("GET", "/events?after=7", "9").after, 9U); // an EventSource came back
  for (const std::string id : {"x", "-1", "9 ", "18446744073709551616"}) {
    const auto parsed = parse({"GET", "/events", "", "", {}, id}, bounds);
    ASSERT_FALSE(parsed) << id;
    EXPECT_EQ(parsed.error().status, 400U);
  }
}

TEST(routes, of_runpod_that_came_later) {
  for (const std::string prefix : {"", "/v2/tayfa", "/v2/other"}) {
    const auto all = taken<list_requests>("GET", prefix + "/requests");
    EXPECT_EQ(all.ask.who.endpoints,
              std::vector<std::string>{prefix.empty() ? "tayfa" : prefix.substr(4)});
    EXPECT_EQ(all.ask.filter.limit, 100U);
  }
  const auto some =
      taken<list_requests>("GET", "/requests?state=FAILED&limit=7&after=9").ask.filter;
  EXPECT_EQ(some.state, job_state::FAILED);
  EXPECT_EQ(some.limit, 7U);
  EXPECT_EQ(some.after, 9U);
  EXPECT_EQ(refused("GET", "/requests?tenant=a"), 400U);
  EXPECT_EQ(refused("GET", "/requests?limit=0"), 400U);
  taken<list_workers>("GET", "/workers");
  taken<describe>("GET", "/openapi.json");
  EXPECT_EQ(refused("GET", "/v2/tayfa/workers"), 404U);
  EXPECT_EQ(refused("GET", "/workers?x=1"), 400U);
  EXPECT_EQ(refused("POST", "/openapi.json"), 405U);
}

TEST(routes, how_long_a_result_is_kept) {
  const auto keep = [](const std::string& query) {
    return taken<status>("GET", "/status/a-1" + query).ask.keep;
  };
  EXPECT_EQ(keep(""), std::nullopt);
  EXPECT_EQ(keep("?x=%zz&ttls=1"), std::nullopt); // malformed in a part that is not read
  EXPECT_EQ(keep("?ttl=10000"), milliseconds{10'000});
  EXPECT_EQ(keep("?a=b&ttl=604800000"), milliseconds{604'800'000});
  for (const std::string query : {"ttl=", "ttl=9999", "ttl=604800001", "ttl=x", "ttl=-1", "ttl=%",
                                  "ttl=60000&ttl=60000", "ttl=1e5", "ttl"}) {
    EXPECT_EQ(refused("GET", "/status/a-1?" + query), 400U) << query;
  }
}

TEST(routes, how_long_a_call_is_held) {
  using std::chrono::milliseconds;
  for (const std::string method : {"GET", "POST"}) {
    for (const std::string prefix : {"", "/v2/tayfa", "/v2/other"}) {
      const auto held = taken<status>(method, prefix + "/status-sync/a-1?wait=90000&ttl=60000");
      EXPECT_EQ(held.ask.id, job_id{"a-1"});
      EXPECT_EQ(held.wait, milliseconds{90'000});
      EXPECT_EQ(held.ask.keep, milliseconds{60'000});
      const auto read = taken<stream>(method, prefix + "/stream/a-1?wait=1000");
      EXPECT_EQ(read.ask.id, job_id{"a-1"});
      EXPECT_EQ(read.wait, milliseconds{1'000});
    }
  }
  EXPECT_EQ(taken<status>("GET", "/status-sync/a-1").wait, bounds.runsync_wait);
  EXPECT_EQ(taken<status>("GET", "/status/a-1?wait=1000").wait, std::nullopt) << "that is another";
  EXPECT_EQ(taken<stream>("GET", "/stream/a-1").wait, std::nullopt);
  EXPECT_EQ(taken<stream>("GET", "/stream/a-1?x=%zz&waits=1&ttl=1").wait, std::nullopt);
  EXPECT_EQ(taken<status>("GET", "/status-sync/a-1?x=%zz&wait=300000").wait, milliseconds{300'000});
  for (const std::string query :
       {"wait=", "wait", "wait=0", "wait=999", "wait=300001", "wait=-1", "wait=1e3", "wait=1000.0",
        "wait=%", "wait=1000&wait=1000", "wait=1000&wait=x", "wait=99999999999999999999"}) {
    EXPECT_EQ(refused("GET", "/status-sync/a-1?" + query), 400U) << query;
    EXPECT_EQ(refused("POST", "/stream/a-1?" + query), 400U) << query;
    EXPECT_EQ(refused("POST", "/runsync?" + query), 400U) << query << ": the same rule";
  }
  EXPECT_EQ(refused("GET", "/status-sync/a-1?ttl=1"), 400U);
  EXPECT_EQ(refused("GET", "/status-sync/"), 404U);
  EXPECT_EQ(refused("GET", "/status-sync/a%2Fb"), 404U);
  EXPECT_EQ(refused("DELETE", "/status-sync/a-1"), 405U);
}

TEST(routes, of_readiness) {
  taken<ready>("GET", "/ready");
  taken<ready>("GET", "/ready?probe=1");
  EXPECT_EQ(refused("POST", "/ready"), 405U);
  EXPECT_EQ(refused("GET", "/ready/"), 404U);
  EXPECT_EQ(refused("GET", "/v2/tayfa/ready"), 404U);
}

TEST(routes, the_health_path_of_the_platform) {
  limits ours;
  const auto kind_of = [&ours](const std::string& method, const std::string& target) {
    const auto found = find_route(method, target, ours);
    return found ? std::optional{found->kind} : std::nullopt;
  };
  EXPECT_EQ(kind_of("GET", "/ping"), route_kind::ping);
  EXPECT_EQ(kind_of("GET", "/healthz"), std::nullopt);
  ours.health_path = "/healthz";
  EXPECT_EQ(kind_of("GET", "/healthz"), route_kind::ping);
  EXPECT_EQ(kind_of("HEAD", "/healthz?x=1"), route_kind::ping);
  EXPECT_EQ(kind_of("POST", "/healthz"), std::nullopt);
  EXPECT_EQ(kind_of("GET", "/healthz/a"), std::nullopt);
  EXPECT_EQ(kind_of("GET", "/ping"), route_kind::ping); // as before
  EXPECT_EQ(kind_of("GET", "/ping/w-1"), route_kind::worker_ping);
  ours.health_path = "/deep/er/health/path/than/any/route";
  EXPECT_EQ(kind_of("GET", "/deep/er/health/path/than/any/route"), route_kind::ping);
  ours.health_path = "/health";
  EXPECT_EQ(kind_of("GET", "/health"), route_kind::ping);
  EXPECT_EQ(kind_of("GET", "/v2/tayfa/health"), route_kind::health);
  ours.health_path = "";
  EXPECT_EQ(kind_of("GET", "/"), std::nullopt);
}

/// A target for this row that is well formed.
std::string target_of(const route_spec& shape) {
  std::string path{shape.path};
  for (const auto& [part, value] :
       std::vector<std::pair<std::string, std::string>>{{"{id}", "a-1"},
                                                        {"{slot}", "3"},
                                                        {"{count}", "4"},
                                                        {"{worker}", "w-1"},
                                                        {"{job}", "a-1"},
                                                        {"{pod}", "p-1"},
                                                        {"{openai}", "chat/completions"}}) {
    if (const auto at = path.find(part); at != std::string::npos) {
      path.replace(at, part.size(), value);
    }
  }
  return "/" + path;
}

std::vector<std::string> methods_of(const route_spec& shape) {
  std::vector<std::string> methods;
  std::istringstream list{std::string{shape.methods}};
  for (std::string method; std::getline(list, method, ',');) {
    methods.push_back(method.substr(method.find_first_not_of(' ')));
  }
  return methods;
}

TEST(routes, every_row_is_reached_by_its_methods_and_no_other) {
  std::set<std::size_t> calls;
  for (const auto& shape : routes()) {
    const auto target = target_of(shape);
    auto methods = methods_of(shape);
    if (shape.methods.starts_with("GET")) {
      methods.emplace_back("HEAD");
    }
    methods.emplace_back("OPTIONS");
    for (const std::string method : {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
      const bool allowed = std::find(methods.begin(), methods.end(), method) != methods.end();
      const auto found = find_route(method, target, bounds);
      EXPECT_EQ(found.has_value(), allowed) << method << ' ' << target;
      if (!found) {
        EXPECT_EQ(found.error().status, 405U) << method << ' ' << target;
        continue;
      }
      EXPECT_EQ(found->shape, &shape) << target;
      const auto head = read_head(method, target, bounds);
      ASSERT_TRUE(head);
      EXPECT_EQ(head->body_bytes > 0, method == "POST" && shape.body != body_rule::none)
          << method << ' ' << target;
      EXPECT_EQ(head->needs, method == "OPTIONS" ? scope::open : shape.needs);
      EXPECT_EQ(head->route, shape.path);
      const bool prefixed = find_route(method, "/v2/other" + target, bounds).has_value();
      EXPECT_EQ(prefixed, shape.prefixed) << target;
      const auto call = parse({method, target, "application/json", R"({"input":1})"}, bounds);
      const bool answered =
          method == "OPTIONS" || (method == "HEAD" && shape.needs == scope::worker);
      ASSERT_EQ(call.has_value(), !answered) << method << ' ' << target;
      if (answered) {
        EXPECT_LT(call.error().status, 300U) << method << ' ' << target;
        continue;
      }
      calls.insert(call->index());
    }
  }
  EXPECT_EQ(calls.size(), std::variant_size_v<call>) << "a call that no route makes";
}

TEST(routes, head_waits_for_nothing) {
  for (const std::string query : {"", "?wait=90000"}) {
    const auto sync = parse({"HEAD", "/status-sync/a" + query, "", ""}, bounds);
    ASSERT_TRUE(sync);
    EXPECT_EQ(std::get<status>(*sync).wait.value_or(milliseconds{1}), milliseconds{0});
    const auto chunks = parse({"HEAD", "/stream/a" + query, "", ""}, bounds);
    ASSERT_TRUE(chunks);
    EXPECT_EQ(std::get<stream>(*chunks).wait, milliseconds{0}) << "not the pod's own hold either";
  }
}

TEST(routes, the_fuzzers_seeds_reach_every_row) {
  std::set<std::string_view> paths;
  for (const auto& file :
       std::filesystem::directory_iterator(test::in_source("/tests/fuzz/corpus/api"))) {
    std::ifstream in{file.path(), std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    const auto asked = fuzz::request_of(text);
    if (const auto found = find_route(asked.method, asked.target, limits{})) {
      paths.insert(found->shape->path);
    }
  }
  for (const auto& shape : routes()) {
    EXPECT_TRUE(paths.contains(shape.path)) << "no seed for " << shape.path;
  }
}

} // namespace
} // namespace tayfa::api
