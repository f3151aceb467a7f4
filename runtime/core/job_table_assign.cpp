// Assigns attempts: fairness chooses the next job (fair_lines), placement the worker where it
// finishes first (placement), and batches its companions (batch_sizes). This file combines them.
//
// One decision serves jobs until no group can be served now. A group that cannot be is passed over
// with its reason, and the worker it waits for is reserved for it within the decision.
#include "runtime/core/job_table.hpp"

#include <algorithm>
#include <cmath>

namespace tayfa {

namespace {

using ms_double = std::chrono::duration<double, std::milli>;

/// A model is not thrown out while others want it, until the job that needs another one has waited
/// this many loads' time: a worker that two models take turns on serves for two thirds of the time
/// and loads for one, and no job waits longer than four loads for its model.
constexpr double change_patience = 3;
/// A worker that was asked to change its model and is not back after this many expected times does
/// not count any more.
constexpr double change_overdue = 10;
constexpr milliseconds change_floor{60'000};
/// Purged jobs are set aside much faster than they are ended.
constexpr std::size_t purged_per_row = 4;
/// Groups that one decision passes over; so many kinds of jobs that wait for a worker of their own
/// do not make it long.
constexpr std::size_t passed_most = 256;
constexpr milliseconds look_again_least{1};
/// A hand-over is one answer, made in memory: beyond so many bytes of inputs nothing is added to
/// it.
constexpr std::size_t hand_over_most = std::size_t{32} << 20;
constexpr milliseconds look_again_most{60'000};

moment after(moment now, double ms) {
  const auto least = static_cast<double>(look_again_least.count());
  const auto most = static_cast<double>(look_again_most.count());
  return now + std::chrono::ceil<milliseconds>(ms_double{std::clamp(ms, least, most)});
}

} // namespace

work_kind job_table::work_of(const record& r, const worker& w) const {
  return {r.request.model, r.request.shape, w.facts.device};
}

void job_table::look_again_at(moment when) {
  look_again_ = look_again_ ? std::min(*look_again_, when) : when;
}

/// Until the worker has room, as far as one can tell.
double job_table::free_in(moment now, const worker& w) const {
  if (!w.changing_to.empty()) {
    return std::max(ms_double{w.back_at - now}.count(), 1.0);
  }
  if (w.holds.empty()) {
    return 0;
  }
  return std::max(w.expected.remaining_ms(ms_double{now - w.run_began}.count()), 1.0);
}

/// How much there is to do like this job: runs that wait, and runs that come.
placement::demand job_table::demand_of(moment now, const record& r, const group_key& group) const {
  placement::demand d;
  d.waiting = std::max<std::size_t>(lines_.waiting_in(group), 1);
  const auto rate = arrivals_.find(rate_key(r.request.model));
  d.arrivals_per_ms = rate == arrivals_.end() ? 0 : rate->second.per_ms(now);
  return d;
}

/// Models are told apart only with a catalogue, so that clients cannot make up new ones for ever.
std::string job_table::rate_key(const std::string& model) const {
  return models_.empty() ? std::string{} : model;
}

/// The cost to other jobs when this worker gives up its model for so long.
double job_table::eviction(moment now, const worker& leaver, double away_ms) const {
  const auto& model = leaver.facts.model;
  const auto run_on = [&](const worker& w) {
    return std::max(times_.expect({model, {}, w.facts.device}).ms, 0.001);
  };
  double kept_per_ms = 0;
  for (const auto& [slot, w] : workers_) {
    if (&w != &leaver && w.present && !w.draining && w.changing_to.empty() &&
        w.facts.model == model) {
      kept_per_ms += 1 / run_on(w);
    }
  }
  placement::demand d;
  d.waiting = lines_.wants(model) ? 1 : 0;
  const auto rate = arrivals_.find(rate_key(model));
  d.arrivals_per_ms = rate == arrivals_.end() ? 0 : rate->second.per_ms(now);
  const model_facts* facts = model_of(model);
  const double reload =
      times_.expect_load(model, leaver.facts.device, facts != nullptr ? facts->file_bytes : 0);
  return placement::eviction_ms(d, run_on(leaver), kept_per_ms, reload, away_ms);
}

/// It takes one more, of some kind. One that pulls is answered once for what it asked.
bool job_table::may_be_given(const worker& w) {
  return w.present && !w.draining && w.changing_to.empty() && !w.alone &&
         w.holds.size() < w.facts.capacity &&
         (!w.facts.pulls ||
          (w.facts.hand_overs == w.hand_overs && w.hand_over_bytes < hand_over_most));
}

bool job_table::has_room(const worker& w, const record& r) const {
  const bool whole = r.suspect || w.facts.batches(); // it wants, or takes, the worker for itself
  return may_be_given(w) && (!whole || w.holds.empty());
}

/// It could run the job, whatever it has loaded.
bool job_table::serves(const worker& w, const record& r) const {
  const model_facts* model = model_of(r.request.model);
  return (w.facts.endpoint.empty() || w.facts.endpoint == r.request.endpoint) &&
         (model == nullptr || w.facts.runs(model->kind));
}

void job_table::fill_options(moment now, const record& r) {
  options_.clear();
  option_workers_.clear();
  const model_facts* model = model_of(r.request.model);
  const auto bytes = model != nullptr ? model->file_bytes : 0;
  const auto* trouble = trouble_of(r.request.model);
  const auto pause = trouble != nullptr ? trouble->again_at : moment::min();
  std::vector<std::pair<std::string_view, double>> runs; // there are few kinds of device
  for (auto& [slot, w] : workers_) {
    const bool returning = !w.present && !w.changing_to.empty() && now < w.change_until;
    if ((!w.present && !returning) || w.draining || !serves(w, r)) {
      continue;
    }
    if (w.facts.pulls && !has_room(w, r)) {
      continue; // when it will ask again is not known
    }
    const auto& has = w.changing_to.empty() ? w.facts.model : w.changing_to;
    placement::option o;
    o.loaded = has.empty() || r.request.model.empty() || has == r.request.model;
    if (!o.loaded && (!w.facts.can_change || !w.changing_to.empty() || pause > now)) {
      continue;
    }
    o.fits = model == nullptr || model->memory_bytes == 0 || w.facts.memory_bytes == 0 ||
             model->memory_bytes <= w.facts.memory_bytes;
    o.has_room = has_room(w, r);
    const auto promised = reserved_ms_.find(slot);
    const double reserved = promised == reserved_ms_.end() ? 0 : promised->second;
    o.has_room = o.has_room && reserved == 0;
    o.free_in_ms = o.has_room ? 0 : free_in(now, w) + reserved;
    if (!o.loaded) {
      o.load_ms = times_.expect_load(r.request.model, w.facts.device, bytes);
    }
    auto known = std::find_if(runs.begin(), runs.end(),
                              [&](const auto& run) { return run.first == w.facts.device; });
    if (known == runs.end()) {
      known = runs.insert(runs.end(), {w.facts.device, times_.expect(work_of(r, w)).ms});
    }
    o.run_ms = known->second;
    o.evicted_ms = o.loaded ? 0 : eviction(now, w, o.load_ms + o.run_ms);
    o.held = w.holds.size();
    o.idle_since = w.since;
    options_.push_back(o);
    option_workers_.push_back(&w);
  }
  leave_out_last_slot(r);
}

/// A job that was alone in an engine that ended goes to another slot, if one has room: it shows
/// whether the job or the slot is at fault.
void job_table::leave_out_last_slot(const record& r) {
  if (r.lone_kills == 0 || r.holder.incarnation == 0) {
    return;
  }
  const auto last =
      std::find_if(option_workers_.begin(), option_workers_.end(),
                   [&r](const worker* w) { return w->ref.place() == r.holder.place(); });
  const auto i = last - option_workers_.begin();
  const auto others = std::count_if(options_.begin(), options_.end(),
                                    [](const auto& o) { return o.has_room && o.loaded && o.fits; });
  if (last == option_workers_.end() ||
      others < (options_[static_cast<std::size_t>(i)].has_room ? 2 : 1)) {
    return;
  }
  options_.erase(options_.begin() + i);
  option_workers_.erase(last);
}

void job_table::assign(moment now, effects& out) {
  look_again_.reset();
  cut_short_ = false;
  reserved_ms_.clear();
  notes_.clear();
  kind_notes_.clear();
  if (stopping_) {
    return;
  }
  serve_groups(now, out);
  for (auto& [slot, w] : workers_) {
    w.hand_overs += std::exchange(w.handing_over, false) ? 1 : 0;
    w.hand_over_bytes = 0;
  }
}

void job_table::serve_groups(moment now, effects& out) {
  for (auto& [slot, w] : workers_) {
    if (w.present && !w.changing_to.empty()) {
      if (now >= w.change_until) {
        // It did not change: it serves what it has.
        wish_failed(now, w.changing_to, error{errc::state_timeout, "the engine did not change"});
        w.changing_to.clear();
      } else {
        look_again_at(w.change_until);
      }
    }
  }
  fair_lines::passed_over passed;
  std::size_t left_out = 0;
  const auto may_serve = [](const auto& entry) { return may_be_given(entry.second); };
  while (std::any_of(workers_.begin(), workers_.end(), may_serve)) {
    const auto next = lines_.first(passed);
    if (!next) {
      return;
    }
    if (passed.count == passed_most) {
      cut_short_ = true; // each of them has said when to look again
      return;
    }
    record& r = *by_order_.at(next->order);
    const bool over = ttl_end(r) <= now; // its timer was not served yet; it must not start any more
    const bool to_be_purged = purge_of(r) != nullptr;
    if ((over || to_be_purged) && left_out++ == limits_.step_rows * purged_per_row) {
      cut_short_ = true;
      look_again_at(now); // whatever else has come is served between
      return;
    }
    if (to_be_purged) {
      park(r); // out of the way, until the purge comes to it
      continue;
    }
    if (over) {
      end(now, r, job_state::TIMED_OUT, cause::ttl_expired, error{errc::ttl_expired, {}}, out);
      continue;
    }
    const auto [why, of_kind] = serve(now, r, next->group, out);
    if (why != wait_reason::none) {
      note_wait(*next->key, why, of_kind);
      lines_.pass(passed, next->group, of_kind);
    }
  }
}

/// Workers that pull and do not ask now are busy, not absent.
wait_reason job_table::without_options(const record& r) const {
  const bool busy = std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
    const worker& w = entry.second;
    return w.present && !w.draining && w.facts.pulls && serves(w, r);
  });
  if (busy) {
    return wait_reason::workers_busy;
  }
  const auto ready = [](const auto& entry) {
    return entry.second.present && !entry.second.draining;
  };
  const auto* const model = model_of(r.request.model);
  const bool of_others = model != nullptr && std::any_of(workers_.begin(), workers_.end(), ready) &&
                         std::none_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
                           return ready(entry) && entry.second.facts.runs(model->kind);
                         });
  return of_others ? wait_reason::no_engine : wait_reason::no_worker;
}

