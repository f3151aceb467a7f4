// What a route needs, what a key changes, and how a gate's refusal looks.
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
      {scope::open, "openapi.json ping"},
      {scope::client, "cancel/{id} health requests retry/{id} run runsync status/{id} stream/{id}"},
      {scope::worker, "job-done/{worker}/{job} job-stop/{worker} job-stream/{worker}/{job} "
                      "job-take-batch/{worker} job-take/{worker} ping/{worker}"},
      {scope::operator_, "dead drop/{id} events jobs jobs/{id} metrics purge-queue slots "
                         "slots/count/{count} slots/{slot}/drain slots/{slot}/undrain workers"}};
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

TEST(access, a_tenants_key_sees_its_tenants_requests) {
  const auto seen = [](principal who) {
    auto parsed = parse({"GET", "/requests", "", "", {}, {}, std::move(who)}, limits{});
    return std::get<list_requests>(*parsed).filter.tenant;
  };
  EXPECT_EQ(seen({"key", "alice", false}), "alice");
  EXPECT_EQ(seen({"key", "", false}), std::nullopt);
  EXPECT_EQ(seen({"key", "alice", true}), std::nullopt);
  EXPECT_EQ(seen({}), std::nullopt);
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
  const auto unknown = turned_away({{errc::unauthorized, {}}, 0});
  EXPECT_EQ(unknown.status, 401U);
  EXPECT_EQ(header(unknown, "WWW-Authenticate"), "Bearer realm=\"tayfa\"");
  EXPECT_EQ(header(unknown, "Retry-After"), "");
  EXPECT_EQ(turned_away({{errc::forbidden, {}}, 0}).status, 403U);
  const auto busy = turned_away({{errc::rate_limited, {}}, 7});
  EXPECT_EQ(busy.status, 429U);
  EXPECT_EQ(header(busy, "Retry-After"), "7");
  EXPECT_EQ(busy.headers.size(), 1U);
}

} // namespace
} // namespace tayfa::api
