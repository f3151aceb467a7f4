#include "runtime/core/workers/run_times.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tayfa {
namespace {

constexpr double weight = 1.0 / 8;
constexpr double ms_max = 7.0 * 24 * 3'600 * 1'000;
/// Fixed cost of a run, in members; used while only one number of members was seen.
constexpr double fixed_members = 1;

bool believable(double ms) {
  return std::isfinite(ms) && ms >= 0;
}

std::size_t point_of(std::uint32_t members, std::size_t points) {
  const auto width = static_cast<std::size_t>(std::bit_width(members > 0 ? members - 1 : 0U));
  return std::min(width, points - 1);
}

/// Onto the line through two points, never falling, never growing faster than the members.
double along(double n, double n1, double ms1, double n2, double ms2) {
  const double slope = n2 > n1 ? std::max(0.0, (ms2 - ms1) / (n2 - n1)) : 0;
  if (n > n2) {
    return ms2 + std::min(slope, ms2 / n2) * (n - n2);
  }
  return std::max(ms1 + slope * (n - n1), ms1 * std::min(1.0, n / n1));
}

} // namespace

double run_estimate::remaining_ms(double elapsed_ms) const {
  const double overdue = ms > 0 ? deviation * elapsed_ms / ms : 0;
  return std::max({0.0, ms - elapsed_ms, overdue});
}

void run_times::ran(const work_kind& kind, std::uint32_t members, double ms) {
  if (!believable(ms) || members == 0) {
    return;
  }
  ms = std::min(ms, ms_max);
  const auto [it, is_new] = table_.try_emplace(kind);
  times& known = it->second;
  if (is_new) {
    known.used = used_.insert(used_.end(), &it->first);
  } else {
    used_.splice(used_.end(), used_, known.used);
  }
  point& p = known.points[point_of(members, points_max)];
  if (p.seen == 0) {
    p = {static_cast<double>(members), ms, ms / 2, 0};
  } else {
    // The plain mean of the first runs: one of them alone says little.
    const double step = std::max(weight, 1.0 / (p.seen + 1.0));
    p.deviation += step * (std::abs(ms - p.ms) - p.deviation);
    p.ms += step * (ms - p.ms);
    p.members += step * (members - p.members);
  }
  p.seen += p.seen < UINT32_MAX ? 1 : 0;
  known.seen += known.seen < UINT32_MAX ? 1 : 0;
  compare(it);
  if (table_.size() > kinds_max) {
    const auto oldest = table_.find(*used_.front());
    used_.pop_front();
    table_.erase(oldest);
  }
}

run_estimate run_times::expect(const work_kind& kind, std::uint32_t members) const {
  members = std::max(members, 1U);
  if (const auto it = table_.find(kind); it != table_.end()) {
    return at(it->second, members);
  }
  auto guess = from_other_devices(kind, members);
  if (!guess) {
    guess = from_other_shapes(kind, members);
  }
  const double ms = guess.value_or(default_ms * (fixed_members + members) / (fixed_members + 1));
  return {ms, ms / 2, 0};
}

run_estimate run_times::at(const times& known, std::uint32_t members) {
  const double n = members;
  const point* before = nullptr; // the nearest that was seen with at most so many members, and the
  const point* second = nullptr; // one before it
  const point* after = nullptr;
  const point* later = nullptr;
  for (const point& p : known.points) {
    if (p.seen == 0) {
      continue;
    }
    if (p.members <= n) {
      second = before;
      before = &p;
    } else if (after == nullptr) {
      after = &p;
    } else if (later == nullptr) {
      later = &p;
    }
  }
  const point* nearest = before != nullptr ? before : after;
  double ms = 0;
  if (before != nullptr && (after != nullptr || second != nullptr)) {
    const point* low = after != nullptr ? before : second;
    const point* high = after != nullptr ? after : before;
    ms = along(n, low->members, low->ms, high->members, high->ms);
  } else if (later != nullptr) {
    ms = along(n, after->members, after->ms, later->members, later->ms);
  } else {
    ms = nearest->ms * (fixed_members + n) / (fixed_members + nearest->members);
  }
  const double scale = nearest->ms > 0 ? ms / nearest->ms : 1;
  return {ms, nearest->deviation * scale, known.seen};
}

