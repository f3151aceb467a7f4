#include "runtime/runpod_worker/outbox.hpp"

#include <algorithm>

namespace tayfa::runpod {

namespace {

/// Progress is replaced by newer progress only where so many posts wait already.
constexpr std::size_t progress_posts_max = outbox::waiting_posts_max / 100;

bool means_gone(const result<outgoing_answer>& answer) {
  return answer && (answer->status == 404 || answer->status == 410);
}

} // namespace

outbox::entry outbox::of(const job_id& id, const std::string& origin) {
  const auto [it, fresh] = numbers_.try_emplace(id, last_ + 1);
  if (!fresh) {
    return jobs_.find(it->second);
  }
  job_posts one;
  one.id = id;
  one.origin = origin;
  return jobs_.emplace(++last_, std::move(one)).first;
}

void outbox::remove(entry it) {
  if (it->second.retry_at) {
    retries_.erase({*it->second.retry_at, it->first});
  }
  numbers_.erase(it->second.id);
  jobs_.erase(it);
}

void outbox::drop(const job_id& id) {
  if (const auto it = numbers_.find(id); it != numbers_.end()) {
    remove(jobs_.find(it->second));
  }
}

void outbox::accepted(const job_id& id) {
  if (const auto it = numbers_.find(id); it != numbers_.end()) {
    if (const auto job = jobs_.find(it->second); !job->second.from_queue) {
      remove(job);
    }
  }
}

std::vector<std::pair<job_id, std::string>> outbox::ended() const {
  std::vector<std::pair<job_id, std::string>> all;
  for (const auto& [number, job] : jobs_) {
    if (job.ended) {
      all.emplace_back(job.id, job.origin);
    }
  }
  return all;
}

// ---- chunks and progress -----------------------------------------------------------------------

void outbox::progress(const origin_progress& m, effects& then) {
  if (m.is_chunk && platform_.post_stream.empty()) {
    return;
  }
  accepted(m.id);
  const auto it = of(m.id, m.origin);
  if (it->second.ended) {
    return; // never after the result
  }
  if (m.is_chunk) {
    add_chunk(it->second, m.id, m.payload, then);
  } else {
    add_progress(it->second, m.payload);
  }
  send_next(it, then);
}

void outbox::add_progress(job_posts& job, const shared_text& payload) {
  const std::size_t fixed = job.under_way ? 1 : 0;
  if (job.waiting.size() > fixed && job.waiting.size() >= progress_posts_max &&
      job.waiting.back().what == kind::progress) {
    job.waiting.pop_back();
  }
  job.waiting.push_back({kind::progress, progress_body(payload)});
}

void outbox::add_chunk(job_posts& job, const job_id& id, const shared_text& payload,
                       effects& then) {
  job.streamed = true;
  auto bodies = chunk_bodies(payload);
  if (!bodies) {
    then.push_back(log_line{"chunk_not_posted", true, id, {}, bodies.error().str()});
    return;
  }
  for (auto& body : *bodies) {
    if (job.waiting.size() >= waiting_posts_max || job.chunk_bytes > waiting_bytes_max) {
      then.push_back(log_line{"chunk_not_posted", true, id, {}, "too many wait"});
      return;
    }
    job.chunk_bytes += body.size();
    job.waiting.push_back({kind::piece, std::move(body)});
  }
}

// ---- results -----------------------------------------------------------------------------------

result<std::string> outbox::result_body(const deliver_result& m, bool streamed) const {
  const bool refresh = m.refresh || options_.refresh_worker;
  if (m.view.state != job_state::COMPLETED) {
    const auto why = m.view.failure.value_or(error{errc::cancelled, "cancelled at the worker"});
    return error_body(platform_, why, refresh);
  }
  if (!streamed) {
    return output_body(m.view.output, refresh);
  }
  if (options_.aggregate_stream && !m.whole) {
    return fail(errc::payload_too_large, "too many chunks for one result");
  }
  return stream_end_body(m.chunks, options_.aggregate_stream, refresh);
}

void outbox::deliver(const deliver_result& m, effects& then) {
  accepted(m.view.id);
  const auto it = of(m.view.id, m.origin);
  auto& job = it->second;
  if (job.ended) {
    return; // delivered twice: the first one is under way
  }
  job.ended = true;
  job.streamed = job.streamed || !m.chunks.empty();
  auto body = result_body(m, job.streamed);
  if (!body) {
    then.push_back(log_line{"result_replaced", true, m.view.id, {}, body.error().str()});
    job.waiting.push_back({kind::refusal, error_body(platform_, body.error(), m.refresh)});
  } else {
    if (job.streamed && m.view.failure && !platform_.post_stream.empty()) {
      job.waiting.push_back({kind::last_piece, chunk_error_body(*m.view.failure)});
    }
    job.waiting.push_back({kind::result, std::move(*body), 0, m.view.output});
  }
  send_next(it, then);
}

void outbox::refuse(const std::string& origin, const error& why, effects& then) {
  const auto id = local_id(origin);
  then.push_back(log_line{"job_refused", true, id, {}, why.str()});
  if (contains(id)) {
    return; // another of this name is being reported
  }
  const auto it = of(id, origin);
  it->second.ended = true;
  it->second.from_queue = false;
  it->second.waiting.push_back({kind::result, error_body(platform_, why)});
  send_next(it, then);
}

// ---- posts -------------------------------------------------------------------------------------

void outbox::send_next(entry it, effects& then) {
  auto& job = it->second;
  if (job.under_way || job.retry_at || job.waiting.empty()) {
    return;
  }
  post& next = job.waiting.front();
  ++next.tries;
  job.under_way = true;
  const bool to_stream = next.what == kind::piece || next.what == kind::last_piece;
  then.push_back(send_post{it->first, to_stream
                                          ? chunk_call(platform_, job.origin, next.body)
                                          : result_call(platform_, job.origin,
                                                        is_end(next) && job.streamed, next.body)});
}

void outbox::again(moment now, entry it, milliseconds pause) {
  auto& job = it->second;
  job.retry_at = now + std::max(post_pause(job.waiting.front().tries), pause);
  retries_.emplace(*job.retry_at, it->first);
}

void outbox::posted(moment now, std::uint64_t number, const result<outgoing_answer>& answer,
                    effects& then) {
  const auto it = jobs_.find(number);
  if (it == jobs_.end()) {
    return; // its job was stopped meanwhile
  }
  auto& job = it->second;
  job.under_way = false;
  auto& sent = job.waiting.front();
  const auto outcome = read_post(answer);
  using what = post_outcome::what;
  if (sent.what == kind::result && outcome.kind == what::refused && !means_gone(answer)) {
    // The job must end: with a small error, when the platform refuses its result.
    then.push_back(log_line{"result_replaced", true, job.id, {}, outcome.text});
    sent = {kind::refusal,
            error_body(platform_, error{errc::job_failed,
                                        "the platform refused the result: " + outcome.text})};
    send_next(it, then);
    return;
  }
  if (is_end(sent)) {
    end_posted(now, it, outcome, then);
    return;
  }
  if (outcome.kind == what::again && sent.tries < side_tries_max) {
    again(now, it, outcome.pause);
    return;
  }
  if (outcome.kind != what::accepted) {
    then.push_back(log_line{"post_given_up", true, job.id, {}, outcome.text});
  }
  if (sent.what == kind::piece) {
    job.chunk_bytes -= sent.body.size();
  }
  job.waiting.pop_front();
  send_next(it, then);
}

/// The queue decides whether its result is delivered again; others are tried again from here.
void outbox::end_posted(moment now, entry it, const post_outcome& outcome, effects& then) {
  using what = post_outcome::what;
  const auto& job = it->second;
  const auto& sent = job.waiting.front();
  const bool is_result = sent.what == kind::result;
  const auto how = outcome.kind == what::accepted && is_result ? delivery::delivered
                   : outcome.kind == what::again               ? delivery::again
                                                               : delivery::given_up;
  if (!job.from_queue && how == delivery::again && sent.tries < refusal_tries_max) {
    again(now, it, outcome.pause);
    return;
  }
  if (job.from_queue) {
    then.push_back(result_posted{job.id, how, outcome.pause, outcome.text});
    if (options_.refresh_worker && how != delivery::again) {
      then.push_back(stop_pod{"refresh_worker"});
    }
  }
  remove(it);
}

void outbox::expire(moment now, effects& then) {
  while (!retries_.empty() && retries_.begin()->first <= now) {
    const auto it = jobs_.find(retries_.extract(retries_.begin()).value().second);
    it->second.retry_at.reset();
    send_next(it, then);
  }
}

std::optional<moment> outbox::next_deadline() const {
  return retries_.empty() ? std::nullopt : std::optional{retries_.begin()->first};
}

} // namespace tayfa::runpod
