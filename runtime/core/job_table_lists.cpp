// Views for people: wait reasons, lists of jobs, one job in all its detail.
#include "runtime/core/job_table.hpp"

#include <algorithm>
#include <limits>

namespace tayfa {

namespace {

using std::chrono::duration_cast;

/// A list looks at no more jobs than this; `next` then goes on where it stopped.
constexpr std::size_t looked_at_max = 2'000;

} // namespace

wait_reason job_table::why_waits(const record& r) const {
  return why_waits(r, pool_.look());
}

wait_reason job_table::why_waits(const record& r, const worker_pool::waits_seen& seen) const {
  if (stopping_) {
    return wait_reason::stopping;
  }
  if (r.sleeping) {
    return r.attempts_of_life() > 0 ? wait_reason::backoff : wait_reason::delayed;
  }
  if (missing(r)) {
    return wait_reason::model_missing;
  }
  if (queue_.at_quota(r.request.policy.tenant)) {
    return wait_reason::quota;
  }
  if (const auto why = noted(place_of(r).group); why != wait_reason::none) {
    return why;
  }
  if (seen.loading.contains(r.request.model)) {
    return wait_reason::model_loading;
  }
  return !seen.any && !seen.endpoints.contains(r.request.endpoint)
             ? wait_reason::no_worker
             : (r.suspect ? wait_reason::isolation : wait_reason::workers_busy);
}

/// The fewest jobs among which everything that the filter wants is found.
const job_table::order_set& job_table::shortest(const job_filter& f) const {
  const auto* best = &jobs_.orders();
  const auto shorter = [&best](const order_set& other) {
    best = other.size() < best->size() ? &other : best;
  };
  if (f.state) {
    shorter(jobs_.of_state(*f.state));
  }
  if (f.dead) {
    shorter(jobs_.dead());
  }
  if (f.model) {
    shorter(jobs_.of_model(*f.model));
  }
  if (f.endpoint) {
    shorter(jobs_.of_endpoint(*f.endpoint));
  }
  if (f.tenant) {
    shorter(jobs_.of_tenant(*f.tenant));
  }
  return *best;
}

job_list job_table::list(moment now, const job_filter& asked, const job_access& covered) const {
  job_list out;
  auto filter = asked;
  if (covered.tenant) {
    if (filter.tenant && filter.tenant != covered.tenant) {
      return out;
    }
    filter.tenant = covered.tenant;
  }
  if (!filter.endpoint && covered.endpoints.size() == 1) {
    filter.endpoint = covered.endpoints.front();
  }
  const auto limit = std::clamp<std::size_t>(filter.limit, 1, job_filter::limit_max);
  const auto& among = shortest(filter);
  out.jobs.reserve(std::min(limit, among.size()));
  const auto seen = pool_.look();
  auto at = filter.after == 0 ? std::numeric_limits<std::uint64_t>::max() : filter.after;
  for (std::size_t looked = 0;; ++looked) {
    const auto next = among.below(at);
    if (!next) {
      return out;
    }
    if (out.jobs.size() == limit || looked == looked_at_max) {
      out.next = at;
      return out;
    }
    at = *next;
    const record& r = jobs_.at(at);
    const bool wanted = jobs_.kept(now, r) && (!filter.dead || r.dead) &&
                        (!filter.state || *filter.state == r.state.state()) &&
                        (!filter.tenant || *filter.tenant == r.request.policy.tenant) &&
                        (!filter.model || *filter.model == r.request.model) &&
                        (!filter.endpoint || *filter.endpoint == r.request.endpoint) &&
                        covered.covers(r.request.endpoint, r.request.policy.tenant);
    if (wanted) {
      out.jobs.push_back(summary_of(now, r, seen));
    }
  }
}

job_summary job_table::summary_of(moment now, const record& r,
                                  const worker_pool::waits_seen& seen) const {
  job_summary out;
  out.id = *r.id;
  out.state = r.state.state();
  out.why = out.state == job_state::IN_QUEUE ? why_waits(r, seen) : wait_reason::none;
  out.model = r.request.model;
  out.tenant = r.request.policy.tenant;
  out.worker = r.attempts > 0 ? r.worker_name() : "";
  out.priority = r.request.policy.priority;
  out.attempts = r.attempts;
  out.age = duration_cast<milliseconds>(now - r.submitted);
  out.failure = r.past_ ? r.past_->failure : std::nullopt;
  return out;
}

result<job_detail> job_table::inspect(moment now, const job_id& id, const job_access& who) const {
  const record* r = jobs_.find_kept(now, id, who);
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
