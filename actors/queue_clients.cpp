// Clients' requests to the queue. Every answer shows the table's durable state.
#include "actors/queue.hpp"

#include "runtime/api/call.hpp"

namespace tayfa {

/// Answers when the known state of that job (empty: of all jobs) is durable. Answers at once when
/// none of its changes is waiting for a commit, and when `who` may not see the job: such a client
/// must not even learn that the job changes.
template <class Answer>
caf::result<Answer> queue::after_commit(const job_id& about, const job_access& who, Answer answer,
                                        undo_of undo, bool asks) {
  if (table_.durable(about) || table_.hidden(about, who)) {
    return answer;
  }
  auto later = make_response_promise<Answer>();
  enqueue_reply({about, [later, answer = std::move(answer)]() mutable { later.deliver(answer); },
                 [later](const error& why) mutable {
                   if constexpr (requires { Answer{fail(why)}; }) {
                     later.deliver(Answer{fail(why)});
                   }
                 },
                 asks && !undo, std::move(undo)});
  return later;
}

std::vector<job_table::job_image> queue::image_of(const job_id& id) const {
  std::vector<job_table::job_image> out;
  if (auto image = table_.image(id)) {
    out.push_back(std::move(*image));
  }
  return out;
}

queue::undo_of queue::put_back(std::vector<job_table::job_image> images) {
  return [this, images = std::move(images)](const std::set<job_id>& unsent) {
    std::set<job_id> as_before;
    for (const auto& image : images) {
      as_before.insert(image.row.id);
      enqueue_effects(table_.put_back(now(), image, unsent.contains(image.row.id)));
    }
    return as_before;
  };
}

caf::result<job_answer> queue::submit(const submit_job& m) {
  auto& w = ctx_.outside;
  if (auto why = refusal_of_jobs()) {
    w.meters.add(meter::jobs_refused);
    return job_answer{fail(std::move(*why))};
  }
  auto answer = table_.submit(now(), m.id, m.request, m.watch);
  if (!answer) {
    w.meters.add(meter::jobs_refused);
    return job_answer{fail(answer.error())};
  }
  const auto id = answer->view.id;
  auto later = make_response_promise<job_answer>();
  deferred_reply answered{
      id,
      [this, later, view = std::move(answer->view), fresh = answer->fresh,
       bytes = m.request.input.size(), endpoint = m.request.endpoint]() mutable {
        if (fresh) {
          ctx_.outside.meters.add(meter::jobs_accepted);
          ctx_.outside.log.info("job_accepted", {{"job", view.id}, {"bytes", bytes}});
          if (auto& feed = ctx_.outside.feed; !feed.idle()) {
            job_view waits;
            waits.id = view.id; // its later states are events of their own
            feed.publish("job", view.id.str(), api::job_event(waits), endpoint);
          }
        }
        later.deliver(job_answer{std::move(view)});
      },
      [this, later](const error& why) mutable {
        ctx_.outside.meters.add(meter::jobs_refused);
        later.deliver(job_answer{fail(why)});
      },
      false,
      {}};
  if (!answer->fresh && answer->then.empty() && table_.durable(id)) {
    answered.done();
    return later;
  }
  enqueue_reply(std::move(answered));
  enqueue_effects(std::move(answer->then));
  after();
  return later;
}

caf::result<job_answer> queue::find(const find_job& m) {
  undo_of undo;
  if (m.keep) {
    if (auto why = refusal_of_changes()) {
      return job_answer{fail(std::move(*why))};
    }
    undo = [this, id = m.id, until = table_.kept_until(m.id)](const auto&) {
      table_.keep_as_before(id, until);
      return std::set<job_id>{}; // nothing follows from it
    };
    table_.keep(now(), m.id, *m.keep, m.who);
    after();
  }
  auto found = table_.find(now(), m.id, m.who);
  if (m.watch && found && !is_final(found->state)) {
    end_watched_.insert(m.id);
  }
  if (!found || found->stored_output == 0) {
    return after_commit(m.id, m.who, job_answer{std::move(found)}, std::move(undo));
  }
  auto later = make_response_promise<job_answer>();
  const bool room =
      fetch_output(*found, 0, [later, view = *found](result<shared_text> text) mutable {
        if (!text && text.error().code != errc::store_corrupt) {
          later.deliver(job_answer{fail(text.error().code)}); // its text names a file
          return;
        }
        later.deliver(job_answer{with_output(std::move(view), std::move(text))});
      });
  if (!room) {
    later.deliver(job_answer{fail(errc::busy)});
  }
  return later;
}

caf::result<job_answer> queue::cancel(const cancel_job& m) {
  if (auto why = refusal_of_changes()) {
    return job_answer{fail(std::move(*why))};
  }
  auto undo = put_back(image_of(m.id));
  auto answer = table_.cancel(now(), m.id, m.by_origin, m.who);
  if (!answer) {
    return job_answer{fail(answer.error())};
  }
  auto pending = after_commit(m.id, m.who, job_answer{std::move(answer->first)}, std::move(undo));
  enqueue_effects(std::move(answer->second));
  after();
  return pending;
}

caf::result<job_answer> queue::retry(const retry_job& m) {
  if (auto why = refusal_of_changes()) {
    return job_answer{fail(std::move(*why))};
  }
  auto undo = put_back(image_of(m.id));
  auto answer = table_.retry(now(), m.id, m.who);
  if (!answer) {
    return job_answer{fail(answer.error())};
  }
  ctx_.outside.log.info("job_retried", {{"job", m.id}});
  auto pending = after_commit(m.id, m.who, job_answer{std::move(answer->first)}, std::move(undo));
  enqueue_effects(std::move(answer->second));
  after();
  return pending;
}

caf::result<job_answer> queue::drop(const drop_job& m) {
  if (auto why = refusal_of_changes()) {
    return job_answer{fail(std::move(*why))};
  }
  auto undo = put_back(image_of(m.id));
  auto answer = table_.drop(now(), m.id, m.who);
  if (!answer) {
    return job_answer{fail(answer.error())};
  }
  ctx_.outside.log.info("job_dropped", {{"job", m.id}});
  auto pending = after_commit(m.id, m.who, job_answer{std::move(*answer)}, std::move(undo));
  after();
  return pending;
}

/// Answered when all of it is durable (carry_out(purged)); it goes on between other messages.
caf::result<purge_answer> queue::purge(const purge_jobs& m) {
  if (auto why = refusal_of_changes()) {
    return purge_answer{fail(std::move(*why))};
  }
  auto [number, consequences] = table_.purge(now(), m.who);
  auto later = make_response_promise<purge_answer>();
  purges_.emplace(number, later);
  enqueue_effects(std::move(consequences));
  after();
  return later;
}

/// The disk has no room for what they change, or the store is no more: what was cancelled and is
/// durable stays so, and its client learns how much that is (`removed`, by the purge's number).
void queue::refuse_purges(const error& why, const std::map<std::uint64_t, std::size_t>& removed) {
  for (auto& [number, later] : std::exchange(purges_, {})) {
    const auto n = removed.find(number);
    later.deliver(purge_answer{fail(n == removed.end() ? why : cut_short(why.code, n->second))});
  }
}

/// While the disk is full, answers show the present state: an operator who makes room must see
/// which jobs wait for it.
caf::result<list_answer> queue::list(const list_jobs& m) {
  list_answer answer{table_.list(now(), m.filter, m.who)};
  if (full_) {
    return answer;
  }
  return after_commit(job_id{}, m.who, std::move(answer));
}

caf::result<stream_answer> queue::read(const read_job_stream& m) {
  auto found = table_.read_stream(now(), m.id, m.who);
  if (!found) {
    return after_commit(m.id, m.who, stream_answer{fail(found.error())});
  }
  if (m.watch && !is_final(found->view.state)) {
    end_watched_.insert(m.id);
    chunks_watched_.insert(m.id);
  }
  return after_commit(
      m.id, m.who,
      stream_answer{unread_chunks{std::move(found->view), std::move(found->chunks), found->last}});
}

intake_answer queue::intake() const {
  intake_answer answer{{}, table_.local_capacity()};
  if (is_draining_) {
    answer.taken = fail(errc::stopping);
  } else if (auto why = refusal_of_jobs()) {
    answer.taken = fail(std::move(*why));
  }
  return answer;
}

/// Executors ask whose workers keep a result until it is durable.
caf::result<durable_answer> queue::await_all() {
  if (broken_) {
    return durable_answer{fail(*broken_)};
  }
  return after_commit(job_id{}, job_access{}, durable_answer{}, {}, false);
}

caf::result<detail_answer> queue::inspect(const inspect_job& m) {
  return after_commit(m.id, m.who, detail_answer{table_.inspect(now(), m.id, m.who)});
}

} // namespace tayfa
