// Decides where the next job runs: lists the options of each class of workers, chooses the best,
// and handles an option whose worker has no room or another model.
#include "runtime/core/workers/worker_pool.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

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
constexpr milliseconds look_again_least{1};
constexpr milliseconds look_again_most{60'000};

moment after(moment now, double ms) {
  const auto least = static_cast<double>(look_again_least.count());
  const auto most = static_cast<double>(look_again_most.count());
  return now + std::chrono::ceil<milliseconds>(ms_double{std::clamp(ms, least, most)});
}

double ms_until(moment now, moment at) {
  return at > now ? ms_double{at - now}.count() : 0;
}

} // namespace

// ---- a decision ---------------------------------------------------------------------------------

bool worker_pool::begin_decision(moment now) {
  bool broken = false;
  index_.look_at(now);
  for (const auto& at : std::set<worker_place>{changing_}) {
    pool_worker& w = *find(at);
    if (now < w.change_until) {
      if (w.present) {
        look_again_at(w.change_until);
      }
    } else if (w.present) {
      // The worker did not change its model: it serves the one that it has.
      const auto wished = std::exchange(w.changing_to, {});
      changing_.erase(at);
      update(now, w);
      broken = wish_failed(now, wished, error{errc::state_timeout, "the engine did not change"}) ||
               broken;
    } else {
      update(now, w); // it is not counted on any more
    }
  }
  return broken;
}

void worker_pool::end_decision(moment now) {
  for (auto* w : std::exchange(reserved_, {})) {
    w->reserved_ms = 0;
    index_.update_load(now, *w);
  }
  for (auto* w : std::exchange(handing_over_, {})) {
    w->handing_over = false;
    w->hand_over_bytes = 0;
    ++w->hand_overs;
    index_.update_load(now, *w);
  }
}

void worker_pool::reserve(moment now, pool_worker& w, double ms) {
  if (w.reserved_ms == 0) {
    reserved_.push_back(&w);
  }
  w.reserved_ms += ms;
  index_.update_load(now, w);
}

// ---- options ------------------------------------------------------------------------------------

/// Models are distinguished only with a catalogue, so that clients cannot invent new ones without
/// end.
std::string worker_pool::rate_key(const std::string& model) const {
  return models_.empty() ? std::string{} : model;
}

double worker_pool::rate_of(moment now, const std::string& model) const {
  const auto rate = arrivals_.find(rate_key(model));
  return rate == arrivals_.end() ? 0 : rate->second.per_ms(now);
}

/// True if the worker could run the job, with any loaded model.
bool worker_pool::serves(const worker_index::class_key& c, const needs& job) const {
  return (c.endpoint.empty() || c.endpoint == job.endpoint) && runs_model(c, job);
}

bool worker_pool::runs_model(const worker_index::class_key& c, const needs& job) const {
  if (c.model_kinds.empty()) {
    return true;
  }
  const auto* model = models_.find(job.model);
  return model == nullptr || model->kind.empty() ||
         std::find(c.model_kinds.begin(), c.model_kinds.end(), model->kind) != c.model_kinds.end();
}

/// The cost to other jobs when a worker gives up its model for so long.
double worker_pool::eviction(moment now, const std::string& model, const std::string& device,
                             double away_ms, const fair_queue& jobs) const {
  const auto run_on = [&](const std::string& kind) {
    return std::max(times_.expect({model, {}, kind}).ms, 0.001);
  };
  double kept_per_ms = 0;
  for (const auto& [kind, workers] : index_.serving(model)) {
    kept_per_ms += static_cast<double>(workers - (kind == device ? 1 : 0)) / run_on(kind);
  }
  placement::demand d;
  d.waiting = jobs.wants(model) ? 1 : 0;
  d.arrivals_per_ms = rate_of(now, model);
  const auto* facts = models_.find(model);
  const double reload = times_.expect_load(model, device, facts != nullptr ? facts->file_bytes : 0);
  return placement::eviction_ms(d, run_on(device), kept_per_ms, reload, away_ms);
}

/// In an engine that its attempts share: with so many in it.
double worker_pool::run_ms(const worker_index::class_key& c, const needs& job,
                           std::size_t members) {
  if (c.sharers > 0 && members > 1) {
    return times_.expect({job.model, job.shape, c.device}, static_cast<std::uint32_t>(members)).ms;
  }
  auto known = std::find_if(runs_.begin(), runs_.end(),
                            [&](const auto& run) { return run.first == c.device; });
  if (known == runs_.end()) {
    known =
        runs_.insert(runs_.end(), {c.device, times_.expect({job.model, job.shape, c.device}).ms});
  }
  return known->second;
}

