#include "runtime/base/clock.hpp"

namespace tayfa {

moment system_time::now() const {
  return std::chrono::steady_clock::now();
}
std::chrono::system_clock::time_point system_time::wall() const {
  return std::chrono::system_clock::now();
}

} // namespace tayfa
