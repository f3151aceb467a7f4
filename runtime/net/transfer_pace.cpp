#include "runtime/net/transfer_pace.hpp"

#include <algorithm>
#include <utility>

namespace tayfa {

namespace {

std::uint64_t bytes_in(std::uint64_t rate, std::chrono::nanoseconds time) {
  return static_cast<std::uint64_t>(static_cast<double>(rate) *
                                    std::chrono::duration<double>(time).count());
}

} // namespace

void transfer_pace::begin(limits l, moment now) {
  *this = {};
  limits_ = l;
  began_ = span_ = span_before_ = latest_ = now;
}

void transfer_pace::moved(std::uint64_t bytes, moment now) {
  if (bytes > 0) {
    moved_ += bytes;
    latest_ = now;
  }
}

bool transfer_pace::keeps_up(moment now) {
  if (now - latest_ >= limits_.idle) {
    return false;
  }
  if (now - span_ < limits_.idle) {
    return true;
  }
  span_before_ = std::exchange(span_, now);
  moved_before_ = std::exchange(moved_, 0);
  return moved_before_ >= bytes_in(limits_.least_rate, limits_.idle);
}

moment transfer_pace::due() const {
  return std::min(latest_, span_) + limits_.idle;
}

bool transfer_pace::slower_than(std::uint64_t rate, moment now,
                                std::chrono::nanoseconds settled) const {
  return now - began_ >= settled && moved_before_ + moved_ < bytes_in(rate, now - span_before_);
}

} // namespace tayfa
