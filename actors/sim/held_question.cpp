#include "actors/sim/held_question.hpp"

#include <algorithm>

namespace tayfa::sim {

namespace {

using std::chrono::milliseconds;

/// For the pod's own work: commits, and the hops between its actors.
constexpr milliseconds patience{1'000};

bool says_something(const std::string& body) {
  return body.find("IN_") == std::string::npos || body.find(R"("stream":[{)") != std::string::npos;
}

} // namespace

held_question held_question::draw(const std::string& id, bool chunks, random_source& random) {
  held_question q;
  q.wait = milliseconds{1'000 + static_cast<int>(random.unit() * 6'000)};
  q.method = random.unit() < 0.5 ? "GET" : "POST";
  q.target = std::string{"/v2/tayfa/"} + (chunks ? "stream/" : "status-sync/") + id +
             "?wait=" + std::to_string(q.wait.count());
  if (random.unit() < 0.2) {
    q.leaves = milliseconds{static_cast<int>(random.unit() * 1'500)};
  }
  return q;
}

std::string held_question::fault(std::chrono::nanoseconds took, unsigned status,
                                 const std::string& body, bool may_be_early) const {
  const auto text = [&](const char* how) {
    return target + " " + how + " after " +
           std::to_string(std::chrono::duration_cast<milliseconds>(took).count()) + " ms: " + body;
  };
  const auto longest = std::min(wait, leaves.value_or(wait));
  if (took > longest + patience) {
    return text("was answered late");
  }
  const bool early = took < longest && status == 200 && !says_something(body);
  return early && !may_be_early ? text("was answered with nothing") : std::string{};
}

} // namespace tayfa::sim