void job_table::note_wait(group_key group, wait_reason why, bool of_kind) {
  if (of_kind) {
    group.shape.clear();
  }
  (of_kind ? kind_notes_ : notes_)[std::move(group)] = why;
}

/// Why the last decision passed over jobs of this group; none = it did not.
wait_reason job_table::noted(group_key group) const {
  if (const auto note = notes_.find(group); note != notes_.end()) {
    return note->second;
  }
  group.shape.clear();
  const auto note = kind_notes_.find(group);
  return note == kind_notes_.end() ? wait_reason::none : note->second;
}

/// Gives the job out, with others of its group; or says why it waits.
job_table::verdict job_table::serve(moment now, record& r, fair_lines::group_id group,
                                    effects& out) {
  const auto* trouble = trouble_of(r.request.model);
  if (trouble != nullptr && trouble->broken && now < trouble->again_at) {
    steps_at_ = now; // a step ends it
    return {wait_reason::model_retry, true};
  }
  fill_options(now, r);
  const auto best = placement::choose(options_, demand_of(now, r, place_of(r).group));
  if (!best && options_.empty() && trouble != nullptr && now < trouble->again_at) {
    look_again_at(trouble->again_at);
    return {wait_reason::model_retry, true};
  }
  if (!best) {
    return {options_.empty() ? without_options(r) : wait_reason::no_memory, true};
  }
  const auto& option = options_[best->index];
  worker& w = *option_workers_[best->index];
  if (best->loads) {
    return {wait_for_model(now, r, best->index, out)};
  }
  if (!option.has_room) {
    reserved_ms_[w.ref.place()] += option.run_ms;
    look_again_at(after(now, option.free_in_ms));
    return {w.changing_to.empty() ? wait_reason::worker_reserved : wait_reason::model_loading};
  }
  const auto size = batch_size(r, w);
  if (size > 1 && limits_.batch_delay.count() > 0) {
    const auto patience_ends = std::max(r.life_began, r.not_before) + limits_.batch_delay;
    if (now < patience_ends && lines_.waiting_in(place_of(r).group) < size) {
      look_again_at(patience_ends);
      return {wait_reason::batch_filling};
    }
  }
  give_run(now, r, w, group, size, option.run_ms, out);
  return {};
}

