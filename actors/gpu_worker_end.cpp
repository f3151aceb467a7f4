// How a gpu_worker ends, and what it reports of its end.
#include "actors/gpu_worker.hpp"

namespace tayfa {

caf::error to_reason(worker_end e) {
  return e == worker_end::as_asked
             ? caf::error{caf::exit_reason::user_shutdown}
             : caf::make_error(caf::sec::runtime_error, static_cast<std::int32_t>(e));
}

worker_end worker_end_from(const caf::error& e) {
  if (!e || e == caf::exit_reason::user_shutdown || e == caf::exit_reason::normal) {
    return worker_end::as_asked;
  }
  const auto& context = e.context();
  for (const auto end : {worker_end::refresh, worker_end::in_job, worker_end::in_later_job}) {
    if (context.match_elements<std::int32_t>() &&
        context.get_as<std::int32_t>(0) == static_cast<std::int32_t>(end)) {
      return end;
    }
  }
  return worker_end::failed;
}

void gpu_worker::shut_down(cause why, error reason) {
  if (!alive()) {
    return;
  }
  const bool connected = state_.state() >= engine_state::LOADING_MODEL;
  leave(why, std::move(reason));
  process_.end_politely(connected);
}

void gpu_worker::kill(cause why, error reason) {
  if (!alive()) {
    return;
  }
  leave(why, std::move(reason));
  ctx_.outside.meters.add(meter::engine_kills);
  process_.end_by_force();
}

worker_end gpu_worker::how_it_ended() const {
  if (asked_) {
    return worker_end::as_asked;
  }
  if (refresh_) {
    return worker_end::refresh;
  }
  if (!in_job_) {
    return worker_end::failed;
  }
  return status_.completed > 0 ? worker_end::in_later_job : worker_end::in_job;
}

/// However it ended: what it was loading is suspect. A slot that was asked for that model goes on
/// with another one at once; its engine is not at fault.
void gpu_worker::model_lost() {
  if (!terms_.model.empty()) {
    status_.next_model.clear();
    refresh_ = true;
  }
  if (!session_.model().empty() && terms_.directory.loader) {
    send(terms_.directory.loader, model_refused{terms_.worker, session_.model(), reason_});
  }
}

void gpu_worker::leave(cause why, error reason) {
  reason_ = std::move(reason);
  in_job_ = !session_.idle();
  if (session_.load_sent() && !asked_ && state_.state() == engine_state::LOADING_MODEL) {
    model_lost();
  }
  status_.lost += session_.held().size();
  move_to(engine_state::SHUTDOWN, why);
  session_.end();
  report_status();
  send(terms_.directory.dispatcher, worker_gone{terms_.worker, reason_, from_outside_});
  become(ending());
}

} // namespace tayfa
