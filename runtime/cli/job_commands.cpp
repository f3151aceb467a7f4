// tayfa status, cancel, retry, purge.
#include "runtime/cli/answer.hpp"
#include "runtime/cli/command_line.hpp"
#include "runtime/cli/each_job.hpp"
#include "runtime/cli/job_views.hpp"
#include "runtime/cli/pod_views.hpp"
#include "runtime/cli/pods/pod_tables.hpp"

#include <boost/json/serialize.hpp>
#include <CLI/CLI.hpp>
#include <memory>

namespace tayfa {

namespace {

int show_pod(const target_options& at) {
  const auto health = at.client().health();
  if (!health) {
    return complain(health.error());
  }
  // A pod that is no head answers 404, and a client's key must not ask.
  const auto answer = at.client().pods();
  const auto pods = read_answer(api::pods_fields, answer);
  if (at.json) {
    auto both = health->body;
    if (answer) {
      both["pods"] = as_sent(answer->body, "pods");
    }
    print_json(answer ? boost::json::serialize(both) : health->text);
    return exit_ok;
  }
  print(health_text(health->body));
  if (pods && !pods->empty()) {
    print("\n" + pods_text(*pods, output_width()));
  }
  return exit_ok;
}

int show_job(const target_options& at, const std::string& text) {
  const auto id = parsed_id(text);
  if (!id) {
    return complain(id.error());
  }
  const pod_client pod = at.client();
  auto detail = pod.inspect(*id);
  if (!detail) {
    return complain(detail.error());
  }
  const auto status = pod.status(*id);
  if (!status) {
    return complain(status.error());
  }
  const auto job = whole_job(std::move(detail->body), status->body);
  if (at.json) {
    print_json(boost::json::serialize(job));
    return exit_ok;
  }
  const auto facts = read_answer(api::job_detail_fields, job);
  if (!facts) {
    return complain(facts.error());
  }
  print(job_text(*facts, job.if_contains("output"), output_width()));
  return exit_ok;
}

int purge(const target_options& at) {
  const auto answer = at.client().purge();
  const auto removed = read_answer(api::purged_fields, answer);
  if (!removed) {
    return complain(removed.error());
  }
  at.json ? print_json(answer->text) : print(std::to_string(*removed) + " waiting jobs removed\n");
  return exit_ok;
}

struct ids_options {
  target_options at;
  std::vector<std::string> ids;
  bool dead = false;
};

int run_retry(const ids_options& o) {
  if (o.dead != o.ids.empty()) {
    return complain({exit_usage, "give either the ids of jobs or --dead"});
  }
  return for_each_job(o.at, o.dead ? every_dead_job : job_choice{o.ids}, job_action::retry);
}

} // namespace

void add_job_commands(CLI::App& app, int& exit_code) {
  auto at = std::make_shared<target_options>();
  auto job = std::make_shared<std::string>();
  auto* const status = app.add_subcommand("status", "show the state of a pod or of one job");
  add_target(*status, *at);
  status->add_option("id", *job, "the job; without it the pod");
  status->callback(
      [at, job, &exit_code] { exit_code = job->empty() ? show_pod(*at) : show_job(*at, *job); });

  auto cancelled = std::make_shared<ids_options>();
  auto* const cancel = app.add_subcommand("cancel", "cancel jobs");
  add_target(*cancel, cancelled->at);
  cancel->add_option("id", cancelled->ids, "the jobs")->required();
  cancel->callback([cancelled, &exit_code] {
    exit_code = for_each_job(cancelled->at, job_choice{cancelled->ids}, job_action::cancel);
  });

  auto retried = std::make_shared<ids_options>();
  auto* const retry = app.add_subcommand("retry", "run FAILED or TIMED_OUT jobs again");
  add_target(*retry, retried->at);
  retry->add_option("id", retried->ids, "the jobs");
  retry->add_flag("--dead", retried->dead, "every job on the dead list");
  retry->callback([retried, &exit_code] { exit_code = run_retry(*retried); });

  auto purge_at = std::make_shared<target_options>();
  auto* const purged = app.add_subcommand("purge", "cancel every waiting job");
  add_target(*purged, *purge_at);
  purged->callback([purge_at, &exit_code] { exit_code = purge(*purge_at); });
}

} // namespace tayfa