wait_reason job_table::wait_for_model(moment now, const record& r, std::size_t index,
                                      effects& out) {
  worker& w = *option_workers_[index];
  const auto& o = options_[index];
  reserved_ms_[w.ref.place()] += o.load_ms + o.run_ms;
  if (!has_room(w, r) || !w.holds.empty()) {
    look_again_at(after(now, o.free_in_ms));
    return wait_reason::worker_reserved;
  }
  const auto patience_ends = after(std::max(r.life_began, r.not_before),
                                   o.evicted_ms > 0 ? change_patience * o.load_ms : 0);
  if (o.evicted_ms > 0 && now < patience_ends) {
    reserved_ms_.erase(w.ref.place()); // the others may go on using it
    look_again_at(patience_ends);
    return wait_reason::workers_busy;
  }
  w.changing_to = r.request.model;
  w.change_asked = now;
  w.back_at = after(now, o.load_ms);
  w.change_until =
      now + std::max(change_floor,
                     std::chrono::ceil<milliseconds>(ms_double{change_overdue * o.load_ms}));
  look_again_at(w.change_until);
  out.emplace_back(change_worker_model{w.ref, w.changing_to});
  return wait_reason::model_loading;
}

std::uint32_t job_table::batch_size(const record& r, const worker& w) const {
  if (!w.facts.batches() || r.suspect) {
    return 1;
  }
  return std::max<std::uint32_t>(sizes_.most(work_of(r, w), w.facts.batch_max), 1);
}

