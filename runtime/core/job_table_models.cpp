// Handles jobs whose model is missing in the catalogue, or cannot be loaded by engines
// (workers/known_models).
//
// A job that waits for a model that is not in the catalogue any more (an operator took it out) is
// parked: it waits until its time to live ends or a start has the model again, and takes part in no
// decision. A model that engines cannot load fails its jobs, which no worker can run. Engines try
// the model again after a pause that doubles, since its file may have been repaired.
#include "runtime/core/job_table.hpp"

namespace tayfa {

bool job_table::missing(const record& r) const {
  return pool_.models().missing(r.request.model);
}

effects job_table::models_known(moment now, std::vector<model_facts> models) {
  effects out;
  if (pool_.models().replace(std::move(models))) {
    judge_waiting(now, out);
  }
  assign(now, out);
  return out;
}

/// Everything that waits, by the catalogue as it is now. O(n); a catalogue is known before anything
/// is served, and hardly changes after.
void job_table::judge_waiting(moment now, effects& out) {
  const auto& waiting = jobs_.of_state(job_state::IN_QUEUE);
  for (auto next = waiting.above(0); next; next = waiting.above(*next)) {
    record& r = jobs_.at(*next);
    const bool takes_default = r.request.model.empty() && !pool_.models().empty();
    if (!takes_default && missing(r) == r.parked) {
      continue;
    }
    leave_queue(r);
    if (takes_default) { // accepted when there was no catalogue
      jobs_.change_model(r, pool_.models().default_name());
    }
    queue_up(now, r);
  }
  for (auto next = jobs_.origins_live().above(0); next; next = jobs_.origins_live().above(*next)) {
    record& r = jobs_.at(*next);
    if (r.parked) { // its platform has other workers
      end(now, r, job_state::FAILED, cause::load_failed,
          error{errc::model_not_found, r.request.model}, out);
    }
  }
}

effects job_table::model_refused(moment now, const std::string& model, const error& why) {
  effects out;
  if (pool_.model_refused(now, model, why)) {
    steps_at_ = now;
  }
  assign(now, out);
  return out;
}

} // namespace tayfa