void worker_pool::fill_options(moment now, const needs& job, const fair_queue& jobs) {
  options_.clear();
  offers_.clear();
  runs_.clear();
  const auto* model = models_.find(job.model);
  const auto* trouble = models_.trouble_with(job.model);
  const bool paused = trouble != nullptr && trouble->again_at > now;
  for (auto& [key, c] : index_.classes()) {
    placement::option o;
    o.loaded = key.model.empty() || job.model.empty() || key.model == job.model;
    if (!serves(key, job) || (!o.loaded && (!key.can_change || paused))) {
      continue;
    }
    o.fits = model == nullptr || model->memory_bytes == 0 || key.memory_bytes == 0 ||
             model->memory_bytes <= key.memory_bytes;
    if (!o.loaded) {
      o.load_ms =
          times_.expect_load(job.model, key.device, model != nullptr ? model->file_bytes : 0);
      o.evicted_ms = eviction(now, key.model, key.device, o.load_ms + run_ms(key, job, 1), jobs);
    }
    offer_best(now, c, job, o);
  }
}

/// Within a class an option without room costs more than one with, so one of the two is enough.
void worker_pool::offer_best(moment now, worker_index::worker_class& c, const needs& job,
                             placement::option o) {
  if (!c.room.empty() && (!job.alone || c.room.begin()->held == 0)) {
    o.has_room = true;
    offer_one(*c.room.begin()->who, c, job, o);
    return;
  }
  if (c.key->pulls) {
    return; // when one will ask is not known
  }
  const bool whole = job.alone && c.key->side_by_side;
  const worker_index::load_key* best = whole ? c.occupied.first(now) : c.busy.first(now);
  const auto* reserved = c.reserved.first(now);
  worker_index::load_key later;
  if (whole) {
    for (const auto& each : c.reserved.all()) { // they have a place sooner than they are empty
      worker_index::load_key one = each;
      one.at = one.who->free_at(now, true) + one.who->reserved();
      if (&each == reserved || one < later) {
        later = one;
      }
    }
    reserved = reserved == nullptr ? nullptr : &later;
  }
  if (reserved != nullptr && (best == nullptr || *reserved < *best)) {
    best = reserved;
  }
  if (best != nullptr) {
    o.has_room = false;
    o.free_in_ms = ms_until(now, best->at);
    offer_one(*best->who, c, job, o);
  }
}

void worker_pool::offer_one(pool_worker& w, worker_index::worker_class& c, const needs& job,
                            placement::option o) {
  const auto others = o.has_room ? w.holds.size() + 1 : c.key->sharers; // it will be full
  o.run_ms = run_ms(*c.key, job, job.alone ? 1 : others);
  o.held = w.holds.size();
  o.idle_since = w.since;
  options_.push_back(o);
  offers_.push_back({&w, &c});
}

/// How many jobs like this the workers without room finish before `until`, if they get nothing
/// else; not counted beyond `wanted`.
double worker_pool::served_before(moment now, const needs& job, double until, double wanted) const {
  double most = 0;
  const auto each_class = [&](auto serve) {
    for (std::size_t i = 0; i < options_.size(); ++i) {
      if (options_[i].fits && !options_[i].has_room) {
        serve(options_[i], *offers_[i].of);
      }
    }
  };
  each_class([&](const placement::option& best, const worker_index::worker_class& c) {
    most += placement::served_by(best, until) * static_cast<double>(c.members);
  });
  if (most < wanted) {
    return most; // were all of them free as soon as the first of their class
  }
  double served = 0;
  each_class([&](placement::option o, const worker_index::worker_class& c) {
    const bool whole = job.alone && c.key->side_by_side;
    for (const auto* list : {whole ? &c.occupied : &c.busy, &c.reserved}) {
      for (const auto& one : list->all()) {
        o.free_in_ms = ms_until(now, one.at); // at least
        if (served >= wanted || placement::served_by(o, until) == 0) {
          break; // workers that are free later serve no more
        }
        o.free_in_ms = ms_until(now, one.who->free_at(now, whole) + one.who->reserved());
        served += placement::served_by(o, until);
      }
    }
  });
  return served;
}

// ---- the choice ---------------------------------------------------------------------------------

std::optional<placement::choice>
worker_pool::choose(moment now, const needs& job, const group_key& group, const fair_queue& jobs) {
  auto* const left_out = job.not_again ? leave_out_last(now, job, jobs) : nullptr;
  if (left_out == nullptr) {
    fill_options(now, job, jobs);
  }
  placement::demand d;
  d.waiting = std::max<std::size_t>(jobs.waiting_in(group), 1);
  d.arrivals_per_ms = rate_of(now, job.model);
  const auto best = placement::choose(options_, d, [&](double until, double wanted) {
    return served_before(now, job, until, wanted);
  });
  if (left_out != nullptr) {
    index_.update_load(now, *left_out);
  }
  return best;
}

