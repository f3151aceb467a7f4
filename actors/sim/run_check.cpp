// The oracle: a run's history against the promises (invariants of docs/architecture.md).
#include "actors/sim/run.hpp"
#include "runtime/config/engine_settings.hpp"

#include <algorithm>

namespace tayfa::sim {

void run::check() {
  if (!exit_) {
    violated("the pod never stopped");
    return;
  }
  result_.exit = *exit_;
  if (exit_->code != plan_.exit_code) {
    violated("exit code " + std::to_string(exit_->code) + " (" + exit_->reason + "), expected " +
             std::to_string(plan_.exit_code));
  }
  if (!engines_.alive().empty()) {
    violated(std::to_string(engines_.alive().size()) + " engine processes outlive the pod (I10)");
  }
  if (lines_.count("illegal_transition") > 0) {
    violated("an illegal transition was tried (I8)");
  }
  if (lines_.count("actor_failed") > 0 || lines_.count("unexpected_message") > 0) {
    violated("an actor failed or got a message that it does not know");
  }
  for (auto& broken : pod_->audit()) {
    violated("job table at the end: " + broken);
  }
  for (const auto& event : plan_.events) {
    if (lines_.count(event) == 0) {
      violated("the log never said " + event);
    }
  }
  check_pod_states();
  if (plan_.purges) {
    check_purges();
  }
  if (plan_.unharmed) {
    check_unharmed();
  }
  if (platform_) {
    check_platform();
  }
  for (const auto& fault : *remote_faults_) {
    violated("a remote worker: " + fault);
  }
  for (const auto& fault : *reader_faults_) {
    violated("a client of OpenAI's API: " + fault);
  }
  std::uint32_t held = 0;
  for (std::size_t i = 0; i < seen_->size(); ++i) {
    check_job(i, (*seen_)[i]);
    held += (*seen_)[i].held_answers;
  }
  if (plan_.work && plan_.work->held && held == 0) {
    violated("no call was held");
  }
}

void run::check_pod_states() {
  const auto& states = result_.pod_states;
  if (states.empty() || states.back() != "STOPPED" ||
      std::count(states.begin(), states.end(), "STOPPED") > 1 + restarts_) {
    violated("the pod's life did not end in STOPPED exactly once (I8)");
  }
}

/// Purges have cancelled as many jobs as their answers say, no more and no fewer.
void run::check_purges() {
  const auto cancelled =
      static_cast<std::size_t>(std::count_if(seen_->begin(), seen_->end(), [](const auto& job) {
        return job.final_state == "CANCELLED";
      }));
  if (purges_->answered < purges_->asked || purges_->asked == 0) {
    violated(std::to_string(purges_->asked - purges_->answered) + " of " +
             std::to_string(purges_->asked) + " purges were not answered");
  } else if (purges_->removed != cancelled) {
    violated("purges said that " + std::to_string(purges_->removed) + " jobs are cancelled, and " +
             std::to_string(cancelled) + " are");
  }
}

/// Its model cannot be loaded, or is taken out.
bool run::unserved(const job_history& job) const {
  const auto among = [&job](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), job.model) != names.end();
  };
  const bool bad = std::any_of(plan_.behaviors.begin(), plan_.behaviors.end(),
                               [&](const auto& b) { return among(b.second.bad_models); });
  return !job.model.empty() && (bad || (!plan_.models_later.empty() && !among(plan_.models_later)));
}

/// After a fault of the pod itself, no engine and no job is charged for it.
void run::check_unharmed() {
  for (const auto& [row, text] : {std::pair{meter::attempts_lost, "attempts were lost"},
                                  std::pair{meter::engine_kills, "engines were killed"},
                                  std::pair{meter::engine_restarts, "engines were replaced"}}) {
    if (const auto n = meters_.value(row); n > 0) {
      violated(std::to_string(static_cast<long>(n)) + " " + text + " without a reason (I21)");
    }
  }
  for (const auto* event : {"remote_worker_left", "child_failed", "child_stuck", "pod_failed"}) {
    if (lines_.count(event) > 0) {
      violated(std::string{"the log says "} + event + " without a reason (I21)");
    }
  }
}

