// Posts of each job, one after the other: chunks and progress, then the result.
#include "actors/runpod_worker.hpp"

#include <algorithm>

namespace tayfa {

namespace {

/// A reader that does not see a chunk or some progress loses less than one who waits for the result
/// behind it for ever.
constexpr std::uint32_t side_tries_max = 6;
/// Limit of waiting chunks and progress per job; newer progress replaces the last one, a chunk
/// beyond the limit is left out (the result contains all of them when they are aggregated).
constexpr std::size_t waiting_posts_max = 10'000;
constexpr std::size_t waiting_bytes_max = std::size_t{64} << 20;
/// The tries of a report of a job that the queue never took; nothing durable is behind it.
constexpr std::uint32_t refusal_tries_max = 20;

bool means_gone(const result<outgoing_answer>& answer) {
  return answer && (answer->status == 404 || answer->status == 410);
}

} // namespace

std::uint64_t runpod_worker::line_of(const job_id& id, const std::string& origin) {
  const auto [it, fresh] = line_numbers_.try_emplace(id, next_line_ + 1);
  if (fresh) {
    line l;
    l.id = id;
    l.origin = origin;
    lines_.emplace(++next_line_, std::move(l));
  }
  return it->second;
}

void runpod_worker::drop_line(std::uint64_t number) {
  const auto it = lines_.find(number);
  if (it == lines_.end()) {
    return;
  }
  line_numbers_.erase(it->second.id);
  lines_.erase(it);
}

// ---- chunks and progress -----------------------------------------------------------------------

void runpod_worker::said(const origin_progress& m) {
  if (m.is_chunk && platform_.post_stream.empty()) {
    return;
  }
  const auto number = line_of(m.id, m.origin);
  line& l = lines_.at(number);
  if (l.ended) {
    return; // never after the result
  }
  if (!m.is_chunk) {
    const bool replaces = l.posts.size() > (l.posting ? 1U : 0U) &&
                          l.posts.back().kind == post_kind::progress &&
                          l.posts.size() >= waiting_posts_max / 100;
    if (replaces) {
      l.posts.pop_back();
    }
    l.posts.push_back({post_kind::progress, runpod::progress_body(m.payload)});
  } else {
    l.streamed = true;
    auto bodies = runpod::chunk_bodies(m.payload);
    if (!bodies) {
      ctx_.outside.log.warn("chunk_not_posted", {{"job", m.id}, {"text", bodies.error().str()}});
      return;
    }
    for (auto& body : *bodies) {
      if (l.posts.size() >= waiting_posts_max || l.waiting_bytes > waiting_bytes_max) {
        ctx_.outside.log.warn("chunk_not_posted", {{"job", m.id}, {"text", "too many wait"}});
        return;
      }
      l.waiting_bytes += body.size();
      l.posts.push_back({post_kind::piece, std::move(body)});
    }
  }
  post_next(number);
}

// ---- results -----------------------------------------------------------------------------------

result<std::string> runpod_worker::result_body(const deliver_result& m, bool streamed) const {
  const bool refresh = m.refresh || ctx_.knobs.runpod_refresh_worker;
  const bool aggregate = ctx_.knobs.runpod_aggregate_stream;
  if (m.view.state == job_state::COMPLETED && streamed && aggregate && !m.whole) {
    return fail(errc::payload_too_large, "too many chunks for one result");
  }
  if (m.view.state == job_state::COMPLETED) {
    return streamed ? runpod::stream_end_body(m.chunks, aggregate, refresh)
                    : runpod::output_body(m.view.output, refresh);
  }
  const auto why = m.view.failure.value_or(error{errc::cancelled, "cancelled at the worker"});
  return runpod::error_body(platform_, why, refresh);
}

void runpod_worker::deliver(const deliver_result& m) {
  live_.erase(m.view.id);
  const auto number = line_of(m.view.id, m.origin);
  line& l = lines_.at(number);
  if (l.ended) {
    return; // told twice: the first one is on its way
  }
  l.ended = true;
  l.streamed = l.streamed || !m.chunks.empty();
  auto body = result_body(m, l.streamed);
  if (!body) {
    ctx_.outside.log.warn("result_replaced", {{"job", m.view.id}, {"text", body.error().str()}});
    l.posts.push_back({post_kind::refusal, runpod::error_body(platform_, body.error(), m.refresh)});
  } else {
    if (l.streamed && m.view.failure && !platform_.post_stream.empty()) {
      l.posts.push_back({post_kind::last_piece, runpod::chunk_error_body(*m.view.failure)});
    }
    l.posts.push_back({post_kind::result, std::move(*body), 0, m.view.output});
  }
  post_next(number);
  maybe_take();
}

/// The queue did not take the job, so nothing about it is durable here; the platform is told.
void runpod_worker::report_refused(const std::string& origin, const error& why) {
  const auto id = runpod::local_id(origin);
  ctx_.outside.log.warn("job_refused", {{"job", id}, {"text", why.str()}});
  if (line_numbers_.contains(id)) {
    return; // another of this name is being reported
  }
  const auto number = line_of(id, origin);
  line& l = lines_.at(number);
  l.ended = true;
  l.from_queue = false;
  l.posts.push_back({post_kind::result, runpod::error_body(platform_, why)});
  post_next(number);
}

void runpod_worker::post_next(std::uint64_t number) {
  const auto it = lines_.find(number);
  if (it == lines_.end() || it->second.posting || it->second.posts.empty()) {
    return;
  }
  line& l = it->second;
  post& next = l.posts.front();
  ++next.tries;
  l.posting = true;
  const bool to_stream = next.kind == post_kind::piece || next.kind == post_kind::last_piece;
  const bool is_end = next.kind == post_kind::result || next.kind == post_kind::refusal;
  auto what = to_stream ? runpod::chunk_call(platform_, l.origin, next.body)
                        : runpod::result_call(platform_, l.origin, is_end && l.streamed, next.body);
  call(std::move(what), [number](result<outgoing_answer> answer) {
    return platform_replied{platform_replied::posted{number, std::move(answer)}};
  });
}

void runpod_worker::posted(const platform_replied::posted& m) {
  const auto it = lines_.find(m.line);
  if (it == lines_.end()) {
    return; // its job was stopped meanwhile
  }
  line& l = it->second;
  l.posting = false;
  auto& sent = l.posts.front();
  const auto outcome = runpod::read_post(m.answer);
  using what = runpod::post_outcome::what;
  const bool is_end = sent.kind == post_kind::result || sent.kind == post_kind::refusal;
  if (is_end && outcome.kind == what::refused && sent.kind == post_kind::result &&
      !means_gone(m.answer)) {
    // The job must end: with a small error, when the platform does not want its result.
    ctx_.outside.log.warn("result_replaced", {{"job", l.id}, {"text", outcome.text}});
    sent = {
        post_kind::refusal,
        runpod::error_body(platform_, error{errc::job_failed,
                                            "the platform refused the result: " + outcome.text})};
    post_next(m.line);
    return;
  }
  if (is_end) {
    const auto how = outcome.kind == what::accepted && sent.kind == post_kind::result
                         ? delivery::delivered
                         : (outcome.kind == what::again ? delivery::again : delivery::given_up);
    result_settled(m.line, how, outcome.pause, outcome.text);
    return;
  }
  if (outcome.kind == what::again && sent.tries < side_tries_max) {
    send_timer(this, ctx_.outside.time, std::max(runpod::post_pause(sent.tries), outcome.pause),
               m.line, post_again);
    return;
  }
  if (outcome.kind != what::accepted) {
    ctx_.outside.log.warn("post_given_up", {{"job", l.id}, {"text", outcome.text}});
  }
  l.waiting_bytes -= std::min(l.waiting_bytes, sent.body.size());
  l.posts.pop_front();
  post_next(m.line);
}

void runpod_worker::result_settled(std::uint64_t number, delivery how, milliseconds pause,
                                   const std::string& text) {
  line& l = lines_.at(number);
  if (!l.from_queue) {
    const auto tries = l.posts.front().tries;
    if (how == delivery::again && tries < refusal_tries_max) {
      send_timer(this, ctx_.outside.time, std::max(runpod::post_pause(tries), pause), number,
                 post_again);
      return;
    }
    drop_line(number);
    return;
  }
  const auto id = l.id;
  drop_line(number);
  send(directory_.queue, result_posted{id, how, pause, text});
  if (ctx_.knobs.runpod_refresh_worker && how != delivery::again && directory_.supervisor) {
    send(directory_.supervisor, stop_pod{"refresh_worker"});
  }
}

} // namespace tayfa
