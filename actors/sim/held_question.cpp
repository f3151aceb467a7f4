#include "actors/sim/held_question.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace tayfa::sim {

namespace {

using std::chrono::milliseconds;

/// For the pod's own work: commits, and the hops between its actors.
constexpr milliseconds patience{300};
/// Likewise, while parts of it are replaced.
constexpr milliseconds long_patience{1'000};
/// A client that asks about a job that was CANCELLED before is held for so long.
constexpr milliseconds pause_after_the_end{500};

/// From the submission of a job to its end, as its status tells it.
std::optional<milliseconds> lifetime_of(const std::string& body) {
  boost::system::error_code failed;
  const auto value = boost::json::parse(body, failed);
  if (failed || !value.is_object()) {
    return std::nullopt;
  }
  const auto* delay = value.as_object().if_contains("delayTime");
  const auto* run = value.as_object().if_contains("executionTime");
  if (delay == nullptr || run == nullptr) {
    return std::nullopt;
  }
  return milliseconds{delay->to_number<std::int64_t>() + run->to_number<std::int64_t>()};
}

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
                                 const std::string& body, const surroundings& where) const {
  const auto text = [&](const char* how) {
    return target + " " + how + " after " +
           std::to_string(std::chrono::duration_cast<milliseconds>(took).count()) + " ms: " + body;
  };
  const auto longest = std::min(wait, leaves.value_or(wait));
  if (took > longest + (where.actors_die ? long_patience : patience)) {
    return text("was answered late");
  }
  if (const auto lifetime = lifetime_of(body); lifetime && !where.runs_again) {
    const auto since_end = age + took - *lifetime;
    if (std::min(took, since_end) > pause_after_the_end + patience) {
      return text("was answered long after the job's end,");
    }
  }
  const bool early = took < longest && status == 200 && !says_something(body);
  return early && !where.actors_die ? text("was answered with nothing") : std::string{};
}

} // namespace tayfa::sim