void job_table::give_run(moment now, record& first, worker& w, fair_lines::group_id group,
                         std::uint32_t size, double run_ms, effects& out) {
  const bool one_run = w.facts.batches() || w.facts.capacity == 1;
  const std::uint64_t batch = size > 1 ? ++batches_ : 0;
  const std::size_t begin = out.size();
  w.run = work_of(first, w);
  w.run_clean = true;
  w.run_began = now;
  w.expected = times_.expect(w.run, size);
  w.alone = first.suspect;
  std::uint32_t members = 1;
  hand_over(now, first, w, run_ms, batch, out);
  while (members < size) {
    const auto next = lines_.first_of(group);
    if (!next) {
      break;
    }
    record& r = *by_order_.at(next->order);
    if (purge_of(r) != nullptr) {
      break;
    }
    if (ttl_end(r) <= now) {
      end(now, r, job_state::TIMED_OUT, cause::ttl_expired, error{errc::ttl_expired, {}}, out);
      continue;
    }
    hand_over(now, r, w, run_ms, batch, out);
    ++members;
  }
  w.batch_size = one_run ? members : 0;
  for (std::size_t i = begin; i < out.size(); ++i) {
    if (auto* g = std::get_if<assign_attempt>(&out[i])) {
      g->message.batch = members > 1 ? batch : 0;
      g->message.batch_size = members;
      by_order_.at(order_of(g->message.attempt.job))->in_batch = members > 1;
    }
  }
}

std::uint64_t job_table::order_of(const job_id& id) const {
  return jobs_.at(id).order;
}

void job_table::hand_over(moment now, record& r, worker& w, double expected_ms, std::uint64_t batch,
                          effects& out) {
  move(r, job_state::IN_PROGRESS, cause::assigned, out);
  ++r.attempts;
  if (r.attempts > 1) {
    ++counts_.retried;
    numbers_.retried(r.request);
  }
  r.holder = w.ref;
  r.assigned = now;
  r.holder_name = w.name;
  const auto lease = w.facts.lease.count() > 0 ? w.facts.lease : limits_.lease;
  r.lease_end = w.facts.steps || w.facts.lease.count() > 0 ? now + lease : moment::max();
  r.expected_ms = static_cast<std::uint32_t>(std::clamp(expected_ms, 0.0, 4e9));
  r.began.reset();
  r.progress_seen = 0;
  r.chunk_seen = 0;
  schedule(r);
  lines_.started(r.request.policy.tenant, milliseconds{r.expected_ms});
  std::get<moved>(out.back()).view = view_of(r);

  const attempt_ref attempt{*r.id, r.attempts};
  w.holds.insert(attempt);
  w.handing_over = w.facts.pulls;
  w.hand_over_bytes += w.facts.pulls ? r.input_bytes : 0;
  w.since = ++ticks_;
  assign_attempt g{w.ref, protocol::assign{}, 0, w.facts.pulls ? w.hand_overs + 1 : 0};
  g.message.attempt = attempt;
  g.message.model = r.request.model;
  g.message.input = r.request.input;
  g.message.batch = batch;
  g.message.s3_config = r.request.s3_config;
  if (r.request.input.empty() && r.input_bytes > 0) {
    g.stored_input = r.order;
  }
  out.emplace_back(std::move(g));
}

} // namespace tayfa