/// Learns the speed ratio of this kind's device and all others that did the same work.
void run_times::compare(table::const_iterator it) {
  const work_kind& kind = it->first;
  const auto same = [&](table::const_iterator other) {
    return other->first.model == kind.model && other->first.shape == kind.shape;
  };
  const auto learn = [&](table::const_iterator other) {
    const double mine = at(it->second, 1).ms;
    const double theirs = at(other->second, 1).ms;
    if (mine <= 0 || theirs <= 0) {
      return;
    }
    const bool swapped = other->first.device < kind.device;
    const device_pair pair = swapped ? device_pair{other->first.device, kind.device}
                                     : device_pair{kind.device, other->first.device};
    const auto found = devices_.find(pair);
    if (found == devices_.end() && devices_.size() >= pairs_max) {
      return;
    }
    comparison& c = found == devices_.end() ? devices_[pair] : found->second;
    const double log_ratio = swapped ? std::log(theirs / mine) : std::log(mine / theirs);
    const double step = std::max(weight, 1.0 / (c.seen + 1.0));
    c.log_ratio += step * (log_ratio - c.log_ratio);
    c.seen += c.seen < UINT32_MAX ? 1 : 0;
  };
  std::size_t looked = 0;
  for (auto other = it; other != table_.begin() && looked < neighbours_max; ++looked) {
    --other;
    if (!same(other)) {
      break;
    }
    learn(other);
  }
  for (auto other = std::next(it); other != table_.end() && looked < neighbours_max; ++looked) {
    if (!same(other)) {
      break;
    }
    learn(other);
    ++other;
  }
}

double run_times::ratio(const std::string& device, const std::string& other,
                        std::uint32_t& seen) const {
  const bool swapped = other < device;
  const auto it = devices_.find(swapped ? device_pair{other, device} : device_pair{device, other});
  if (it == devices_.end()) {
    seen = 0;
    return 1;
  }
  seen = it->second.seen;
  return std::exp(swapped ? -it->second.log_ratio : it->second.log_ratio);
}

/// The same work on the device that is best comparable with this one.
std::optional<double> run_times::from_other_devices(const work_kind& kind,
                                                    std::uint32_t members) const {
  std::optional<double> best;
  std::uint32_t best_seen = 0;
  auto it = table_.lower_bound(work_kind{kind.model, kind.shape, {}});
  for (std::size_t looked = 0; it != table_.end() && looked < neighbours_max; ++it, ++looked) {
    if (it->first.model != kind.model || it->first.shape != kind.shape) {
      break;
    }
    std::uint32_t seen = 0;
    const double scale = ratio(kind.device, it->first.device, seen);
    if (!best || seen > best_seen) {
      best = at(it->second, members).ms * scale;
      best_seen = seen;
    }
  }
  return best;
}

/// The mean of the model's other shapes: on this device when it ran any, else on others, scaled.
std::optional<double> run_times::from_other_shapes(const work_kind& kind,
                                                   std::uint32_t members) const {
  double here = 0;
  double elsewhere = 0;
  std::size_t here_count = 0;
  std::size_t elsewhere_count = 0;
  auto it = table_.lower_bound(work_kind{kind.model, {}, {}});
  for (std::size_t looked = 0; it != table_.end() && looked < neighbours_max; ++it, ++looked) {
    if (it->first.model != kind.model) {
      break;
    }
    const double ms = at(it->second, members).ms;
    if (it->first.device == kind.device) {
      here += ms;
      ++here_count;
    } else {
      std::uint32_t seen = 0;
      elsewhere += ms * ratio(kind.device, it->first.device, seen);
      ++elsewhere_count;
    }
  }
  if (here_count > 0) {
    return here / static_cast<double>(here_count);
  }
  if (elsewhere_count > 0) {
    return elsewhere / static_cast<double>(elsewhere_count);
  }
  return std::nullopt;
}

void run_times::loaded(const std::string& model, const std::string& device, double ms) {
  if (!believable(ms)) {
    return;
  }
  ms = std::min(ms, ms_max);
  const auto [it, is_new] = loads_.try_emplace(load_key{model, device});
  load_times& known = it->second;
  if (is_new) {
    known.ms = ms;
    known.used = loads_used_.insert(loads_used_.end(), &it->first);
  } else {
    known.ms += weight * (ms - known.ms);
    loads_used_.splice(loads_used_.end(), loads_used_, known.used);
  }
  if (loads_.size() > kinds_max) {
    const auto oldest = loads_.find(*loads_used_.front());
    loads_used_.pop_front();
    loads_.erase(oldest);
  }
}

double run_times::expect_load(const std::string& model, const std::string& device,
                              std::uint64_t bytes) const {
  if (const auto it = loads_.find(load_key{model, device}); it != loads_.end()) {
    return it->second.ms;
  }
  // Reading a file takes about as long for every kind of device.
  const auto it = loads_.lower_bound(load_key{model, {}});
  if (it != loads_.end() && it->first.first == model) {
    return it->second.ms;
  }
  constexpr double bytes_per_ms = 1e6;
  constexpr double start_ms = 500;
  return start_ms + static_cast<double>(bytes) / bytes_per_ms;
}

} // namespace tayfa
