#include "actors/sim/recipes.hpp"

#include <utility>

namespace tayfa::sim {

recipe draw(const job_mix& mix, const std::string& tag, random_source& random) {
  const auto seconds = std::to_string(0.05 + 2.0 * random.unit());
  const auto quoted = "\"" + tag + "\"";
  const std::vector<std::pair<unsigned, recipe>> table{
      {mix.echo,
       {"echo", R"({"input":{"tag":)" + quoted + "}}", R"({"tag":)" + quoted + "}", {"COMPLETED"}}},
      {mix.slow,
       {"slow",
        R"({"input":{"mock_return":)" + quoted + R"(,"mock_delay":)" + seconds + "}}",
        quoted,
        {"COMPLETED"}}},
      {mix.error, {"error", R"({"input":{"mock_error":)" + quoted + "}}", "", {"FAILED"}}},
      {mix.progress,
       {"progress",
        R"({"input":{"mock_progress":{"updates":3,"wait_time":0.1},"mock_return":)" + quoted + "}}",
        quoted,
        {"COMPLETED"}}},
      {mix.stream,
       {"stream",
        R"({"input":{"mock_stream":["a","b","c"],"mock_delay":0.05}})",
        "[]",
        {"COMPLETED"}}},
      {mix.crash, {"crash", R"({"input":{"mock_crash":true}})", "", {"FAILED"}}},
      {mix.hang,
       {"hang",
        R"({"input":{"mock_hang":true},"policy":{"executionTimeout":5000}})",
        "",
        {"TIMED_OUT", "FAILED"}}},
      {mix.garbage, {"garbage", R"({"input":{"mock_garbage":true}})", "", {"FAILED"}}},
      {mix.oom, {"oom", R"({"input":{"mock_oom":true}})", "", {"FAILED"}}},
      {mix.refresh,
       {"refresh",
        R"({"input":{"mock_refresh":true,"mock_return":)" + quoted + "}}",
        quoted,
        {"COMPLETED"}}},
      {mix.cancelled,
       {"cancelled",
        R"({"input":{"mock_return":)" + quoted + R"(,"mock_delay":)" + seconds + "}}",
        quoted,
        {"COMPLETED", "CANCELLED"}}},
      {mix.short_lived,
       {"short_lived", R"({"input":{"mock_delay":20},"policy":{"ttl":10000}})", "", {"TIMED_OUT"}}},
  };
  unsigned total = 0;
  for (const auto& [weight, r] : table) {
    total += weight;
  }
  auto ticket = total == 0 ? 0 : random.next() % total;
  for (const auto& [weight, r] : table) {
    if (ticket < weight) {
      return r;
    }
    ticket -= weight;
  }
  return table.front().second;
}

} // namespace tayfa::sim
