// Calls from head to head: what this one asks of the owner of a job, and what others ask of it.
#include "actors/other_heads.hpp"

#include <algorithm>
#include <utility>

namespace tayfa {

namespace {

constexpr milliseconds receipt_wait{15'000}; ///< until chunks count as not received
constexpr milliseconds answer_time{500}; ///< an owner answers so much before its caller gives up

head_calls::call about(const job_access& who) {
  head_calls::call out;
  out.endpoints.assign(who.endpoints.begin(), who.endpoints.end());
  out.one_tenant = who.tenant.has_value();
  out.tenant = who.tenant.value_or("");
  return out;
}
job_access access_in(const head_calls::call& m) {
  job_access out;
  out.endpoints.assign(m.endpoints.begin(), m.endpoints.end());
  if (m.one_tenant) {
    out.tenant = m.tenant;
  }
  return out;
}

/// The call for the owner of the job, and how long its answer may take.
struct owner_call {
  head_calls::call what;
  milliseconds wait = other_heads::call_wait;
};
owner_call for_owner(const api::call& client, milliseconds stream_hold) {
  return std::visit(
      [&]<class Call>(const Call& one) -> owner_call {
        const auto of = [](const job_access& who, const job_id& id, head_calls::asks what) {
          auto out = about(who);
          out.what = what;
          out.job = id.str();
          return out;
        };
        using head_calls::asks;
        if constexpr (std::same_as<Call, api::stream>) {
          const auto wait = one.wait.value_or(stream_hold);
          owner_call out{of(one.ask.who, one.ask.id, asks::stream), wait + other_heads::call_wait};
          out.what.wait_ms = static_cast<std::uint64_t>(wait.count());
          return out;
        } else if constexpr (std::same_as<Call, api::status>) {
          owner_call out{of(one.ask.who, one.ask.id, asks::keep)};
          out.what.keep_ms =
              static_cast<std::uint64_t>(one.ask.keep.value_or(milliseconds{0}).count());
          return out;
        } else if constexpr (std::same_as<Call, cancel_job>) {
          return {of(one.who, one.id, asks::cancel)};
        } else if constexpr (std::same_as<Call, retry_job>) {
          return {of(one.who, one.id, asks::retry)};
        } else if constexpr (std::same_as<Call, drop_job>) {
          return {of(one.who, one.id, asks::drop)};
        } else {
          return {}; // never asked of an owner
        }
      },
      client);
}

std::string encoded(unsigned status, std::string body, const std::string& head) {
  head_calls::answer out;
  out.status = static_cast<std::uint16_t>(status);
  out.body = shared_text{std::move(body)};
  out.head = head;
  return head_calls::encode(out);
}
std::string encoded(const error& why, const std::string& head) {
  const auto refused = api::refuse(why);
  return encoded(refused.status, refused.whole_body(), head);
}

} // namespace

receipt other_heads::receipt_register::take(std::uint64_t number) {
  const std::lock_guard guard{mutex};
  auto node = open.extract(number);
  return node.empty() ? receipt{} : std::move(node.mapped());
}

// ---- what this head asks -----------------------------------------------------------------------

void other_heads::call_head(std::uint64_t ticket, std::int64_t head, const head_calls::call& what,
                            milliseconds longest) {
  shared_->call(head, head_calls::encode(what), longest,
                [ticket, me = caf::actor_cast<ingress_actor>(self_)](result<std::string> answer) {
                  caf::anon_send(me, heads_event{heads_event::answered{ticket, std::move(answer)}});
                });
}

void other_heads::ask_owner(entry at, const store::head_view& owner) {
  if (owner.is_here) { // by the store; the queue will have it
    at->second.here = true;
    again(at, {errc::unavailable, "the job is being taken over by this head; ask again"});
  } else if (!owner.lives) {
    refuse(at, {errc::unavailable, "head " + owner.name +
                                       ", which has the job, has died, and another one takes it "
                                       "over; ask again"});
  } else {
    at->second.owner = owner;
    const auto [what, wait] = for_owner(at->second.call, ctx_.knobs.http_stream_hold);
    call_head(at->first, owner.number, what, wait);
  }
}

void other_heads::on(const heads_event::answered& m) {
  const auto at = calls_.find(m.ticket);
  if (at == calls_.end()) {
    return;
  }
  const auto& owner = at->second.owner.name;
  auto answer = m.answer ? head_calls::decode_answer(*m.answer)
                         : result<head_calls::answer>{fail(m.answer.error())};
  if (!answer) {
    ctx_.outside.log.warn(
        "head_call_failed",
        {{"head", owner}, {"code", answer.error().code}, {"text", answer.error().text}});
  }
  if (at->second.purge != 0) {
    purged_there(at, answer);
  } else if (!answer) {
    const bool busy = answer.error().code == errc::busy;
    refuse(at, {busy ? errc::busy : errc::unavailable,
                "head " + owner + ", which has the job, does not answer; ask again"});
  } else if (answer->status == 404) {
    again(at, {errc::job_not_found, ""}); // it has gone, or has another owner now
  } else {
    take_answer(at, std::move(*answer));
  }
}

void other_heads::take_answer(entry at, head_calls::answer answer) {
  api::response out;
  out.status = answer.status;
  out.more.push_back(std::move(answer.body));
  if (out.status == 503 || out.status == 429) {
    out.headers.emplace_back("Retry-After", "1");
  }
  if (answer.receipt == 0) {
    finish(at, std::move(out));
    return;
  }
  const auto to = std::move(at->second.answer);
  const auto owner = at->second.owner.number;
  calls_.erase(at);
  to->send(
      std::move(out),
      [shared = shared_, owner, number = answer.receipt](bool received) {
        head_calls::call what;
        what.what = head_calls::asks::receipt;
        what.receipt = number;
        what.received = received;
        shared->call(owner, head_calls::encode(what), call_wait, [](const auto&) {});
      },
      proof::received);
}

// ---- purges ------------------------------------------------------------------------------------

bool other_heads::purges(const job_access& who, std::size_t here, const reply_ptr& answer) {
  if (shared_ == nullptr) {
    return false;
  }
  const auto number = ++tickets_;
  purges_.emplace(number, open_purge{.answer = answer, .who = who, .removed = here});
  shared_->others([number, me = caf::actor_cast<ingress_actor>(self_)](auto heads) {
    caf::anon_send(me, heads_event{heads_event::listed{number, std::move(heads)}});
  });
  return true;
}

void other_heads::on(const heads_event::listed& m) {
  const auto node = purges_.find(m.ticket);
  if (node == purges_.end()) {
    return;
  }
  auto& purge = node->second;
  if (!m.heads || m.heads->empty()) {
    const auto removed = purge.removed;
    purge.answer->send(m.heads ? api::purged(removed)
                               : api::refuse({errc::unavailable,
                                              std::to_string(removed) +
                                                  " jobs of this head were cancelled; other heads "
                                                  "could not be asked; ask again"}));
    purges_.erase(node);
    return;
  }
  purge.left = m.heads->size();
  auto what = about(purge.who);
  what.what = head_calls::asks::purge;
  for (const auto& head : *m.heads) {
    open_call part;
    part.call = purge_jobs{purge.who};
    part.owner = head;
    part.purge = m.ticket;
    call_head(open(std::move(part)), head.number, what, call_wait);
  }
}

void other_heads::purged_there(entry at, const result<head_calls::answer>& answer) {
  const auto node = purges_.find(at->second.purge);
  auto& purge = node->second;
  if (answer && answer->status == 200) {
    purge.removed += answer->number;
  } else {
    purge.silent += (purge.silent.empty() ? "" : ", ") + at->second.owner.name;
  }
  calls_.erase(at);
  if (--purge.left > 0) {
    return;
  }
  purge.answer->send(
      purge.silent.empty()
          ? api::purged(purge.removed)
          : api::refuse({errc::unavailable, std::to_string(purge.removed) +
                                                " jobs were cancelled; not answered by: " +
                                                purge.silent + "; ask again"}));
  purges_.erase(node);
}

// ---- what other heads ask ----------------------------------------------------------------------

void other_heads::on_directory(const queue_actor& queue) {
  queue_ = queue;
  if (shared_ != nullptr && !std::exchange(serving_, true)) {
    shared_->serve([me = caf::actor_cast<ingress_actor>(self_)](store::head_call call) {
      caf::anon_send(me, heads_event{std::move(call)});
    });
  }
}

void other_heads::stop() {
  if (std::exchange(serving_, false)) {
    shared_->serve(nullptr);
  }
  queue_ = queue_actor{};
  calls_.clear(); // each dropped reply answers 503 by itself
  purges_.clear();
}

void other_heads::on(const store::head_call& m) {
  const auto what = head_calls::decode_call(m.body);
  if (!what) {
    ctx_.outside.log.warn("head_call_refused", {{"text", what.error().text}});
    m.answer(encoded({errc::unavailable, what.error().text}, shared_->name()));
    return;
  }
  switch (what->what) {
  case head_calls::asks::receipt:
    receipts_->take(what->receipt).say(what->received);
    m.answer(encoded(200, "", shared_->name()));
    return;
  case head_calls::asks::purge: serve_purge(m, access_in(*what)); return;
  case head_calls::asks::cancel:
  case head_calls::asks::retry:
  case head_calls::asks::drop:
  case head_calls::asks::keep:
  case head_calls::asks::stream: serve_call(m, *what); return;
  }
}

void other_heads::serve_call(const store::head_call& m, const head_calls::call& what) {
  const auto id = job_id::parse(what.job);
  if (!id) {
    m.answer(encoded({errc::job_not_found, ""}, shared_->name()));
    return;
  }
  const auto who = access_in(what);
  const auto number = ++tickets_; // of the receipt, if one is wanted
  const auto answer = std::make_shared<reply>(
      [send = m.answer, name = shared_->name(), number,
       receipts = receipts_](const api::response& said, receipt report) {
        head_calls::answer out;
        out.status = static_cast<std::uint16_t>(said.status);
        out.body = shared_text{said.whole_body()};
        out.head = name;
        if (report.wanted()) {
          out.receipt = number;
          const std::lock_guard guard{receipts->mutex};
          receipts->open.emplace(number, std::move(report));
        }
        send(head_calls::encode(out));
      },
      nullptr);
  switch (what.what) {
  case head_calls::asks::cancel: serve_(cancel_job{who, *id}, answer); return;
  case head_calls::asks::retry: serve_(retry_job{who, *id}, answer); return;
  case head_calls::asks::drop: serve_(drop_job{who, *id}, answer); return;
  case head_calls::asks::keep:
    serve_(api::status{find_job{who, *id, milliseconds{what.keep_ms}}, std::nullopt}, answer);
    return;
  case head_calls::asks::stream: {
    const auto most = std::max(m.left - answer_time, milliseconds{1});
    const auto wait = std::min(milliseconds{what.wait_ms}, most);
    look_later(number, wait + receipt_wait);
    serve_(api::stream{read_job_stream{who, *id}, wait}, answer);
    return;
  }
  case head_calls::asks::purge:
  case head_calls::asks::receipt: return; // served elsewhere
  }
}

void other_heads::serve_purge(const store::head_call& m, const job_access& who) {
  const auto name = shared_->name();
  self_->request(queue_, caf::infinite, purge_jobs{who})
      .then(
          [send = m.answer, name](const purge_answer& done) {
            if (!done.removed) {
              send(encoded(done.removed.error(), name));
              return;
            }
            head_calls::answer out;
            out.number = *done.removed;
            out.head = name;
            send(head_calls::encode(out));
          },
          [send = m.answer, name](const caf::error&) {
            send(encoded({errc::unavailable, "the queue is restarting"}, name));
          });
}

} // namespace tayfa