/// A job that was alone in an engine that ended goes to another place, if one has room: it shows
/// whether the job or the place is at fault. The worker there is hidden then, and the
/// options are those of the others; null: it is not left out.
pool_worker* worker_pool::leave_out_last(moment now, const needs& job, const fair_queue& jobs) {
  auto* last = find(*job.not_again);
  if (last == nullptr || last->at.in == nullptr) {
    return nullptr;
  }
  index_.hide(*last);
  fill_options(now, job, jobs);
  const bool other = std::any_of(options_.begin(), options_.end(),
                                 [](const auto& o) { return o.has_room && o.loaded && o.fits; });
  if (!other) {
    index_.update_load(now, *last);
  }
  return other ? last : nullptr;
}

/// Workers that pull and do not ask now are busy, not absent.
wait_reason worker_pool::without_options(const needs& job) const {
  const auto& classes = index_.classes();
  const bool busy = std::any_of(classes.begin(), classes.end(), [&](const auto& c) {
    return c.first.pulls && c.second.present > 0 && serves(c.first, job);
  });
  if (busy) {
    return wait_reason::workers_busy;
  }
  const bool any = std::any_of(classes.begin(), classes.end(),
                               [](const auto& c) { return c.second.present > 0; });
  const bool of_its_kind = std::any_of(classes.begin(), classes.end(), [&](const auto& c) {
    return c.second.present > 0 && runs_model(c.first, job);
  });
  return any && !of_its_kind ? wait_reason::no_engine : wait_reason::no_worker;
}

worker_pool::verdict worker_pool::place(moment now, const needs& job, const group_key& group,
                                        const fair_queue& jobs) {
  const auto* trouble = models_.trouble_with(job.model);
  const auto best = choose(now, job, group, jobs);
  if (!best && options_.empty() && trouble != nullptr && now < trouble->again_at) {
    look_again_at(trouble->again_at);
    return {wait_reason::model_retry, true};
  }
  if (!best) {
    return {options_.empty() ? without_options(job) : wait_reason::no_memory, true};
  }
  const auto& option = options_[best->index];
  pool_worker& w = *offers_[best->index].who;
  if (best->loads) {
    return change_model(now, job, option, w);
  }
  if (!option.has_room) {
    const bool changing = !w.changing_to.empty();
    look_again_at(after(now, option.free_in_ms));
    reserve(now, w, option.run_ms);
    return {changing ? wait_reason::model_loading : wait_reason::worker_reserved};
  }
  verdict out;
  out.members = batch_size(job, w);
  if (out.members > 1 && batch_delay_.count() > 0) {
    const auto patience_ends = job.since + batch_delay_;
    if (now < patience_ends && jobs.waiting_in(group) < out.members) {
      look_again_at(patience_ends);
      return {wait_reason::batch_filling};
    }
  }
  out.to = &w;
  out.run_ms = option.run_ms;
  return out;
}

worker_pool::verdict worker_pool::change_model(moment now, const needs& job,
                                               const placement::option& o, pool_worker& w) {
  const double until_done = o.load_ms + o.run_ms;
  const bool room = w.reserved_ms == 0 && w.has_room() && w.holds.empty();
  if (!room) {
    look_again_at(after(now, ms_until(now, w.free_at(now, true) + w.reserved())));
    reserve(now, w, until_done);
    return {wait_reason::worker_reserved};
  }
  const auto patience_ends = after(job.since, o.evicted_ms > 0 ? change_patience * o.load_ms : 0);
  if (o.evicted_ms > 0 && now < patience_ends) {
    look_again_at(patience_ends); // the others may go on using it
    return {wait_reason::workers_busy};
  }
  w.changing_to = job.model;
  w.change_asked = now;
  w.back_at = after(now, o.load_ms);
  w.change_until =
      now + std::max(change_floor,
                     std::chrono::ceil<milliseconds>(ms_double{change_overdue * o.load_ms}));
  look_again_at(w.change_until);
  changing_.insert(w.ref.place());
  update(now, w);
  reserve(now, w, until_done);
  return {wait_reason::model_loading, false, &w, 1, 0, true};
}

std::uint32_t worker_pool::batch_size(const needs& job, const pool_worker& w) const {
  if (!w.facts.batches() || job.alone) {
    return 1;
  }
  return std::max<std::uint32_t>(
      sizes_.most({job.model, job.shape, w.facts.device}, w.facts.batch_max), 1);
}

} // namespace tayfa
