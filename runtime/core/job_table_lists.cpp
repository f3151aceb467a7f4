// What people want to see: why a job waits, lists of jobs, one job in all its detail.
#include "runtime/core/job_table.hpp"

#include <algorithm>

namespace tayfa {

namespace {

using std::chrono::duration_cast;

/// A list looks at no more rows than this; `next` then goes on where it stopped.
constexpr std::size_t looked_at_max = 100'000;

} // namespace

wait_reason job_table::why_waits(const record& r) const {
  if (stopping_) {
    return wait_reason::stopping;
  }
  if (r.sleeping) {
    return attempts_of_life(r) > 0 ? wait_reason::backoff : wait_reason::delayed;
  }
  if (lines_.at_quota(r.request.policy.tenant)) {
    return wait_reason::quota;
  }
  const auto note = notes_.find(place_of(r).group);
  if (note != notes_.end()) {
    return note->second;
  }
  bool any = false;
  bool loading = false;
  for (const auto& [slot, w] : workers_) {
    any = any || (w.present && !w.draining && serves(w, r));
    loading = loading || (!w.changing_to.empty() && w.changing_to == r.request.model);
  }
  if (loading) {
    return wait_reason::model_loading;
  }
  return !any ? wait_reason::no_worker
              : (r.suspect ? wait_reason::isolation : wait_reason::workers_busy);
}

job_list job_table::list(moment now, const job_filter& filter, const job_access& who) const {
  job_list out;
  const auto limit = std::clamp<std::size_t>(filter.limit, 1, job_filter::limit_max);
  auto at = filter.after == 0 ? by_order_.end() : by_order_.lower_bound(filter.after);
  for (std::size_t seen = 0; at != by_order_.begin(); ++seen) {
    if (out.jobs.size() == limit || seen == looked_at_max) {
      out.next = at->first;
      return out;
    }
    const record& r = *(--at)->second;
    const bool wanted = kept(now, r) && who.covers(r.request.endpoint, r.request.policy.tenant) &&
                        (!filter.dead || r.dead) &&
                        (!filter.state || *filter.state == r.state.state()) &&
                        (!filter.tenant || *filter.tenant == r.request.policy.tenant) &&
                        (!filter.model || *filter.model == r.request.model) &&
                        (!filter.endpoint || *filter.endpoint == r.request.endpoint);
    if (!wanted) {
      continue;
    }
    job_line line;
    line.id = *r.id;
    line.state = r.state.state();
    line.why = line.state == job_state::IN_QUEUE ? why_waits(r) : wait_reason::none;
    line.model = r.request.model;
    line.tenant = r.request.policy.tenant;
    line.worker = r.attempts > 0 ? worker_name(r) : "";
    line.priority = r.request.policy.priority;
    line.attempts = r.attempts;
    line.age = duration_cast<milliseconds>(now - r.submitted);
    line.failure = r.past_ ? r.past_->failure : std::nullopt;
    out.jobs.push_back(std::move(line));
  }
  return out;
}

result<job_detail> job_table::inspect(moment now, const job_id& id, const job_access& who) const {
  const record* r = find_kept(now, id, who);
  if (r == nullptr) {
    return fail(errc::job_not_found);
  }
  job_detail d;
  d.view = view_of(*r);
  d.endpoint = r->request.endpoint;
  d.model = r->request.model;
  d.shape = r->request.shape;
  d.tenant = r->request.policy.tenant;
  d.priority = r->request.policy.priority;
  d.input_bytes = r->input_bytes;
  d.age = duration_cast<milliseconds>(now - r->submitted);
  d.dead = r->dead;
  d.lives = r->lives;
  if (r->past_) {
    d.history = r->past_->history;
  }
  return d;
}

} // namespace tayfa
