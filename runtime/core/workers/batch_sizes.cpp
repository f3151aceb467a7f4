#include "runtime/core/workers/batch_sizes.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tayfa {
namespace {

constexpr double weight = 1.0 / 8;

std::uint32_t level_of(std::uint32_t members) {
  return static_cast<std::uint32_t>(std::bit_width(members - 1));
}

} // namespace

batch_sizes::batch_sizes(std::uint32_t configured) : configured_(configured) {}

std::uint32_t batch_sizes::most(const work_kind& kind, std::uint32_t engine_max) const {
  std::uint32_t size = std::max(configured_, 1U);
  if (const auto it = states_.find(kind); it != states_.end()) {
    const state& known = it->second;
    size = configured_ > 0 ? configured_ : 1U << known.level;
    if (known.limit > 0) {
      size = std::min(size, known.limit);
    }
  }
  return std::clamp(size, 1U, std::max(engine_max, 1U));
}

void batch_sizes::ran(const work_kind& kind, std::uint32_t members, double ms) {
  if (configured_ > 0 || members == 0 || !std::isfinite(ms) || ms < 0) {
    return;
  }
  state& known = touch(kind);
  const std::uint32_t level = level_of(members);
  if (level < levels_max) {
    share& s = known.shares[level];
    const double mine = ms / members;
    // The mean of the first runs, then one that forgets: a single early outlier decides nothing.
    s.ms += std::max(weight, 1.0 / (s.seen + 1.0)) * (mine - s.ms);
    s.seen += s.seen < UINT32_MAX ? 1 : 0;
  }
  known.rest -= known.rest > 0 ? 1 : 0;
  judge(known);
}

/// Compares the level in use with the one below.
void batch_sizes::judge(state& known) const {
  const share& mine = known.shares[known.level];
  if (mine.seen < samples_min) {
    if (known.trying && known.level > 0 && known.rest == 0) {
      step_back(known); // nothing fills it: neither the waiting jobs nor the engine's own most
    }
    return;
  }
  if (known.level > 0) {
    const double below = known.shares[known.level - 1].ms;
    if (known.trying && mine.ms > below * (1 - gain_min)) {
      step_back(known);
      return;
    }
    if (!known.trying && mine.ms > below * (1 + loss_max)) {
      known.shares = {}; // the engine is not what it was: all that was learned is old
      known.level = 0;
      known.trying = true;
      return;
    }
  }
  if (known.trying || known.rest == 0) {
    try_next(known);
  }
}

void batch_sizes::try_next(state& known) {
  const std::uint32_t next = known.level + 1;
  const bool possible = next < levels_max && (known.limit == 0 || (1U << next) <= known.limit);
  known.trying = possible;
  known.rest = retry_runs;
  if (possible) {
    known.level = next;
    known.shares[next] = {};
  }
}

void batch_sizes::step_back(state& known) {
  known.level -= 1;
  known.trying = false;
  known.rest = retry_runs << std::min(known.out_of_memory, backoff_max);
}

void batch_sizes::out_of_memory(const work_kind& kind, std::uint32_t members) {
  if (members == 0) {
    return;
  }
  state& known = touch(kind);
  const std::uint32_t fits = std::max(1U, members - std::max(1U, members / 4));
  known.limit = known.limit > 0 ? std::min(known.limit, fits) : fits;
  known.out_of_memory += known.out_of_memory < UINT32_MAX ? 1 : 0;
  known.level = std::min(known.level, static_cast<std::uint32_t>(std::bit_width(known.limit)) - 1);
  known.trying = false;
  known.rest = retry_runs << std::min(known.out_of_memory, backoff_max);
}

void batch_sizes::engine_new(const std::string& device) {
  for (auto& [kind, known] : states_) {
    if (kind.device == device) {
      known.limit = 0;
    }
  }
}

batch_sizes::state& batch_sizes::touch(const work_kind& kind) {
  const auto [it, is_new] = states_.try_emplace(kind);
  if (!is_new) {
    used_.splice(used_.end(), used_, it->second.used);
    return it->second;
  }
  it->second.used = used_.insert(used_.end(), &it->first);
  if (states_.size() > kinds_max) {
    const auto oldest = states_.find(*used_.front());
    used_.pop_front();
    states_.erase(oldest);
  }
  return it->second;
}

} // namespace tayfa
