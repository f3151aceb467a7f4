#include "runtime/api/parameters.hpp"

#include "runtime/api/openai.hpp"
#include "runtime/api/query.hpp"
#include "runtime/api/worker_query.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

namespace tayfa::api {

namespace {

constexpr std::uint64_t ms(milliseconds time) {
  return static_cast<std::uint64_t>(time.count());
}

constexpr std::string_view header_key =
    R"re(^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-+\--:<-\[\]-~]{1,255})$)re";
constexpr std::string_view openai_form =
    "^[A-Za-z0-9_~:@+-][A-Za-z0-9._~:@+-]*(/[A-Za-z0-9_~:@+-][A-Za-z0-9._~:@+-]*){0,7}$";
constexpr std::string_view model_form = "^([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?$";

constexpr parameter text(std::string_view id, std::string_view words) {
  return {.id = id, .place = "query", .text = words};
}
constexpr parameter number(std::string_view id, std::string_view place, std::string_view words,
                           std::uint64_t lowest, std::uint64_t highest,
                           std::uint64_t otherwise = 0) {
  return {.id = id,
          .place = place,
          .text = words,
          .is_number = true,
          .lowest = lowest,
          .highest = highest,
          .otherwise = otherwise};
}
constexpr parameter component(std::string_view id, std::string_view place, std::string_view words,
                              std::string_view schema) {
  return {.id = id, .place = place, .text = words, .schema = schema};
}
constexpr parameter formed(std::string_view id, std::string_view place, std::string_view words,
                           std::string_view pattern, std::uint64_t longest = 0) {
  return {.id = id, .place = place, .text = words, .pattern = pattern, .longest = longest};
}

const auto& table() {
  static const std::array all{
      component("id", "path", "", "JobId"),
      number("slot", "path", "", 0, slots_max - 1),
      number("count", "path", "", 0, slots_max),
      formed("worker", "path", "The name that the worker chose.", "^[A-Za-z0-9._-]{1,128}$"),
      component("job", "path", "", "WorkerJob"),
      formed("pod", "path", "Its name or its public key.", "^[!-~]{1,64}$"),
      formed("openai", "path", "The rest of the path, slashes as they are or escaped.", openai_form,
             openai_path_bytes),

      number("wait", "query",
             "Milliseconds to wait; the answer then shows the current state of the job.",
             wait_min_ms, wait_max_ms, ms(limits{}.runsync_wait)),
      number("stream.wait", "query",
             "Milliseconds to wait for a chunk; without it a shorter time, http.stream_hold.",
             wait_min_ms, wait_max_ms),
      number("ttl", "query",
             "Milliseconds: the result of a job that has ended is kept for this long from now.",
             ms(job_policy::ttl_min), ms(job_policy::ttl_max)),
      component("state", "query", "Only jobs in this state.", "Status"),
      formed("tenant", "query", "Only jobs of this tenant; empty: jobs of no tenant.",
             "^[A-Za-z0-9._-]{0,64}$"),
      formed("model", "query", "Only jobs of this model; empty: jobs of no model.", model_form,
             job_policy::name_max),
      number("limit", "query", "Number of jobs on a page.", 1, job_filter::limit_max,
             job_filter{}.limit),
      number("after", "query", "The `next` of the previous page.", 0, 0),
      component("events.job", "query", "Only events of this job.", "JobId"),
      number("events.after", "query",
             "The number of the last event seen; 0: all events that the pod still has.", 0, 0),

      formed("mode", "query",
             "graceful: what is there ends. quick: what waits runs elsewhere, and after half a "
             "minute what runs. fast: all of it runs elsewhere, at once.",
             "^(graceful|quick|fast)$"),
      formed("name", "query", "Name of a pod that is not listed yet.", "^[A-Za-z0-9._-]{1,64}$"),
      text("address", "HOST:PORT of this head as pods reach it, up to four between commas. The "
                      "port is the link's where it is left out; without any it is the address that "
                      "the head listens at."),
      number("minutes", "query", "Until the join string expires.", 1, token_minutes_max, 60),

      text("gpu", "The worker's device, for display."),
      text("job_in_progress", "1: the worker is running a job."),
      number("batch_size", "query", "At most 1000 are given.", 1, batch_size_max, 1),
      text("job_id", "The jobs that it holds, separated by commas."),
      text("runpod_version", "Version of its SDK."),
      text("status", "`unhealthy`: the worker reports itself unfit."),
      text("check", "Which check failed."),
      text("reason", "Why."),
      text("isStream", "`true`: the job's handler is a generator."),

      formed(
          "Idempotency-Key", "header",
          "Same as policy.idempotencyKey: the same key with the same request means the same job.",
          header_key),
      formed("Last-Event-ID", "header", "Same as `after`, which it overrides.", "^[0-9]{1,19}$"),
  };
  return all;
}

} // namespace

const parameter& parameter_of(std::string_view route_id, std::string_view name) {
  const std::string own = std::string{route_id} + '.' + std::string{name};
  const auto find = [](std::string_view id) {
    return std::find_if(table().begin(), table().end(),
                        [id](const auto& each) { return each.id == id; });
  };
  const auto* found = find(own);
  found = found != table().end() ? found : find(name);
  if (found == table().end()) {
    throw std::out_of_range{own + " has no description in parameters.cpp"};
  }
  return *found;
}

} // namespace tayfa::api
