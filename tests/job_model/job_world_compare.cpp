// The comparison of the table with the model, after each command and after each step.
#include "tests/job_model/job_world.hpp"

#include "tests/job_model/effect_text.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>

namespace tayfa::testing {

void job_world::see(std::string_view text) {
  if (!text.empty()) {
    std::erase_if(unseen_,
                  [&](const std::string& event) { return text.find(event) != std::string::npos; });
  }
}

void job_world::check(const char* command, const std::string& answer, const std::string& expected,
                      const effects& all) {
  auto differences = model_.unexplained();
  if (answer != expected) {
    differences.push_back("it answered '" + answer + "', expected: '" + expected + "'");
  }
  for (const auto& each : differences) {
    fault(std::string{command} + ": " + each + "\n  of " + text_of(all));
  }
  see(answer);
  see(text_of(all));
  promises_.ordered(all);
  hold_back(all);
}

/// Page by page, as clients list jobs; newest first.
std::vector<job_summary> job_world::all_summaries() const {
  std::vector<job_summary> all;
  job_filter filter;
  do {
    auto page = table_->list(now(), filter);
    std::move(page.jobs.begin(), page.jobs.end(), std::back_inserter(all));
    filter.after = page.next;
  } while (filter.after != 0);
  return all;
}

void job_world::compare() {
  for (const auto& rule : table_->audit()) {
    fault(rule);
  }
  static const effects none;
  model_.ordered(now(), none);
  const auto next = table_->next_deadline();
  const auto expected = model_.next_deadline();
  // The table looks again at a learned time when a job waits for a worker that is better than one
  // that has room.
  const bool learned = !alike_ || batches_ || model_.has_remote();
  if (learned ? expected && !(next && *next <= *expected) : next != expected) {
    fault("the next deadline differs");
  }
  const auto a = table_->counts();
  const auto b = model_.counts();
  const auto all = [](const job_counts& c) {
    return std::tie(c.completed, c.failed, c.cancelled, c.timed_out, c.dead, c.kept, c.retried,
                    c.stale, c.in_queue, c.in_progress, c.chunks_dropped);
  };
  if (all(a) != all(b) || table_->running() != b.in_progress ||
      table_->awaited() != model_.awaited() || table_->undelivered() != model_.undelivered() ||
      table_->origins().size() != model_.live_of_platforms() ||
      table_->local_capacity() != model_.local_capacity()) {
    fault("a count differs");
  }
  for (const auto& [place, incarnation] : latest_) {
    if (table_->held(place) != model_.held(place)) {
      fault(default_name(place) + " holds another number of attempts");
    }
  }
  std::set<std::string> here;
  const auto listed = all_summaries();
  auto next_listed = listed.rbegin();
  for (const auto& j : model_.jobs()) {
    here.insert(j.id);
    const auto found = table_->inspect(now(), job_id{j.id});
    if (found.has_value() != model_.kept(j)) {
      fault(j.id + (found ? " should be forgotten" : " is not there"));
    } else if (found) {
      compare(*found, j);
      if (next_listed == listed.rend() || (next_listed++)->id.str() != j.id) {
        fault(j.id + " is not listed");
        return;
      }
    }
  }
  if (next_listed != listed.rend()) {
    fault(next_listed->id.str() + " should not be listed");
  }
  promises_.forget_others(here);
  for (const auto& rule : promises_.broken()) {
    fault(rule);
  }
}

/// Also of a text that only the store has.
std::string job_world::output_of(const job_view& v) {
  return std::string{v.stored_output == 0
                         ? v.output.view()
                         : disk_->fetch(v.stored_output, job_store::column::output).view()};
}

/// Every member that a client can see.
void job_world::compare(const job_detail& d, const job_model::job& j) {
  const auto& v = d.view;
  const auto& r = j.request;
  const auto output = output_of(v);
  const auto code = [](const std::optional<error>& e) {
    return e ? std::optional{e->code} : std::nullopt;
  };
  const auto age = std::chrono::duration_cast<milliseconds>(now() - j.submitted);
  if (std::tie(v.state, v.attempts, v.execution, v.dropped_chunks, d.dead, d.lives) !=
          std::tie(j.state, j.attempts, j.execution, j.chunks_lost, j.dead, j.lives) ||
      output != j.output || code(v.failure) != j.failure ||
      (v.delay != j.delay && !j.delay_unsure)) {
    fault("the view of " + j.id + " differs");
  }
  if (std::tie(d.endpoint, d.model, d.shape, d.tenant, d.priority, d.input_bytes, d.age) !=
      std::tie(r.endpoint, r.model, r.shape, r.policy.tenant, r.policy.priority, j.input_bytes,
               age)) {
    fault("what was asked for with " + j.id + " differs");
  }
  if (alike_ && !batches_ && !model_.may_wait_for(j, v.why)) {
    fault(j.id + " does not wait for " + std::string{to_string(v.why)});
  }
  if (table_->webhook_is_pending(job_id{j.id}) != j.hook_open) {
    fault("whether " + j.id + " is to be delivered differs");
  }
  see("as " + std::string{to_string(v.why)});
  const auto same_attempt = [&](const attempt_view& h, const job_model::attempt& a) {
    see(h.failure ? "by " + std::string{to_string(h.failure->code)} : "");
    return h.number == a.number && code(h.failure) == a.failure && h.given == a.given &&
           h.ended == a.ended;
  };
  if (!std::equal(d.history.begin(), d.history.end(), j.history.begin(), j.history.end(),
                  same_attempt)) {
    fault("the attempts of " + j.id + " differ");
  }
  promises_.seen(d, j.uncharged_attempts, output);
}

} // namespace tayfa::testing
