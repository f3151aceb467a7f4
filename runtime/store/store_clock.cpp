#include "runtime/store/store_clock.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <utility>

namespace tayfa::store {

namespace {

using limits = std::numeric_limits<std::int64_t>;
constexpr std::int64_t ns_per_ms = 1'000'000;

std::int64_t saturating_add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) {
    return b > 0 ? limits::max() : limits::min();
  }
  return sum;
}
std::int64_t saturating_subtract(std::int64_t a, std::int64_t b) {
  std::int64_t difference = 0;
  if (__builtin_sub_overflow(a, b, &difference)) {
    return b < 0 ? limits::max() : limits::min();
  }
  return difference;
}

std::int64_t mono_ms(moment when) {
  return std::chrono::floor<std::chrono::milliseconds>(when.time_since_epoch()).count();
}
std::int64_t wall_ms(const time_source& time) {
  return std::chrono::floor<std::chrono::milliseconds>(time.wall().time_since_epoch()).count();
}

} // namespace

store_clock::store_clock(const std::optional<saved>& last, const time_source& time,
                         std::string boot)
    : boot_(std::move(boot)) {
  const auto mono = mono_ms(time.now());
  const auto wall = wall_ms(time);
  if (!last) {
    offset_ms_ = saturating_subtract(wall, mono);
    return;
  }
  const bool same_boot = !boot_.empty() && boot_ == last->boot;
  if (same_boot && saturating_add(mono, last->offset_ms) >= last->clock_ms) {
    offset_ms_ = last->offset_ms;
    return;
  }
  const auto gap = std::clamp<std::int64_t>(saturating_subtract(wall, last->wall_ms), 0,
                                            std::int64_t{gap_max.count()});
  offset_ms_ = saturating_subtract(saturating_add(last->clock_ms, gap), mono);
}

store_clock store_clock::with_offset(std::string boot, std::int64_t offset_ms) {
  store_clock out;
  out.boot_ = std::move(boot);
  out.offset_ms_ = offset_ms;
  return out;
}

store_clock::saved store_clock::save(const time_source& time) const {
  return {.boot = boot_,
          .offset_ms = offset_ms_,
          .clock_ms = to_store(time.now()),
          .wall_ms = wall_ms(time)};
}

std::int64_t store_clock::to_store(moment when) const {
  if (when == moment::max()) {
    return limits::max();
  }
  if (when == moment::min()) {
    return limits::min();
  }
  return saturating_add(mono_ms(when), offset_ms_);
}

moment store_clock::from_store(std::int64_t stored) const {
  const auto ms = saturating_subtract(stored, offset_ms_);
  if (stored == limits::max() || ms > limits::max() / ns_per_ms) {
    return moment::max();
  }
  if (stored == limits::min() || ms < limits::min() / ns_per_ms) {
    return moment::min();
  }
  return moment{std::chrono::nanoseconds{ms * ns_per_ms}};
}

std::string boot_id_here() {
  std::ifstream file{"/proc/sys/kernel/random/boot_id"};
  std::string id;
  std::getline(file, id);
  return id;
}

} // namespace tayfa::store
