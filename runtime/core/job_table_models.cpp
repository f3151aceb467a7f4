// The catalogue as the table sees it: which models there are, which of them cannot be loaded, and
// what becomes of jobs that want one of those.
//
// A job that waits for a model that is not in the catalogue any more (an operator took it out) is
// parked: it waits until its time to live ends or a start has the model again, and takes part in
// no decision. A model that engines cannot load fails its jobs, which nobody can run; it is tried
// again after a pause that doubles, since its file may have been mended.
#include "runtime/core/job_table.hpp"

#include <algorithm>

namespace tayfa {

namespace {

constexpr std::uint32_t failures_most = 3; ///< in a row, of a kind that may pass
constexpr milliseconds retry_first{1'000};
constexpr milliseconds retry_most{3'600'000};
constexpr milliseconds broken_first{60'000};
constexpr std::size_t why_most = 400; ///< of what an engine says, for clients

/// Loading the same file again ends the same way.
bool certain(errc code) {
  return code == errc::model_invalid || code == errc::no_torch || code == errc::unfit;
}

milliseconds doubled(milliseconds first, std::uint32_t times) {
  auto pause = first;
  for (std::uint32_t i = 0; i < times && pause < retry_most; ++i) {
    pause *= 2;
  }
  return std::min(pause, retry_most);
}

} // namespace

const model_facts* job_table::model_of(const std::string& name) const {
  const auto it = std::find_if(models_.begin(), models_.end(),
                               [&name](const model_facts& m) { return m.name == name; });
  return it == models_.end() ? nullptr : &*it;
}

const job_table::model_trouble* job_table::trouble_of(const std::string& model) const {
  const auto it = troubles_.find(model);
  return it == troubles_.end() ? nullptr : &it->second;
}

bool job_table::missing(const record& r) const {
  return !models_.empty() && !r.request.model.empty() && model_of(r.request.model) == nullptr;
}

/// Checks whether a job of this model may be accepted.
result<void> job_table::may_run(const std::string& model, moment now) const {
  if (!models_.empty() && !model.empty() && model_of(model) == nullptr) {
    return fail(errc::model_not_found, model);
  }
  const auto* trouble = trouble_of(model);
  if (trouble != nullptr && trouble->broken && now < trouble->again_at) {
    return fail(trouble->why);
  }
  return {};
}

effects job_table::models_known(moment now, std::vector<model_facts> models) {
  effects out;
  std::erase_if(troubles_, [&](const auto& entry) { // what was tried is not what there is now
    const auto* before = model_of(entry.first);
    return before == nullptr || std::find(models.begin(), models.end(), *before) == models.end();
  });
  if (models != models_) {
    models_ = std::move(models);
    judge_waiting(now, out);
  }
  assign(now, out);
  return out;
}

/// Everything that waits, by the catalogue as it is now. O(n); a catalogue is known before anything
/// is served, and hardly changes after.
void job_table::judge_waiting(moment now, effects& out) {
  const auto& waiting = of_state_.at(static_cast<std::size_t>(job_state::IN_QUEUE));
  for (auto next = waiting.above(0); next; next = waiting.above(*next)) {
    record& r = *by_order_.at(*next);
    const bool takes_default = r.request.model.empty() && !models_.empty();
    if (!takes_default && missing(r) == r.parked) {
      continue;
    }
    leave_line(r);
    if (takes_default) { // accepted when there was no catalogue
      of_model_[r.request.model].erase(r.order);
      r.request.model = models_.front().name;
      of_model_[r.request.model].insert(r.order);
    }
    queue_up(now, r);
  }
  if (of_model_.contains({}) && of_model_.at({}).empty()) {
    of_model_.erase(std::string{});
  }
  for (auto next = origins_live_.above(0); next; next = origins_live_.above(*next)) {
    record& r = *by_order_.at(*next);
    if (r.parked) { // its platform has other workers
      end(now, r, job_state::FAILED, cause::load_failed,
          error{errc::model_not_found, r.request.model}, out);
    }
  }
}

effects job_table::model_refused(moment now, const std::string& model, const error& why) {
  effects out;
  for (auto& [slot, w] : workers_) {
    if (!w.present && w.changing_to == model) {
      w.changing_to.clear(); // its next engine has another one
    }
  }
  wish_failed(now, model, why);
  assign(now, out);
  return out;
}

void job_table::wish_failed(moment now, const std::string& model, const error& why) {
  if (model_of(model) == nullptr) {
    return;
  }
  auto& trouble = troubles_[model];
  ++trouble.failures;
  trouble.broken = trouble.broken || certain(why.code) || trouble.failures >= failures_most;
  const auto first = trouble.broken ? broken_first : retry_first;
  const auto before = trouble.broken && !certain(why.code) ? failures_most : 1;
  trouble.again_at = now + doubled(first, trouble.failures - std::min(trouble.failures, before));
  trouble.why = {errc::model_unavailable, why.text.substr(0, why_most)};
  if (trouble.why.text.find(model) == std::string::npos) {
    trouble.why.text = model + ": " + (why.text.empty() ? why.str() : trouble.why.text);
  }
  if (trouble.broken) {
    steps_at_ = now;
  } else {
    look_again_at(trouble.again_at);
  }
}

} // namespace tayfa
