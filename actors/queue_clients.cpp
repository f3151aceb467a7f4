// What clients ask of the queue. Every answer tells of the table as it is durable.
#include "actors/queue.hpp"

#include "runtime/api/call.hpp"

namespace tayfa {

/// Answers when what is known of that job (empty: of all jobs) is durable: at once when nothing of
/// it is on its way.
template <class Answer>
caf::result<Answer> queue::after_commit(const job_id& about, Answer answer) {
  if (table_.durable(about)) {
    return answer;
  }
  auto later = make_response_promise<Answer>();
  promised({about, [later, answer = std::move(answer)]() mutable { later.deliver(answer); },
            [later](const error& why) mutable {
              if constexpr (requires { Answer{fail(why)}; }) {
                later.deliver(Answer{fail(why)});
              }
            },
            true});
  return later;
}

caf::result<submit_answer> queue::submit(const submit_job& m) {
  auto& w = ctx_.outside;
  if (full_ || broken_) {
    w.meters.add(meter::jobs_refused);
    return submit_answer{fail(full_ ? *full_ : error{errc::unavailable, "the store has failed"})};
  }
  auto answer = table_.submit(now(), m.id, m.request, m.watch);
  if (!answer) {
    w.meters.add(meter::jobs_refused);
    return submit_answer{fail(answer.error())};
  }
  const auto id = answer->view.id;
  auto later = make_response_promise<submit_answer>();
  deed answered{id,
                [this, later, view = std::move(answer->view), fresh = answer->fresh,
                 bytes = m.request.input.size()]() mutable {
                  if (fresh) {
                    ctx_.outside.meters.add(meter::jobs_accepted);
                    ctx_.outside.log.info("job_accepted", {{"job", view.id}, {"bytes", bytes}});
                    if (auto& feed = ctx_.outside.feed; !feed.idle()) {
                      job_view waits;
                      waits.id = view.id; // what became of it since is told next
                      feed.publish("job", view.id.str(), api::job_event(waits));
                    }
                  }
                  later.deliver(submit_answer{std::move(view)});
                },
                [this, later](const error& why) mutable {
                  ctx_.outside.meters.add(meter::jobs_refused);
                  later.deliver(submit_answer{fail(why)});
                },
                !answer->fresh};
  if (!answer->fresh && answer->then.empty() && table_.durable(id)) {
    answered.done();
    return later;
  }
  promised(std::move(answered));
  decided(std::move(answer->then));
  after();
  return later;
}

caf::result<job_answer> queue::find(const find_job& m) {
  if (m.keep) {
    table_.keep(now(), m.id, *m.keep);
    after();
  }
  auto found = table_.find(now(), m.id);
  if (!found || found->stored_output == 0) {
    return after_commit(m.id, job_answer{std::move(found)});
  }
  auto later = make_response_promise<job_answer>();
  const bool room =
      fetch_output(*found, 0, [later, view = *found](result<shared_text> text) mutable {
        if (!text) {
          later.deliver(job_answer{fail(text.error().code)}); // its text names a file
          return;
        }
        view.output = std::move(*text);
        later.deliver(job_answer{std::move(view)});
      });
  if (!room) {
    later.deliver(job_answer{fail(errc::busy)});
  }
  return later;
}

caf::result<job_answer> queue::cancel(const cancel_job& m) {
  auto answer = table_.cancel(now(), m.id, m.by_origin);
  if (!answer) {
    return job_answer{fail(answer.error())};
  }
  decided(std::move(answer->second));
  auto told = after_commit(m.id, job_answer{std::move(answer->first)});
  after();
  return told;
}

caf::result<job_answer> queue::retry(const retry_job& m) {
  auto answer = table_.retry(now(), m.id);
  if (!answer) {
    return job_answer{fail(answer.error())};
  }
  ctx_.outside.log.info("job_retried", {{"job", m.id}});
  decided(std::move(answer->second));
  auto told = after_commit(m.id, job_answer{std::move(answer->first)});
  after();
  return told;
}

caf::result<job_answer> queue::drop(const drop_job& m) {
  auto answer = table_.drop(now(), m.id);
  if (!answer) {
    return job_answer{fail(answer.error())};
  }
  ctx_.outside.log.info("job_dropped", {{"job", m.id}});
  auto told = after_commit(m.id, job_answer{std::move(*answer)});
  after();
  return told;
}

caf::result<purge_answer> queue::purge() {
  auto [removed, consequences] = table_.purge(now());
  ctx_.outside.log.info("queue_purged", {{"jobs", removed}});
  decided(std::move(consequences));
  auto told = after_commit(job_id{}, purge_answer{removed});
  after();
  return told;
}

/// While the disk is full it shows what is: whoever makes room must see what waits for it.
caf::result<list_answer> queue::list(const list_of_jobs& m) {
  list_answer answer{table_.list(now(), m.filter)};
  if (full_) {
    return answer;
  }
  return after_commit(job_id{}, std::move(answer));
}

caf::result<stream_answer> queue::read(const read_job_stream& m) {
  auto found = table_.read_stream(now(), m.id);
  if (!found) {
    return after_commit(m.id, stream_answer{fail(found.error())});
  }
  return after_commit(m.id, stream_answer{unread_chunks{std::move(found->view),
                                                        std::move(found->chunks), found->last}});
}

caf::result<detail_answer> queue::inspect(const inspect_job& m) {
  return after_commit(m.id, detail_answer{table_.inspect(now(), m.id)});
}

} // namespace tayfa