void run::check_job(std::size_t index, const job_history& job) {
  const auto who = "job " + std::to_string(index) + " (" + job.kind + " " + job.accepted_id + ")";
  ++result_
        .ends[job.final_state.empty() ? (job.refused ? "refused" : "unfinished") : job.final_state];
  const bool stopped_early =
      plan_.exit_code != 0 ||
      (plan_.restarts == 0 &&
       std::any_of(plan_.incidents.begin(), plan_.incidents.end(),
                   [](const auto& i) { return i.act == incident::what::sigterm; }));
  if (job.accepted_id.empty()) {
    if (!job.refused || (!plan_.faulty && !stopped_early && !unserved(job))) {
      violated(who + " was neither accepted nor refused, or refused without a reason");
    }
    return;
  }
  if (job.lost && job.final_state.empty()) {
    violated(who + " was accepted and is unknown now (I1)");
    return;
  }
  check_webhook(who, job);
  for (const auto& leaked : job.leaked_answers) {
    violated(who + " was there for one who may not see it (I21): " + leaked);
  }
  for (const auto& held : job.badly_held) {
    violated(who + ": " + held);
  }
  if (job.final_state.empty()) {
    if (!stopped_early) {
      violated(who + " was accepted and never ended (I1)");
    }
    return;
  }
  for (const auto& later : job.later_bodies) {
    if (later != job.final_body) {
      violated(who + " changed after its end (I2): " + job.final_body + " became " + later);
    }
  }
  if (job.cancel_acknowledged && job.final_state != "CANCELLED") {
    violated(who + " was acknowledged as CANCELLED and ended " + job.final_state + " (I4)");
  }
  if (job.cancel_refused && job.final_state == "CANCELLED") {
    violated(who + " is CANCELLED although that was refused");
  }
  const bool allowed =
      std::find(job.allowed.begin(), job.allowed.end(), job.final_state) != job.allowed.end();
  // An innocent job that is hit again and again looks like a guilty one.
  const bool attempts_lost = plan_.faulty && job.final_state == "FAILED" &&
                             (job.final_body.find("max_attempts") != std::string::npos ||
                              job.final_body.find("poison") != std::string::npos);
  const bool for_its_model =
      unserved(job) &&
      (plan_.models_later.empty() ? job.final_body.find("model_unavailable") != std::string::npos
                                  : job.final_state == "TIMED_OUT");
  if (unserved(job) && plan_.models_later.empty() && job.final_state == "COMPLETED") {
    violated(who + " completed with a model that cannot be loaded");
  }
  if (!allowed && !attempts_lost && !for_its_model) {
    violated(who + " ended " + job.final_state + ": " + job.final_body);
  }
  if (job.final_state == "COMPLETED" &&
      job.final_body.find(job.expected_output) == std::string::npos) {
    violated(who + " got a result that is not its own (I3): " + job.final_body.substr(0, 400));
  }
  check_chunks(who, job);
  check_engine(who, job);
}

/// A job was run by a slot whose engine's kind runs its model.
void run::check_engine(const std::string& who, const job_history& job) {
  const auto named = job.final_body.find(R"("workerId":"slot-)");
  if (plan_.model_kinds.empty() || named == std::string::npos) {
    return;
  }
  const auto slot =
      std::stoul(job.final_body.substr(named + std::size(R"("workerId":"slot-)") - 1));
  const auto kind = plan_.model_kinds.find(job.model);
  const auto runs = find_engine(engines_of(knobs_).of(slot))->entry_kinds();
  if (std::find(runs.begin(), runs.end(),
                kind == plan_.model_kinds.end() ? job.model : kind->second) == runs.end()) {
    violated(who + " of the model " + job.model + " ran on slot " + std::to_string(slot) +
             ", whose engine does not run it");
  }
}

/// Answers were lost on their way, but no chunk: its client has asked until there was none left.
/// It has received each once.
void run::check_chunks(const std::string& who, const job_history& job) {
  if (job.kind != "stream" || job.final_state != "COMPLETED" || !job.drained) {
    return;
  }
  if (plan_.remote && plan_.remote->lost_posts > 0) {
    return; // RunPod's SDK posts a chunk once
  }
  for (const char* const each : {R"({"output":"a"})", R"({"output":"b"})", R"({"output":"c"})"}) {
    const auto seen =
        std::count_if(job.chunks.begin(), job.chunks.end(), [each](const std::string& body) {
          return body.find(each) != std::string::npos;
        });
    if (seen == 0) {
      violated(who + " lost the chunk " + each);
    }
    if (seen > 1 && !plan_.faulty) { // a job that runs again streams again
      violated(who + " was given the chunk " + each + " more than once");
    }
  }
}

/// A webhook receiver got exactly the job's result; one that answers was called.
void run::check_webhook(const std::string& who, const job_history& job) {
  if (job.webhook.empty() || job.final_state.empty()) {
    return;
  }
  const auto bodies = post_.got.find(job.webhook);
  const bool answers = !job.webhook.ends_with("/fail");
  if (answers && bodies == post_.got.end() && !pod_->webhook_is_pending(job_id{job.accepted_id})) {
    violated(who + " ended and its webhook is neither delivered nor to be delivered");
  }
  if (bodies == post_.got.end()) {
    return;
  }
  for (const auto& body : bodies->second) {
    if (body.find("\"" + job.final_state + "\"") == std::string::npos) {
      violated(who + " sent its webhook another result than its client (I2): " + body);
    }
  }
}

} // namespace tayfa::sim
