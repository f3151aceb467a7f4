#include "runtime/core/job_effects.hpp"

namespace tayfa {

const job_id& job_of(const effect& e) {
  return std::visit(
      []<class E>(const E& one) -> const job_id& {
        static const job_id none;
        if constexpr (requires { one.message.attempt.job; }) {
          return one.message.attempt.job;
        } else if constexpr (requires { one.attempt.job; }) {
          return one.attempt.job;
        } else if constexpr (requires { one.view.id; }) {
          return one.view.id;
        } else {
          return none;
        }
      },
      e);
}

} // namespace tayfa
