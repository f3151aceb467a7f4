#include "actors/openai_calls.hpp"

#include "runtime/core/job_ids.hpp"

#include <utility>

namespace tayfa {

namespace {

/// Chunks of a stream that one request takes from the queue.
constexpr std::size_t page_bytes = std::size_t{32} << 10;
/// Larger pages have a place in the budget for answers.
constexpr std::size_t counted_least = std::size_t{16} << 10;
constexpr milliseconds room_pause{100};

void name_job(api::response& answer, const job_id& id) {
  answer.headers.emplace_back(job_field, id.str());
  answer.headers.emplace_back("x-request-id", id.str()); // shown by OpenAI's clients
}

void send_fault(const reply_ptr& answer, const job_id& id, const api::openai_fault& fault) {
  send_made(answer, [&] {
    auto made = api::openai_answer(fault);
    name_job(made, id);
    return made;
  });
}

void send_output(const reply_ptr& answer, const job_id& id, const shared_text& output) {
  send_made(answer, [&] {
    auto made = api::openai_output(output);
    name_job(made, id);
    return made;
  });
}

api::openai_fault dropped() {
  return api::openai_fault_of(
      {errc::busy, "parts of the stream are lost: it was read too slowly, or by another reader"});
}

} // namespace

// ---- coming and going --------------------------------------------------------------------------

void openai_calls::begin(const api::openai& asked, const reply_ptr& answer) {
  const auto id = make_job_id(ctx_.outside.secrets, asked.job.sync);
  call fresh;
  fresh.who = asked.who;
  fresh.streams = asked.streams;
  fresh.answer = answer;
  calls_.emplace(id, std::move(fresh));
  answer->when_gone([id, me = caf::actor_cast<ingress_actor>(self_)] {
    caf::anon_send(me, reader_event{id, reader_event::what::left});
  });
  const auto refused = [this, id, answer](const error& why) {
    ctx_.outside.meters.add(meter::jobs_refused);
    answer->send(api::refuse(why));
    calls_.erase(id);
  };
  self_->request(queue_, caf::infinite, submit_job{id, asked.job, true})
      .then(
          [this, id, refused](const job_answer& a) {
            if (!a.value) {
              refused(a.value.error());
            } else if (const auto it = calls_.find(id); it != calls_.end() && it->second.streams) {
              wait_until(it, head_wait);
              read(id);
            }
          },
          [refused](const caf::error&) { refused(queue_restarting()); });
}

void openai_calls::ended(const job_ended& m) {
  const auto it = calls_.find(m.view.id);
  if (it == calls_.end()) {
    return;
  }
  if (it->second.streams) {
    read(m.view.id);
  } else {
    finish(m.view);
  }
}

void openai_calls::streamed(const job_id& id) {
  if (const auto it = calls_.find(id); it != calls_.end() && it->second.streams) {
    read(id);
  }
}

void openai_calls::on(const reader_event& m) {
  const auto it = calls_.find(m.job);
  if (it == calls_.end()) {
    return;
  }
  if (m.kind == reader_event::what::wants_more) {
    it->second.wanted = true;
    read(m.job);
    return;
  }
  ctx_.outside.log.info("openai_client_left", {{"job", m.job}});
  cancel(m.job, it->second.who);
  calls_.erase(it);
}

void openai_calls::on_directory(const queue_actor& queue) {
  const bool another = queue_ && queue_ != queue;
  queue_ = queue;
  if (!another) {
    return;
  }
  // Events about them from the earlier queue may be lost.
  while (!calls_.empty()) {
    fail_call(calls_.begin(), api::openai_fault_of(queue_restarting()), true);
  }
}

void openai_calls::stop(errc why) {
  while (!calls_.empty()) {
    fail_call(calls_.begin(), api::openai_fault_of({why, {}}), true);
  }
  queue_ = nullptr;
}

void openai_calls::cancel(const job_id& id, const job_access& who) {
  if (queue_) {
    caf::anon_send(queue_, cancel_job{who, id});
  }
}

void openai_calls::fail_call(entry it, const api::openai_fault& fault, bool cancels) {
  auto node = calls_.extract(it);
  const auto& [id, failed] = std::tie(node.key(), node.mapped());
  if (failed.pages) {
    failed.pages->put(api::openai_error_event(fault), {}, true);
  } else {
    send_fault(failed.answer, id, fault);
  }
  if (cancels) {
    cancel(id, failed.who);
  }
}

// ---- a whole answer ----------------------------------------------------------------------------

void openai_calls::finish(const job_view& view) {
  auto node = calls_.extract(view.id);
  const reply_ptr answer = node.mapped().answer;
  if (view.state != job_state::COMPLETED) {
    send_fault(answer, view.id, api::openai_fault_of(view));
    return;
  }
  with_output(view, node.mapped().who,
              [this, answer, id = view.id, who = node.mapped().who](const result<shared_text>& o) {
                if (!o) {
                  send_fault(answer, id, api::openai_fault_of(o.error()));
                } else if (o->view() == "[]") {
                  answer_with_chunks(id, who, answer); // a generator whose yields are not gathered
                } else {
                  send_output(answer, id, *o);
                }
              });
}

template <class Then>
void openai_calls::with_output(const job_view& view, const job_access& who, Then then) {
  if (view.stored_output == 0) {
    then(result<shared_text>{view.output});
    return;
  }
  self_->request(queue_, caf::infinite, find_job{who, view.id})
      .then(
          [then](const job_answer& a) mutable {
            then(a.value ? result<shared_text>{a.value->output} : fail(a.value.error()));
          },
          [then](const caf::error&) mutable {
            then(result<shared_text>{fail(queue_restarting())});
          });
}

void openai_calls::answer_with_chunks(const job_id& id, const job_access& who,
                                      const reply_ptr& answer) {
  self_->request(queue_, caf::infinite, read_job_stream{who, id})
      .then(
          [this, id, answer](const stream_answer& a) {
            if (!a.value || a.value->view.dropped_chunks > 0) {
              send_fault(answer, id, a.value ? dropped() : api::openai_fault_of(a.value.error()));
              return;
            }
            std::size_t bytes = 2;
            for (const auto& each : a.value->chunks) {
              bytes += each.size() + 1;
            }
            const auto place = ctx_.outside.answers.take(bytes);
            if (place == nullptr) {
              send_fault(answer, id, api::openai_fault_of({errc::busy, {}}));
              return;
            }
            std::string list;
            list.reserve(bytes);
            for (const auto& each : a.value->chunks) {
              list += list.empty() ? '[' : ',';
              list += each.view();
            }
            list += list.empty() ? "[]" : "]";
            send_output(answer, id, shared_text{std::move(list)}.holding(place));
          },
          [answer, id](const caf::error&) {
            send_fault(answer, id, api::openai_fault_of(queue_restarting()));
          });
}

// ---- a stream ----------------------------------------------------------------------------------

void openai_calls::read(const job_id& id) {
  call& c = calls_.at(id);
  c.changed = c.reading || !c.wanted;
  if (c.changed) {
    return;
  }
  c.reading = true;
  self_->request(queue_, caf::infinite, read_job_stream{c.who, id, true})
      .then([this, id](const stream_answer& a) { take(id, a); },
            [this, id](const caf::error&) {
              if (const auto it = calls_.find(id); it != calls_.end()) {
                fail_call(it, api::openai_fault_of(queue_restarting()), true);
              }
            });
}

void openai_calls::take(const job_id& id, const stream_answer& a) {
  const auto it = calls_.find(id);
  if (it == calls_.end()) {
    return;
  }
  call& c = it->second;
  c.reading = false;
  if (!a.value) {
    fail_call(it, api::openai_fault_of(a.value.error()), false);
    return;
  }
  const auto state = a.value->view.state;
  if (const auto gap = gap_in(c, *a.value)) {
    if (is_final(state) && state != job_state::COMPLETED) {
      finish_stream(it, a.value->view, {}); // its end says why
    } else {
      fail_call(it, *gap, true);
    }
    return;
  }
  if (!a.value->chunks.empty()) {
    take_chunks(it, *a.value);
  } else if (is_final(state)) {
    finish_stream(it, a.value->view, {});
  } else if (std::exchange(c.changed, false)) {
    read(id);
  }
}

/// Why what is there now does not follow on what was taken.
std::optional<api::openai_fault> openai_calls::gap_in(const call& c,
                                                      const unread_chunks& unread) const {
  const auto& view = unread.view;
  if (c.taken == 0) {
    return view.dropped_chunks > 0 ? std::optional{dropped()} : std::nullopt;
  }
  if (view.state == job_state::IN_QUEUE || view.attempts != c.attempt) {
    return api::openai_fault_of(
        {errc::engine_crash, "the worker was lost after a part of its answer"});
  }
  const auto before = unread.last - unread.chunks.size();
  return before == c.taken ? std::nullopt : std::optional{dropped()};
}

void openai_calls::take_chunks(entry it, const unread_chunks& unread) {
  call& c = it->second;
  std::size_t count = 0;
  std::size_t bytes = 0;
  while (count < unread.chunks.size() && bytes < page_bytes) {
    bytes += unread.chunks[count++].size();
  }
  byte_budget::place place;
  if (bytes >= counted_least && (place = ctx_.outside.answers.take(bytes)) == nullptr) {
    wait_until(it, room_pause);
    return;
  }
  if (!c.pages && !c.events.begun()) {
    if (const auto fault = api::openai_fault_in(api::the_only_one(unread.chunks[0].view()))) {
      fail_call(it, *fault, false); // the job ends by itself
      return;
    }
  }
  std::string page;
  for (std::size_t i = 0; i < count; ++i) {
    auto events = c.events.take(unread.chunks[i].view());
    if (!events) {
      fail_call(it, api::openai_fault_of(events.error()), true);
      return;
    }
    page += *events;
  }
  c.attempt = unread.view.attempts;
  c.taken = unread.last - (unread.chunks.size() - count);
  caf::anon_send(queue_, chunks_received{it->first, c.taken});
  if (c.events.done()) {
    // All has been said: its client leaves, which shall not cancel a job that is about to end.
    put(it, std::move(page), std::move(place), true);
  } else if (count == unread.chunks.size() && is_final(unread.view.state)) {
    finish_stream(it, unread.view, std::move(page));
  } else if (page.empty()) {
    c.changed = false;
    read(it->first); // a part of an event
  } else {
    put(it, std::move(page), std::move(place), false);
  }
}

/// `page`: what came with the end.
void openai_calls::finish_stream(entry it, const job_view& view, std::string page) {
  call& c = it->second;
  const job_id id = it->first;
  if (view.state != job_state::COMPLETED) {
    const auto fault = api::openai_fault_of(view);
    if (c.pages || !page.empty()) {
      put(it, page + api::openai_error_event(fault), {}, true);
    } else {
      fail_call(it, fault, false);
    }
    return;
  }
  if (c.events.begun()) {
    put(it, page + c.events.finish(), {}, true);
    return;
  }
  // The job has streamed nothing: its output serves as the stream.
  c.reading = true;
  with_output(view, c.who, [this, id](const result<shared_text>& output) {
    const auto at = calls_.find(id);
    if (at == calls_.end()) {
      return;
    }
    const auto fault = output ? api::openai_fault_in(api::the_only_one(output->view()))
                              : std::optional{api::openai_fault_of(output.error())};
    if (fault) {
      fail_call(at, *fault, false);
      return;
    }
    const auto room = ctx_.outside.answers.take(output->size());
    auto events = room == nullptr ? fail(errc::busy) : at->second.events.take(output->view());
    if (!events) {
      fail_call(at, api::openai_fault_of(events.error()), false);
      return;
    }
    put(at, *events + at->second.events.finish(), room, true);
  });
}

void openai_calls::put(entry it, std::string page, byte_budget::place place, bool last) {
  call& c = it->second;
  const bool begins = c.pages == nullptr;
  if (begins) {
    c.pages = std::make_shared<page_inlet>();
  }
  c.wanted = false;
  c.pages->put(std::move(page), std::move(place), last);
  if (begins) {
    begin_answer(it);
  }
  if (last) {
    calls_.erase(it);
  }
}

void openai_calls::begin_answer(entry it) {
  const auto& id = it->first;
  const auto say = [id, me = caf::actor_cast<ingress_actor>(self_)](reader_event::what kind) {
    return [id, me, kind] { caf::anon_send(me, reader_event{id, kind}); };
  };
  it->second.due.reset();
  send_made(std::exchange(it->second.answer, nullptr), [&] {
    api::response answer;
    answer.content_type = "text/event-stream";
    answer.headers.emplace_back("X-Accel-Buffering", "no"); // nginx would keep events to itself
    name_job(answer, id);
    answer.stream = std::make_shared<page_stream>(
        it->second.pages,
        page_stream::callbacks{say(reader_event::what::wants_more), say(reader_event::what::left)},
        api::openai_error_event(
            api::openai_fault_of({errc::unavailable, "the stream was cut off"})));
    return answer;
  });
}

// ---- time --------------------------------------------------------------------------------------

void openai_calls::wait_until(entry it, milliseconds time) {
  it->second.due = ctx_.outside.time.now() + time;
  arm(*it->second.due);
}

void openai_calls::timed(const due_timer& m) {
  if (m.ticket != ticket_) {
    return;
  }
  armed_for_.reset();
  const auto now = ctx_.outside.time.now();
  std::optional<moment> next;
  std::vector<job_id> due;
  for (const auto& [id, c] : calls_) {
    if (c.due && *c.due <= now) {
      due.push_back(id);
    } else if (c.due) {
      next = next ? std::min(*next, *c.due) : *c.due;
    }
  }
  for (const auto& id : due) {
    const auto it = calls_.find(id);
    it->second.due.reset();
    if (!it->second.pages) {
      it->second.pages = std::make_shared<page_inlet>();
      begin_answer(it);
    }
    read(id);
  }
  if (next) {
    arm(*next);
  }
}

void openai_calls::arm(moment until) {
  if (armed_for_ && *armed_for_ <= until) {
    return;
  }
  armed_for_ = until;
  const auto now = ctx_.outside.time.now();
  const auto rest = until <= now ? milliseconds{0} : std::chrono::ceil<milliseconds>(until - now);
  send_timer(self_, ctx_.outside.time, rest, ++ticket_, topic);
}

} // namespace tayfa
