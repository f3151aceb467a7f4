// The date of an answer in HTTP's format (RFC 9110, 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT".
//
// Owned by http_core and used on its thread. Each second's text is formatted once.
#pragma once

#include "runtime/base/clock.hpp"

#include <chrono>
#include <string>

namespace tayfa {

std::string http_date(std::chrono::system_clock::time_point);

class http_dates {
 public:
  explicit http_dates(const time_source& time) : time_(time) {}
  const std::string& now();

 private:
  const time_source& time_;
  std::chrono::sys_seconds second_{};
  std::string text_;
};

} // namespace tayfa
