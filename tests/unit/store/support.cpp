#include "tests/unit/store/support.hpp"

#include "runtime/store/row_codec.hpp"

#include <sstream>

namespace tayfa::store::testing {

namespace {

std::string ms(const std::optional<milliseconds>& value) {
  return value ? std::to_string(value->count()) : "-";
}
std::string at(moment when) {
  return std::to_string(when.time_since_epoch().count());
}

} // namespace

std::string words_of(const job_row& row) {
  const auto& request = row.request;
  const auto& policy = request.policy;
  std::ostringstream out;
  out << row.order << ' ' << row.id.str() << ' ' << row.fingerprint << " at " << at(row.submitted)
      << " request " << request.endpoint << '|' << request.model << '|' << request.shape << '|'
      << request.webhook << '|' << request.sync << " input " << row.input_bytes << ' '
      << request.input.view() << " policy " << ms(policy.execution_timeout) << ' ' << ms(policy.ttl)
      << ' ' << int{policy.priority} << ' ' << ms(policy.deadline) << ' ' << policy.delay.count()
      << '|' << policy.tenant << '|' << policy.idempotency_key << " state " << to_string(row.state)
      << ' ' << row.attempts << ' ' << row.lives << ' ' << row.attempts_before << ' '
      << row.solo_crashes << ' ' << row.suspect << row.dead << ' ' << at(row.not_before) << ' '
      << (row.retried ? at(*row.retried) : "-") << ' ' << (row.ended ? at(*row.ended) : "-") << ' '
      << row.worker << ' ' << to_string(row.holder) << ' '
      << (row.failure ? row.failure->str() : "-") << ' ' << ms(row.delay) << ' '
      << ms(row.execution) << " history " << history_text(row.history) << " hook " << row.hook_tries
      << row.hook_open << row.refresh << row.dropped_chunks
      << (row.keep_until ? at(*row.keep_until) : "-") << row.request.origin << '|'
      << row.request.s3_config << " output " << row.output_bytes << ' ' << row.output.view()
      << " chunks " << chunks_text(row.chunks);
  return out.str();
}

} // namespace tayfa::store::testing
