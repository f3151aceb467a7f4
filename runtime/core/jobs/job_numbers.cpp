#include "runtime/core/jobs/job_numbers.hpp"

namespace tayfa {

namespace {

void add(job_counts& all, const job_counts& more) {
  all.completed += more.completed;
  all.failed += more.failed;
  all.cancelled += more.cancelled;
  all.timed_out += more.timed_out;
  all.retried += more.retried;
  all.in_queue += more.in_queue;
  all.in_progress += more.in_progress;
}

std::uint64_t* number_of(job_counts& counts, job_state state) {
  switch (state) {
  case job_state::IN_QUEUE: return &counts.in_queue;
  case job_state::IN_PROGRESS: return &counts.in_progress;
  case job_state::COMPLETED: return &counts.completed;
  case job_state::FAILED: return &counts.failed;
  case job_state::CANCELLED: return &counts.cancelled;
  case job_state::TIMED_OUT: return &counts.timed_out;
  }
  return nullptr;
}

/// A tenant that was forgotten has nothing to take from.
void shift(std::uint64_t& number, int by) {
  if (by < 0) {
    number -= number > 0 ? 1 : 0;
  } else {
    number += static_cast<std::uint64_t>(by);
  }
}

} // namespace

template <class Change>
void job_numbers::change(const job_request& request, Change by) {
  endpoint& at = endpoints_[request.endpoint];
  by(at.all);
  if (at.tenants.size() >= tenants_max_ && !at.tenants.contains(request.policy.tenant)) {
    make_room(at);
  }
  by(at.tenants[request.policy.tenant]);
}

void job_numbers::make_room(endpoint& at) const {
  std::erase_if(at.tenants, [](const auto& each) {
    return each.second.in_queue == 0 && each.second.in_progress == 0;
  });
}

void job_numbers::live(const job_request& request, job_state state, int by) {
  if (is_final(state)) {
    return;
  }
  change(request, [state, by](job_counts& counts) { shift(*number_of(counts, state), by); });
}

void job_numbers::ended(const job_request& request, job_state state, int by) {
  if (is_final(state)) {
    change(request, [state, by](job_counts& counts) { shift(*number_of(counts, state), by); });
  }
}

void job_numbers::retried(const job_request& request) {
  change(request, [](job_counts& counts) { ++counts.retried; });
}

job_counts job_numbers::of(const job_access& who) const {
  job_counts sum;
  for (const auto& [name, at] : endpoints_) {
    if (!job_access{who.endpoints, std::nullopt}.covers(name, {})) {
      continue;
    }
    if (!who.tenant) {
      add(sum, at.all);
    } else if (const auto mine = at.tenants.find(*who.tenant); mine != at.tenants.end()) {
      add(sum, mine->second);
    }
  }
  return sum;
}

std::size_t job_numbers::tenants(std::string_view name) const {
  const auto at = endpoints_.find(name);
  return at == endpoints_.end() ? 0 : at->second.tenants.size();
}

} // namespace tayfa
