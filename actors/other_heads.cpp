#include "actors/other_heads.hpp"

#include "actors/queue_limits.hpp"
#include "runtime/core/job_table.hpp"
#include "runtime/core/request_fingerprint.hpp"

#include <algorithm>
#include <concepts>
#include <utility>

namespace tayfa {

namespace {

constexpr unsigned not_found = 404;

template <class Call, class... Any>
constexpr bool is_any = (std::same_as<Call, Any> || ...);

/// The job that the call names; null: it names none, or the job of this process's own client.
const job_id* job_of(const api::call& what) {
  return std::visit(
      []<class Call>(const Call& one) -> const job_id* {
        if constexpr (is_any<Call, api::status, api::stream>) {
          return &one.ask.id;
        } else if constexpr (is_any<Call, retry_job, drop_job, inspect_job>) {
          return &one.id;
        } else if constexpr (std::same_as<Call, cancel_job>) {
          return one.by_origin ? nullptr : &one.id;
        } else {
          return nullptr;
        }
      },
      what);
}
job_access who_of(const api::call& what) {
  return std::visit(
      [](const auto& one) -> job_access {
        if constexpr (requires { one.ask.who; }) {
          return one.ask.who;
        } else if constexpr (requires { one.who; }) {
          return one.who;
        } else {
          return {};
        }
      },
      what);
}
bool covers_one_head(const api::call& what) {
  return std::visit(
      []<class Call>(const Call&) {
        return is_any<Call, list_jobs, api::list_requests, api::health>;
      },
      what);
}

/// The receipt of the inner reply for what the outer one has learned.
void pass_on(const reply_ptr& to, api::response what, receipt report) {
  if (!report.wanted()) {
    to->send(std::move(what));
    return;
  }
  const auto wanted = report.wanted_proof();
  auto shared = std::make_shared<receipt>(std::move(report));
  to->send(
      std::move(what), [shared](bool left) { shared->say(left); }, wanted);
}

} // namespace

// ---- this head's own try -----------------------------------------------------------------------

reply_ptr other_heads::around(const api::call& what, const reply_ptr& answer, int tries) {
  if (shared_ == nullptr) {
    return answer;
  }
  if (covers_one_head(what)) {
    return std::make_shared<reply>(
        [answer, name = shared_->name()](api::response said, receipt report) {
          said.headers.emplace_back(head_field, name);
          pass_on(answer, std::move(said), std::move(report));
        },
        nullptr);
  }
  if (job_of(what) == nullptr) {
    return answer;
  }
  auto client = std::make_shared<presence>();
  answer->when_gone([client] { client->left(); });
  return std::make_shared<reply>(
      [what, answer, tries, me = caf::actor_cast<ingress_actor>(self_)](api::response said,
                                                                        receipt report) {
        if (said.status == not_found) {
          caf::anon_send(me, heads_event{heads_event::missed{what, answer, tries}});
        } else {
          pass_on(answer, std::move(said), std::move(report));
        }
      },
      client);
}

bool other_heads::looks_first(const api::submit& what, const reply_ptr& answer,
                              std::function<void()> go_on) {
  const auto& policy = what.job.policy;
  if (shared_ == nullptr || policy.idempotency_key.empty()) {
    return false;
  }
  open_call call{.call = what, .answer = answer, .go_on = std::move(go_on)};
  if (what.job.sync) {
    call.until = ctx_.outside.time.now() + what.wait;
  }
  const auto ticket = open(std::move(call));
  shared_->find(store::job_key{what.job.endpoint, policy.tenant, policy.idempotency_key},
                [ticket, me = caf::actor_cast<ingress_actor>(self_)](auto job) {
                  caf::anon_send(me, heads_event{heads_event::found{ticket, std::move(job)}});
                });
  return true;
}

void other_heads::on(const heads_event& m) {
  std::visit([this](const auto& what) { on(what); }, m.what);
}

std::uint64_t other_heads::open(open_call call) {
  calls_.emplace(++tickets_, std::move(call));
  return tickets_;
}

void other_heads::on(const heads_event::missed& m) {
  open_call call{.call = m.call, .answer = m.answer, .tries = m.tries};
  if (const auto* status = std::get_if<api::status>(&m.call); status != nullptr && status->wait) {
    call.until = ctx_.outside.time.now() + *status->wait;
  }
  look(open(std::move(call)));
}

// ---- looks -------------------------------------------------------------------------------------

void other_heads::look(std::uint64_t ticket) {
  shared_->find(*job_of(calls_.at(ticket).call),
                [ticket, me = caf::actor_cast<ingress_actor>(self_)](auto job) {
                  caf::anon_send(me, heads_event{heads_event::found{ticket, std::move(job)}});
                });
}

void other_heads::look_later(std::uint64_t ticket, milliseconds pause) {
  send_timer(self_, ctx_.outside.time, pause, ticket, topic);
}

void other_heads::timed(const due_timer& m) {
  if (auto late = receipts_->take(m.ticket); late.wanted()) {
    late.say(false); // no head has said that its reader has the chunks
  }
  const auto at = calls_.find(m.ticket);
  if (at == calls_.end()) {
    return;
  }
  if (!at->second.here) {
    look(m.ticket);
    return;
  }
  const auto call = std::move(at->second);
  calls_.erase(at);
  serve_(call.call, around(call.call, call.answer, call.tries));
}

void other_heads::finish(entry at, api::response what) {
  const auto answer = std::move(at->second.answer);
  calls_.erase(at);
  answer->send(std::move(what));
}
void other_heads::refuse(entry at, const error& why) {
  finish(at, api::refuse(why));
}

/// The job changes hands: a moment later it has an owner that answers.
void other_heads::again(entry at, const error& otherwise) {
  if (++at->second.tries > adopt_tries) {
    refuse(at, otherwise);
    return;
  }
  look_later(at->first, adopt_pause);
}

void other_heads::on(const heads_event::found& m) {
  const auto at = calls_.find(m.ticket);
  if (at == calls_.end()) {
    return;
  }
  if (!m.job) {
    const auto code = m.job.error().code;
    const bool passes = code == errc::busy || code == errc::unavailable;
    ctx_.outside.log.warn("head_lookup_failed", {{"code", code}, {"text", m.job.error().text}});
    refuse(at, {passes ? code : errc::unavailable, "the store cannot be asked; ask again"});
  } else if (!*m.job) {
    if (auto go_on = std::move(at->second.go_on)) {
      calls_.erase(at);
      go_on();
      return;
    }
    refuse(at, {errc::job_not_found, ""});
  } else {
    take_found(at, **m.job);
  }
}

void other_heads::take_found(entry at, store::found_job job) {
  const auto owner = job.owner;
  const auto print = job.row.fingerprint;
  auto shown = job_table::shown(ctx_.outside.time.now(), limits_from(ctx_.knobs),
                                std::move(job.row), who_of(at->second.call));
  if (at->second.go_on) {
    take_known(at, owner, print, shown);
  } else if (!shown) {
    refuse(at, shown.error());
  } else if (std::holds_alternative<inspect_job>(at->second.call)) {
    finish(at, api::detail(*shown));
  } else if (const auto* status = std::get_if<api::status>(&at->second.call);
             status != nullptr && !status->ask.keep) {
    take_view(at, std::move(shown->view));
  } else {
    ask_owner(at, owner);
  }
}

/// The key of a submission names a job of another head; of this one, its own queue knows it.
void other_heads::take_known(entry at, const store::head_view& owner, std::uint64_t print,
                             const result<job_detail>& known) {
  const auto& asked = std::get<api::submit>(at->second.call);
  if (owner.is_here || !known) {
    const auto go_on = std::move(at->second.go_on);
    calls_.erase(at);
    go_on();
  } else if (print != fingerprint(asked.job)) {
    refuse(at, {errc::idempotency_mismatch, ""});
  } else if (!asked.job.sync) {
    finish(at, api::state_of(known->view));
  } else {
    at->second.go_on = nullptr;
    at->second.call =
        api::status{find_job{asked.who, known->view.id, std::nullopt, false}, asked.wait};
    take_view(at, known->view);
  }
}

void other_heads::take_view(entry at, job_view view) {
  auto& call = at->second;
  const auto now = ctx_.outside.time.now();
  if (!is_final(view.state) && call.until && now < *call.until) {
    const auto left = std::chrono::ceil<milliseconds>(*call.until - now);
    look_later(at->first, std::min(look_pause, left));
    return;
  }
  if (view.stored_output == 0) {
    send_made(call.answer, [&view] { return api::job(view); });
    calls_.erase(at);
    return;
  }
  auto& budget = ctx_.outside.answers;
  call.place = budget.take(std::min(view.output_bytes, budget.most()));
  if (call.place == nullptr) {
    refuse(at, {errc::busy, ""});
    return;
  }
  const auto order = view.stored_output;
  call.view = std::move(view);
  ctx_.outside.store.fetch(
      order, job_store::column::output,
      [ticket = at->first, me = caf::actor_cast<ingress_actor>(self_)](result<shared_text> text) {
        caf::anon_send(me, heads_event{heads_event::fetched{ticket, std::move(text)}});
      });
}

void other_heads::on(const heads_event::fetched& m) {
  const auto at = calls_.find(m.ticket);
  if (at == calls_.end()) {
    return;
  }
  if (!m.text) {
    const auto code = m.text.error().code;
    ctx_.outside.log.error("text_unreadable", {{"code", code}, {"text", m.text.error().text}});
    refuse(at, {code, ""});
    return;
  }
  auto view = std::move(at->second.view);
  view.output = m.text->holding(at->second.place);
  send_made(at->second.answer, [&view] { return api::job(view); });
  calls_.erase(at);
}

} // namespace tayfa
