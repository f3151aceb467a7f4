// Held calls: /runsync and /status-sync, which wait for a job's end, and /stream, which waits for
// chunks. A call is held from its coming on; what happens to its job, the end of its wait and its
// client's leaving lead to a look at the job, and the look to the answer.
#include "actors/ingress.hpp"

namespace tayfa {

namespace {

/// How long a client that knows no other end than COMPLETED and FAILED, and asks again at once, is
/// held when its job has ended otherwise before it asked.
constexpr milliseconds unknown_end_pause{500};

bool is_known_to_all(job_state s) {
  return s == job_state::COMPLETED || s == job_state::FAILED;
}

} // namespace

held_calls::number runpod_ingress::hold(const job_id& id, const job_access& who,
                                        const reply_ptr& answer, held_for what, milliseconds wait) {
  const auto call = held_.hold(ctx_.outside.time.now(), id, what, wait);
  calls_.emplace(call, held_call{who, answer});
  ctx_.outside.meters.set(meter::calls_held, static_cast<double>(held_.size()));
  arm();
  return call;
}

void runpod_ingress::watch_client(held_calls::number call) {
  calls_.at(call).answer->when_gone(
      [call, me = caf::actor_cast<ingress_actor>(this)] { caf::anon_send(me, client_left{call}); });
}

/// Answered calls are looked at no more, so what comes late for one finds nothing.
reply_ptr runpod_ingress::take(held_calls::number call) {
  held_.release(call);
  ctx_.outside.meters.set(meter::calls_held, static_cast<double>(held_.size()));
  auto node = calls_.extract(call);
  return node.empty() ? nullptr : std::move(node.mapped().answer);
}

void runpod_ingress::refuse(held_calls::number call, const error& why) {
  if (const auto answer = take(call)) {
    answer->send(api::refuse(why));
  }
}

// ---- looks -------------------------------------------------------------------------------------

/// `over`: the call is answered with what there is.
void runpod_ingress::look(held_calls::number call, bool over) {
  if (held_.what(call) == held_for::end) {
    look_at_state(call, over);
  } else {
    look_at_chunks(call, over);
  }
}

void runpod_ingress::look_at_state(held_calls::number call, bool over) {
  const auto& held = calls_.at(call);
  request(directory_.queue, caf::infinite, find_job{held.who, held_.job(call), held.keep, !over})
      .then(
          [this, call, over](const job_answer& a) {
            if (!held_.holds(call)) {
              return;
            }
            if (!a.value) {
              refuse(call, a.value.error());
              return;
            }
            const bool paused = pauses(call, a.value->state);
            if (over || (is_final(a.value->state) && !paused)) {
              send_made(take(call), [&a] { return api::job(*a.value); });
            }
          },
          [this, call](const caf::error&) { refuse(call, queue_restarting()); });
}

void runpod_ingress::look_at_chunks(held_calls::number call, bool over) {
  auto& held = calls_.at(call);
  held.over = held.over || over;
  request(directory_.queue, caf::infinite, read_job_stream{held.who, held_.job(call), !over})
      .then(
          [this, call, receipts = held.receipts](const stream_answer& a) {
            // An answer given by the queue before the receipt may still contain the chunks that
            // were received; the look that followed the receipt brings the rest.
            if (!held_.holds(call) || calls_.at(call).receipts != receipts) {
              return;
            }
            if (!a.value) {
              refuse(call, a.value.error());
              return;
            }
            answer_with_chunks(call, *a.value);
            arm();
          },
          [this, call](const caf::error&) { refuse(call, queue_restarting()); });
}

/// Answers now, or says when to look again. Chunks that another reader may have received are not
/// given before that is known, or it has had its time.
void runpod_ingress::answer_with_chunks(held_calls::number call, const unread_chunks& unread) {
  const bool over = calls_.at(call).over;
  const bool ended = is_final(unread.view.state);
  const bool some = !unread.chunks.empty();
  const bool paused = pauses(call, unread.view.state);
  const auto now = ctx_.outside.time.now();
  if (some && held_.receipt_is_missing(now, call)) {
    if (over && !ended) {
      send_chunks(take(call), unread_chunks{unread.view, {}, unread.last});
    } else {
      calls_.at(call).over = false;
      held_.wait_for_receipt(call);
    }
  } else if (over || (ended && (some || !paused))) {
    send_chunks(take(call), unread);
  } else if (!some && !ended) {
    held_.wait_on(call);
  } else if (!ended && held_.may_answer(now, call)) {
    send_chunks(take(call), unread);
  }
}

/// At the first look: has the job ended before it was asked about, and in a way that not every
/// client knows to be an end?
bool runpod_ingress::pauses(held_calls::number call, job_state state) {
  const bool first = std::exchange(calls_.at(call).asks_again, false);
  if (!first || !is_final(state) || is_known_to_all(state)) {
    return false;
  }
  held_.shorten(ctx_.outside.time.now(), call, unknown_end_pause);
  arm();
  return true;
}

/// Chunks that their reader has not received stay, and are given again.
void runpod_ingress::send_chunks(const reply_ptr& answer, const unread_chunks& unread) {
  if (unread.chunks.empty()) {
    send_made(answer, [&unread] { return api::chunks(unread.view, {}); });
    return;
  }
  held_.sent(ctx_.outside.time.now(), unread.view.id);
  auto note = [queue = directory_.queue, me = caf::actor_cast<ingress_actor>(this),
               id = unread.view.id, last = unread.last](bool received) {
    if (received) {
      caf::anon_send(queue, chunks_received{id, last});
    }
    caf::anon_send(me, chunks_settled{id}); // a look because of it comes to the queue behind that
  };
  send_made(
      answer, [&unread] { return api::chunks(unread.view, unread.chunks); }, std::move(note));
}

// ---- what leads to a look ----------------------------------------------------------------------

/// Several clients may wait for one job.
void runpod_ingress::ended(const job_ended& m) {
  openai_.ended(m);
  for (const auto call : held_.of(m.view.id)) {
    if (held_.what(call) == held_for::chunks || calls_.at(call).keep) {
      look(call, false);
      continue;
    }
    send_made(take(call), [&m] {
      auto answer = api::job(m.view);
      answer.headers.emplace_back(job_field, m.view.id.str());
      return answer;
    });
  }
}

void runpod_ingress::streamed(const job_streamed& m) {
  openai_.streamed(m.id);
  for (const auto call : held_.streamed(ctx_.outside.time.now(), m.id)) {
    look(call, false);
  }
  arm();
}

void runpod_ingress::left(const client_left& m) {
  if (held_.holds(m.call)) {
    look(m.call, true);
  }
}

void runpod_ingress::settled(const chunks_settled& m) {
  for (const auto call : held_.settled(m.job)) {
    ++calls_.at(call).receipts;
    look(call, false);
  }
}

void runpod_ingress::wait_instead(held_calls::number call, const job_view& known) {
  if (!held_.holds(call)) {
    return; // its time was up already
  }
  held_.rename(call, known.id);
  if (is_final(known.state)) {
    look(call, true);
  }
}

void runpod_ingress::held_long_enough(const due_timer& m) {
  if (m.ticket != ticket_) {
    return;
  }
  armed_for_.reset();
  for (const auto& due : held_.due(ctx_.outside.time.now())) {
    look(due.call, due.over);
  }
  arm();
}

void runpod_ingress::arm() {
  const auto next = held_.next_due();
  if (!next || (armed_for_ && *armed_for_ <= *next)) {
    return;
  }
  armed_for_ = next;
  send_timer_at(this, ctx_.outside.time, *next, ++ticket_);
}

} // namespace tayfa
