// Effects, and what clients ask for.
#include "tests/job_model/job_model.hpp"

#include "tests/job_model/effect_text.hpp"

#include <algorithm>

namespace tayfa::testing {

using std::chrono::minutes;

// ---- effects ------------------------------------------------------------------------------------

std::vector<std::string> job_model::unexplained() {
  while (const auto* e = next_effect()) {
    wrong("it ordered: " + text_of(*e));
    ++at_;
  }
  if (calls_.empty() &&
      std::any_of(jobs_.begin(), jobs_.end(), [](const job& j) { return j.hook_waits; })) {
    wrong("a webhook waits while none is called");
  }
  done_ = nullptr;
  return std::exchange(wrong_, {});
}

/// The next one that the rules must explain.
const effect* job_model::next_effect() {
  follow_hooks();
  return done_ == nullptr || at_ == done_->size() ? nullptr : &(*done_)[at_];
}

bool job_model::is_moved_next(const job& j) {
  const auto* e = next_effect();
  const auto* m = e == nullptr ? nullptr : std::get_if<moved>(e);
  return m != nullptr && m->view.id.str() == j.id;
}

void job_model::expect(const std::string& text) {
  const auto* e = next_effect();
  const auto real = e == nullptr ? "nothing" : text_of(*e);
  if (real != text) {
    wrong("it ordered: " + real + "; expected: " + text);
  }
  at_ += e == nullptr ? 0 : 1;
}

void job_model::expect_moved(const job& j, cause why) {
  const auto* e = next_effect();
  expect(j.id + " " + std::string{to_string(j.state)} + " (" + std::string{to_string(why)} + ")" +
         (j.watch && is_final(j.state) ? " watched" : ""));
  const auto* m = e == nullptr ? nullptr : std::get_if<moved>(e);
  if (m != nullptr && m->view.id.str() == j.id) {
    check_view(m->view, j);
    if (m->endpoint != j.request.endpoint) {
      wrong(j.id + " is of another endpoint than " + m->endpoint);
    }
  }
}

void job_model::expect_revoke(const job& j) {
  const attempt_ref a{job_id{j.id}, j.attempts};
  const auto* w = worker_of(j.holder);
  if (w != nullptr && std::count(w->holds.begin(), w->holds.end(), a) == 1) {
    expect("revoke " + to_string(a) + " from " + to_string(j.holder));
  }
}

/// The client's view in an effect. A large output may be in the store only.
void job_model::check_view(const job_view& v, const job& j) {
  const bool output =
      v.stored_output == 0 ? v.output.view() == j.output : v.stored_output == j.order && j.stored;
  const bool same = v.state == j.state && v.attempts == j.attempts && output &&
                    v.output_bytes == j.output.size() &&
                    (v.failure ? std::optional{v.failure->code} : std::nullopt) == j.failure &&
                    (j.delay_unsure || v.delay == j.delay) && v.execution == j.execution &&
                    v.dropped_chunks == j.chunks_lost;
  if (!same) {
    wrong("the view of " + j.id + " is wrong");
  }
}

// ---- looking up ---------------------------------------------------------------------------------

const job_model::job* job_model::find(const std::string& id) const {
  const auto at =
      std::find_if(jobs_.begin(), jobs_.end(), [&](const job& j) { return j.id == id; });
  return at == jobs_.end() ? nullptr : &*at;
}
job_model::job* job_model::find_kept(const std::string& id) {
  job* j = find_any(id);
  return j != nullptr && kept(*j) ? j : nullptr;
}
bool job_model::kept(const job& j) const {
  return !is_final(j.state) || j.undelivered || now_ < forget_at(j);
}

job_counts job_model::counts() const {
  auto out = counts_;
  for (const auto& j : jobs_) {
    out.in_queue += j.state == job_state::IN_QUEUE;
    out.in_progress += j.state == job_state::IN_PROGRESS;
    out.dead += j.dead;
    out.kept += is_final(j.state);
  }
  return out;
}
std::size_t job_model::live_of_platforms() const {
  return static_cast<std::size_t>(std::count_if(jobs_.begin(), jobs_.end(), [](const job& j) {
    return j.from_platform() && !is_final(j.state);
  }));
}
std::size_t job_model::undelivered() const {
  return live_of_platforms() +
         static_cast<std::size_t>(
             std::count_if(jobs_.begin(), jobs_.end(), [](const job& j) { return j.undelivered; }));
}

// ---- clients ------------------------------------------------------------------------------------

/// Two submissions with one key are the same request when these agree.
static bool is_same_request(const job_model::job& j, const job_request& r) {
  const auto& a = j.request;
  return j.asked_model == r.model && a.policy == r.policy && a.webhook == r.webhook &&
         a.sync == r.sync && a.s3_config == r.s3_config && a.input == r.input;
}

std::string job_model::key_of(const job_request& r) const {
  return r.endpoint + "\n" + r.policy.tenant + "\n" + r.policy.idempotency_key;
}

std::size_t job_model::bytes_of(const job& j) const {
  std::size_t bytes = j.input_bytes + j.output.size();
  for (const auto& c : j.chunks) {
    bytes += c.size();
  }
  return bytes;
}

std::optional<errc> job_model::no_room(const job_request& request, std::size_t bytes) const {
  std::size_t waiting = 0;
  std::size_t here = 0;
  std::size_t mine = 0;
  for (const auto& j : jobs_) {
    waiting += j.state == job_state::IN_QUEUE;
    here += is_final(j.state) ? 0 : bytes_of(j);
    mine += !is_final(j.state) && j.request.policy.tenant == request.policy.tenant;
  }
  if (stopping_) {
    return errc::stopping;
  }
  if (waiting >= limits_.queue_max || here + bytes > limits_.live_bytes_max) {
    return errc::queue_full;
  }
  if (limits_.tenant_max > 0 && mine >= limits_.tenant_max) {
    return errc::quota_exceeded;
  }
  return std::nullopt;
}

std::string job_model::submit(const std::string& id, const job_request& request, bool watch) {
  for (auto& j : jobs_) {
    if (!request.policy.idempotency_key.empty() && key_of(j.request) == key_of(request) &&
        kept(j)) {
      const bool same = is_same_request(j, request);
      j.watch = j.watch || (same && watch);
      return same ? "again " + j.id : "idempotency_mismatch";
    }
  }
  job* known = find_any(id);
  if (known != nullptr && known->from_platform() && known->request.origin == request.origin) {
    return given_again(*known, watch);
  }
  if (const auto why = no_room(request, request.input.size())) {
    return std::string{to_string(*why)};
  }
  if (known != nullptr) {
    return "bad_request";
  }
  const auto is_model = [&](const model_facts& m) { return m.name == request.model; };
  if (!request.model.empty() && !models_.empty() &&
      std::none_of(models_.begin(), models_.end(), is_model)) {
    return "model_not_found";
  }
  job& j = jobs_.emplace_back();
  j.id = id;
  j.order = ++orders_;
  j.request = request;
  j.asked_model = request.model;
  if (request.model.empty() && !models_.empty()) {
    j.request.model = models_.front().name;
  }
  j.input_bytes = request.input.size();
  j.watch = watch;
  j.submitted = j.life_began = now_;
  j.not_before = now_ + request.policy.delay;
  j.attempts = j.uncharged_attempts = j.from_platform() ? last_held_of(id) : 0;
  wait(j);
  if (!j.sleeping) {
    assign();
  }
  return {};
}

/// The job's stored input differs from the accepted request.
static bool is_damaged(const job_model::job& j) {
  return j.failure == errc::store_corrupt;
}

/// A platform gives a job that it gave before. A live one is left alone; the result of one that
/// completed is delivered once more; any other begins a new life.
std::string job_model::given_again(job& j, bool watch) {
  if (j.undelivered && !j.hook_out) {
    deliver(j);
  } else if (!j.undelivered && (j.state == job_state::COMPLETED || is_damaged(j))) {
    j.keep_until = std::max(j.keep_until, now_ + minutes{10});
    open_delivery(j);
  } else if (!j.undelivered && is_final(j.state)) {
    if (const auto why = no_room(j.request, j.input_bytes)) {
      return std::string{to_string(*why)};
    }
    revive(j);
    assign();
  }
  j.watch = j.watch || watch;
  return "again " + j.id;
}

std::string job_model::cancel(const std::string& id, bool by_origin) {
  job* j = find_kept(id);
  if (j == nullptr) {
    return "job_not_found";
  }
  const bool live = !is_final(j->state);
  if (live) {
    unwanted_ = by_origin;
    end(*j, job_state::CANCELLED, cause::cancel_requested, std::nullopt);
    unwanted_ = false;
  }
  if (by_origin && j->undelivered) {
    close_delivery(*j);
    trim({});
  }
  if (live) {
    assign();
  }
  return {};
}

std::string job_model::retry(const std::string& id) {
  job* j = find_kept(id);
  if (j == nullptr) {
    return "job_not_found";
  }
  if ((j->state != job_state::FAILED && j->state != job_state::TIMED_OUT) || j->from_platform() ||
      is_damaged(*j)) {
    return "wrong_state";
  }
  if (const auto why = no_room(j->request, j->input_bytes)) {
    return std::string{to_string(*why)};
  }
  revive(*j);
  assign();
  return {};
}

std::string job_model::drop(const std::string& id) {
  job* j = find_kept(id);
  if (j == nullptr || !is_final(j->state) || j->undelivered) {
    return j == nullptr ? "job_not_found" : "wrong_state";
  }
  forget(id);
  return {};
}

/// As one step, which must not wait for another.
std::string job_model::purge() {
  std::vector<job*> waiting;
  for (auto& j : jobs_) {
    if (j.state == job_state::IN_QUEUE) {
      waiting.push_back(&j);
    }
  }
  for (job* j : waiting) { // what ends is never forgotten while others wait
    end(*j, job_state::CANCELLED, cause::cancel_requested, std::nullopt);
  }
  step_waits_ = step_waits_ || !waiting.empty();
  expect("purged " + std::to_string(waiting.size()));
  assign();
  return {};
}

void job_model::keep(const std::string& id, milliseconds time) {
  if (job* j = find_kept(id)) {
    j->keep_until = std::max(j->keep_until, now_ + time);
  }
}

std::string job_model::read_stream(const std::string& id) const {
  const job* j = find(id);
  if (j == nullptr || !kept(*j)) {
    return "job_not_found";
  }
  std::string out;
  for (const auto& c : j->chunks) {
    out += c;
  }
  return out + " up to " + std::to_string(j->chunks_gone + j->chunks.size());
}

void job_model::received(const std::string& id, std::uint64_t last) {
  job* j = find_any(id);
  while (j != nullptr && !j->chunks.empty() && j->chunks_gone < last) {
    j->chunks.erase(j->chunks.begin());
    ++j->chunks_gone;
    ++j->chunks_read;
  }
}

} // namespace tayfa::testing
