#include "runtime/core/workers/placement.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

namespace tayfa::placement {
namespace {

/// A time that can be compared and added: never negative, never NaN; unknowable is worst.
double sane(double ms) {
  constexpr double worst = 1e15;
  if (std::isnan(ms) || ms > worst) {
    return worst;
  }
  return ms > 0 ? ms : 0;
}

double start_of(const option& o) {
  return o.has_room ? 0 : sane(o.free_in_ms);
}

double change_of(const option& o) {
  return o.loaded ? 0 : sane(o.load_ms) + sane(o.evicted_ms);
}

/// The value to minimize: the job's finish, plus the cost to others.
double cost_of(const option& o) {
  return start_of(o) + change_of(o) + sane(o.run_ms);
}

class best_option {
 public:
  void offer(const option& o, std::size_t index, double cost) {
    const key candidate{cost, o.held, o.idle_since, index};
    if (!found_ || candidate < best_) {
      best_ = candidate;
      found_ = &o;
    }
  }
  bool any() const { return found_ != nullptr; }
  double cost() const { return std::get<0>(best_); }
  choice chosen() const { return {std::get<3>(best_), !found_->loaded}; }

 private:
  using key = std::tuple<double, std::size_t, std::uint64_t, std::size_t>;
  key best_;
  const option* found_ = nullptr;
};

} // namespace

double served_by(const option& o, double until) {
  const double time = until - start_of(o) - change_of(o);
  const double run = sane(o.run_ms);
  if (time < run) {
    return 0;
  }
  constexpr double many = 1e9;
  return run > 0 ? std::min(std::floor(time / run), many) : many;
}

contest compare(std::span<const option> options, demand of) {
  best_option with_room;
  best_option without;
  for (std::size_t i = 0; i < options.size(); ++i) {
    const option& o = options[i];
    if (o.fits) {
      (o.has_room ? with_room : without).offer(o, i, cost_of(o));
    }
  }
  if (!with_room.any() && !without.any()) {
    return {};
  }
  if (!without.any() || (with_room.any() && with_room.cost() <= without.cost())) {
    return {.best = with_room.chosen()};
  }
  contest out{.best = without.chosen()};
  if (with_room.any()) {
    out.with_room = with_room.chosen();
    out.until_ms = with_room.cost();
    out.wanted = static_cast<double>(of.waiting);
    if (!out.with_room->loads) {
      out.wanted += sane(of.arrivals_per_ms) * out.until_ms;
    }
  }
  return out;
}

std::optional<choice> choose(std::span<const option> options, demand of) {
  return choose(options, of, [options](double until, double wanted) {
    double served = 0;
    for (const option& o : options) {
      if (o.fits && !o.has_room && served < wanted) {
        served += served_by(o, until);
      }
    }
    return served;
  });
}

double eviction_ms(demand of, double run_ms, double kept_per_ms, double reload_ms, double away_ms) {
  const double reload = sane(reload_ms);
  const double away = sane(away_ms) + reload;
  const double kept = sane(kept_per_ms);
  const double runs = static_cast<double>(of.waiting) + sane(of.arrivals_per_ms) * away;
  const double missed = runs - kept * away;
  if (missed <= 0) {
    return 0;
  }
  const double run = std::max(sane(run_ms), 1.0);
  return reload * std::min(1.0, missed) + missed / std::max(kept, 1 / run);
}

} // namespace tayfa::placement
