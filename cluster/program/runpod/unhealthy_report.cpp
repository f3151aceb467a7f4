#include "cluster/program/runpod/unhealthy_report.hpp"

#include <future>
#include <utility>

namespace tayfa {

std::function<void(fitness_report&, int)> noting(std::function<void(fitness_report&, int)> checks,
                                                 std::shared_ptr<unfit_note> note) {
  return [checks = std::move(checks), note = std::move(note)](fitness_report& report, int stop) {
    checks(report, stop);
    note->write(unhealthy_of(report));
  };
}

void report_unhealthy(const runpod::settings& platform, const unhealthy& why, http_poster& post,
                      event_log& log) {
  log.error("fitness_check_failed", {{"check", why.check}, {"reason", why.reason}});
  if (!platform.pings) {
    return;
  }
  auto answered = std::make_shared<std::promise<std::string>>();
  auto outcome = answered->get_future();
  post.send(runpod::unhealthy_call(platform, why.check, why.reason),
            [answered](const result<outgoing_answer>& a) {
              answered->set_value(a ? "status " + std::to_string(a->status)
                                    : std::string{to_string(a.error().code)});
            });
  // The call has its own time limit, and the poster always answers.
  log.info("unhealthy_told", {{"outcome", outcome.get()}});
}

} // namespace tayfa
