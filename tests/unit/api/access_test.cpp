// Scopes of routes, effects of a key, and the format of a gate's refusal.
#include "runtime/api/route.hpp"

#include <gtest/gtest.h>
#include <map>

namespace tayfa::api {
namespace {

tl::expected<call, response> submitted(const principal& who, const std::string& policy) {
  request asked{"POST", "/run", "application/json", R"({"input":1,"policy":)" + policy + "}"};
  asked.who = who;
  return parse(std::move(asked), limits{});
}
std::string tenant_of(const principal& who, const std::string& policy) {
  const auto parsed = submitted(who, policy);
  return parsed ? std::get<submit>(*parsed).job.policy.tenant
                : std::to_string(parsed.error().status);
}

TEST(access, of_each_route) {
  // Written out: a route that becomes open by mistake shall be seen here.
  const std::map<scope, std::string> expected{
      {scope::open, "openapi.json ping ready"},
      {scope::client,
       "cancel/{id} health openai/v1/{openai} requests retry/{id} run runsync status-sync/{id} "
       "status/{id} stream/{id}"},
      {scope::worker, "job-done/{worker}/{job} job-stop/{worker} job-stream/{worker}/{job} "
                      "job-take-batch/{worker} job-take/{worker} ping/{worker}"},
      {scope::operator_, "dead drop/{id} events jobs jobs/{id} link link/tokens link/{pod}/revoke "
                         "link/{pod}/trust metrics pods pods/{pod}/drain pods/{pod}/undrain "
                         "purge-queue slots slots/count/{count} slots/{slot}/drain "
                         "slots/{slot}/undrain workers"}};
  std::map<scope, std::vector<std::string>> found;
  for (const auto& row : routes()) {
    found[row.needs].emplace_back(row.path);
  }
  for (auto& [needs, paths] : found) {
    std::sort(paths.begin(), paths.end());
    std::string list;
    for (const auto& path : paths) {
      list += (list.empty() ? "" : " ") + path;
    }
    EXPECT_EQ(list, expected.at(needs));
  }
}

TEST(access, a_tenants_key_speaks_for_its_tenant) {
  const principal alice{"key", "alice", false};
  EXPECT_EQ(tenant_of(alice, "null"), "alice");
  EXPECT_EQ(tenant_of(alice, "{}"), "alice");
  EXPECT_EQ(tenant_of(alice, R"({"tenant":"alice"})"), "alice");
  EXPECT_EQ(tenant_of(alice, R"({"tenant":"bob"})"), "403");
  const principal anybody{"key", "", false};
  EXPECT_EQ(tenant_of(anybody, R"({"tenant":"bob"})"), "bob");
  const principal operator_of_alice{"key", "alice", true};
  EXPECT_EQ(tenant_of(operator_of_alice, R"({"tenant":"bob"})"), "bob");
  EXPECT_EQ(tenant_of(operator_of_alice, "{}"), "alice");
}

// ---- who may see which job ---------------------------------------------------------------------

limits two_endpoints() {
  limits bounds;
  bounds.endpoints = {"tayfa", "other"};
  return bounds;
}

/// The jobs visible to this caller by this route; a refusal 403 and the like as {"403"}.
job_access seen_by(const principal& who, const std::string& method, const std::string& target) {
  request asked{method, target, "application/json",
                target.find("/run") != std::string::npos ? R"({"input":1})" : ""};
  asked.who = who;
  const auto parsed = parse(std::move(asked), two_endpoints());
  if (!parsed) {
    return {{std::to_string(parsed.error().status)}, std::nullopt};
  }
  return std::visit(
      []<class Call>(const Call& one) {
        if constexpr (requires { one.who; }) {
          return one.who;
        } else if constexpr (requires { one.ask.who; }) {
          return one.ask.who;
        } else {
          ADD_FAILURE() << "no access";
          return job_access{};
        }
      },
      *parsed);
}

const principal alice{"key", "alice", false, {}, {}};
const principal alice_of_other{"key", "alice", false, {"other"}, {}};
const principal of_other{"key", "", false, {"other"}, {}};
const principal root{"key", "", true, {}, {}};
const principal root_of_alice{"key", "alice", true, {}, {}};
const principal no_key{};

/// Every route of the table that says anything about jobs of clients.
std::vector<std::pair<std::string, std::string>> routes_of_jobs() {
  std::vector<std::pair<std::string, std::string>> all;
  for (const auto& row : routes()) {
    if (!row.prefixed || row.needs == scope::worker) {
      continue;
    }
    std::string path{row.path};
    if (const auto at = path.find("{id}"); at != std::string::npos) {
      path.replace(at, 4, "a-1");
    }
    if (const auto at = path.find("{openai}"); at != std::string::npos) {
      path.replace(at, 8, "models");
    }
    all.emplace_back(row.methods.find("GET") == std::string::npos ? "POST" : "GET", path);
  }
  EXPECT_GE(all.size(), 14U);
  return all;
}

TEST(access, every_route_under_a_prefix_is_about_that_endpoint) {
  for (const auto& [method, path] : routes_of_jobs()) {
    const auto target = "/v2/other/" + path;
    EXPECT_EQ(seen_by(alice, method, target), (job_access{{"other"}, "alice"})) << target;
    EXPECT_EQ(seen_by(of_other, method, target), (job_access{{"other"}, std::nullopt})) << target;
    EXPECT_EQ(seen_by(root, method, target), (job_access{{"other"}, std::nullopt})) << target;
    EXPECT_EQ(seen_by(no_key, method, target), (job_access{{"other"}, std::nullopt})) << target;
    EXPECT_EQ(seen_by(of_other, method, "/v2/tayfa/" + path).endpoints,
              std::vector<std::string>{"403"})
        << "also when the gate has not said so";
  }
}

TEST(access, without_a_prefix_a_job_may_be_of_any_endpoint_that_the_key_reaches) {
  for (const auto& [method, path] : routes_of_jobs()) {
    const bool whole = path.starts_with("run") || path == "requests" || path == "purge-queue" ||
                       path.starts_with("openai");
    const std::vector<std::string> first =
        whole ? std::vector<std::string>{"tayfa"} : std::vector<std::string>{};
    EXPECT_EQ(seen_by(alice, method, "/" + path), (job_access{first, "alice"})) << path;
    EXPECT_EQ(seen_by(root, method, "/" + path), (job_access{first, std::nullopt})) << path;
    EXPECT_EQ(seen_by(root_of_alice, method, "/" + path), (job_access{first, std::nullopt}))
        << path;
    EXPECT_EQ(seen_by(no_key, method, "/" + path), (job_access{first, std::nullopt})) << path;
    EXPECT_EQ(seen_by(alice_of_other, method, "/" + path),
              (whole ? job_access{{"403"}, std::nullopt} : job_access{{"other"}, "alice"}))
        << path;
  }
}

std::string header(const response& answer, const std::string& name) {
  for (const auto& [key, value] : answer.headers) {
    if (key == name) {
      return value;
    }
  }
  return "";
}

TEST(access, refusals) {
  const auto unknown = rejected({{errc::unauthorized, {}}, 0});
  EXPECT_EQ(unknown.status, 401U);
  EXPECT_EQ(header(unknown, "WWW-Authenticate"), "Bearer realm=\"tayfa\"");
  EXPECT_EQ(header(unknown, "Retry-After"), "");
  EXPECT_EQ(rejected({{errc::forbidden, {}}, 0}).status, 403U);
  const auto busy = rejected({{errc::rate_limited, {}}, 7});
  EXPECT_EQ(busy.status, 429U);
  EXPECT_EQ(header(busy, "Retry-After"), "7");
  EXPECT_EQ(busy.headers.size(), 1U);
}

} // namespace
} // namespace tayfa::api
