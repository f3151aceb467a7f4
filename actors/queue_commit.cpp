// Effects and replies that leave the queue only after the commit, and its failures.
#include "actors/queue.hpp"

#include <algorithm>

namespace tayfa {

namespace {

constexpr std::chrono::milliseconds storage_pause{500}; ///< between tries while nothing is kept

/// The store changed nothing and goes on: its disk is full, or its database is away.
bool passes(errc code) {
  return code == errc::storage_full || code == errc::unavailable;
}
/// For clients: what was found names files and hosts.
error shown(errc code) {
  return {code, code == errc::storage_full
                    ? ""
                    : "the store's database cannot be reached; nothing was changed; ask again"};
}

/// A place for one text; in an empty budget even a text larger than the limit gets one.
byte_budget::place place_for_text(byte_budget& budget, std::size_t bytes, std::size_t headroom) {
  if (bytes > budget.most()) {
    return budget.used() == 0 ? budget.force(bytes) : nullptr;
  }
  return budget.take(bytes, std::min(headroom, budget.most() - bytes));
}

/// Corrects the size in the messages of batches that lost members.
void recount_batches(effects& list) {
  std::map<std::pair<worker_ref, std::uint64_t>, std::uint32_t> sizes;
  for (const auto& e : list) {
    if (const auto* g = std::get_if<assign_attempt>(&e); g != nullptr && g->message.batch != 0) {
      ++sizes[{g->worker, g->message.batch}];
    }
  }
  for (auto& e : list) {
    if (auto* g = std::get_if<assign_attempt>(&e); g != nullptr && g->message.batch != 0) {
      g->message.batch_size = sizes[{g->worker, g->message.batch}];
    }
  }
}

} // namespace

void queue::enqueue_effects(effects consequences) {
  if (!consequences.empty()) {
    gathering_.emplace_back(std::move(consequences));
  }
}

void queue::enqueue_reply(deferred_reply d) {
  gathering_.emplace_back(std::move(d));
}

void queue::commit_soon() {
  if (committing_ || broken_ || stuck_ || !table_.has_changes()) {
    commit();
  } else if (!std::exchange(commit_soon_, true)) {
    send(this, timer{{0, commit_now}});
  }
}

void queue::commit(bool again) {
  if (committing_ || broken_ || gave_up_) {
    return;
  }
  while (!table_.has_changes()) {
    stuck_ = false;
    if (gathering_.empty()) {
      return;
    }
    release(std::exchange(gathering_, {})); // which may decide more
  }
  if (stuck_ && !again) {
    return; // when the pause is over
  }
  committing_ = true;
  in_flight_.insert(in_flight_.end(), std::make_move_iterator(gathering_.begin()),
                    std::make_move_iterator(gathering_.end()));
  gathering_.clear();
  ctx_.outside.meters.add(meter::commits);
  ctx_.outside.store.commit(
      table_.take_changes(), [me = caf::actor_cast<queue_actor>(this)](result<void> how) {
        caf::anon_send(me, store_replied{store_replied::committed{std::move(how)}});
      });
}

void queue::on(const store_replied& m) {
  std::visit([this](const auto& what) { on(what); }, m.what);
  after();
}

void queue::on(const store_replied::committed& m) {
  if (!committing_) {
    return; // of an earlier queue
  }
  committing_ = false;
  if (m.how) {
    table_.committed();
    stuck_ = false;
    release(std::exchange(in_flight_, {}));
  } else if (passes(m.how.error().code)) {
    not_committed(m.how.error());
  } else {
    store_broken(m.how.error());
  }
}

/// Undoes the submissions accepted in this batch. The rest of the batch needs no new space, so it
/// is retried at once: the store has a reserve for it. When that is used up as well, read-only
/// calls do not wait any longer: the disk may stay full for hours.
void queue::not_committed(const error& found) {
  if (!full_) {
    ctx_.outside.log.error(found.code == errc::storage_full ? "storage_full" : "storage_away",
                           {{"text", found.text}});
    send_timer(this, ctx_.outside.time, storage_pause, ++storage_ticket_, storage_again);
  }
  const auto why = shown(found.code);
  full_ = why;
  const auto fresh = table_.not_committed();
  stuck_ = fresh.empty();
  const std::set<job_id> gone{fresh.begin(), fresh.end()};
  for (const auto& id : gone) {
    end_watched_.erase(id);
    chunks_watched_.erase(id);
  }
  std::vector<std::variant<effects, deferred_reply>> stays;
  for (auto* list : {&in_flight_, &gathering_}) {
    for (auto& item : *list) {
      if (auto* d = std::get_if<deferred_reply>(&item);
          d != nullptr && ((d->asks && stuck_) || gone.contains(d->about))) {
        d->refused(why);
        continue;
      }
      if (auto* e = std::get_if<effects>(&item)) {
        std::erase_if(*e, [this, &gone](const effect& one) {
          const bool withdrawn = gone.contains(job_of(one));
          const auto* g = std::get_if<assign_attempt>(&one);
          if (withdrawn && g != nullptr && g->hand_over != 0) {
            handing_over_[{g->worker, g->hand_over}]; // it leaves without this one
          }
          return withdrawn;
        });
        recount_batches(*e);
      }
      stays.push_back(std::move(item));
    }
  }
  in_flight_.clear();
  gathering_ = std::move(stays);
  if (stuck_) {
    refuse_changes(why);
  }
  enqueue_effects(table_.withdraw(now(), fresh));
}

/// Purges end where they are: each answers how many jobs it has cancelled durably. The steps that
/// are not durable are undone.
void queue::take_back_purges(std::vector<std::variant<effects, deferred_reply>>& items,
                             const error& why) {
  std::map<std::uint64_t, std::size_t> removed;
  const auto count = [&removed](const effect& one) {
    const auto* p = std::get_if<purged>(&one);
    if (p != nullptr) {
      removed[p->number] = p->removed;
    }
    return p != nullptr;
  };
  for (const auto& one : table_.stop_purges()) {
    count(one);
  }
  auto undone = table_.undo_purge_step(now());
  for (auto& item : items) { // nothing can have followed from the end of a job that waited
    if (auto* e = std::get_if<effects>(&item)) {
      std::erase_if(
          *e, [&](const effect& one) { return count(one) || undone.jobs.contains(job_of(one)); });
    }
  }
  for (const auto& [number, jobs] : undone.of_purge) {
    removed[number] -= std::min(removed[number], jobs);
  }
  enqueue_effects(std::move(undone.then));
  refuse_purges(why, removed);
}

/// Undoes the changes that clients requested, the latest first, together with later decisions about
/// those jobs (they are queued after its deferred_reply, and have not left).
void queue::refuse_changes(const error& why) {
  auto items = std::exchange(gathering_, {});
  take_back_purges(items, why);
  std::set<job_id> unsent;
  for (auto at = items.size(); at-- > 0;) {
    if (const auto* e = std::get_if<effects>(&items[at])) {
      for (const auto& one : *e) {
        if (const auto* g = std::get_if<assign_attempt>(&one)) {
          unsent.insert(g->message.attempt.job);
        }
      }
      continue;
    }
    auto& d = std::get<deferred_reply>(items[at]);
    if (!d.undo) {
      continue;
    }
    const auto undone = d.undo(unsent); // what it decides gathers anew
    for (auto behind = at + 1; behind < items.size(); ++behind) {
      if (auto* e = std::get_if<effects>(&items[behind])) {
        std::erase_if(*e, [&undone](const effect& one) { return undone.contains(job_of(one)); });
        recount_batches(*e);
      }
    }
    d.refused(why);
    items[at] = effects{};
  }
  gathering_.insert(gathering_.begin(), std::make_move_iterator(items.begin()),
                    std::make_move_iterator(items.end()));
}

void queue::ask_for_space() {
  ctx_.outside.store.commit({}, [me = caf::actor_cast<queue_actor>(this)](result<void> how) {
    caf::anon_send(me, store_replied{store_replied::space{std::move(how)}});
  });
}

void queue::on(const store_replied::space& m) {
  if (!full_ || broken_) {
    return;
  }
  if (m.how) {
    full_.reset();
    ctx_.outside.log.info("storage_again");
    commit(true); // the last try may have failed just before there was space
  } else if (passes(m.how.error().code)) {
    send_timer(this, ctx_.outside.time, storage_pause, ++storage_ticket_, storage_again);
  } else {
    store_broken(m.how.error());
  }
}

void queue::on(const store_replied::failed& m) {
  if (!broken_) {
    store_broken(m.why);
  }
}

std::optional<error> queue::refusal_of_changes() const {
  if (broken_) {
    return error{errc::unavailable, "the store has failed; ask again after the restart"};
  }
  const bool sure = !full_ || (!stuck_ && ctx_.outside.store.has_reserve());
  return sure ? trouble() : full_;
}

std::optional<error> queue::refusal_of_jobs() const {
  if (broken_) {
    return error{errc::unavailable, "the store has failed"};
  }
  return full_ ? full_ : trouble();
}

/// A commit may wait for a database for as long as that is away: no client waits behind it that
/// need not.
std::optional<error> queue::trouble() const {
  const auto found = ctx_.outside.store.trouble();
  return found ? std::optional{shown(found->code)} : std::nullopt;
}

/// The pod stops, and not even the reserve holds what was decided since: the next process begins
/// with what is durable, so none of it has happened.
void queue::give_up_on_storage() {
  gave_up_ = true;
  const auto why = full_.value_or(shown(errc::storage_full));
  for (auto* list : {&in_flight_, &gathering_}) {
    for (auto& item : *list) {
      if (auto* d = std::get_if<deferred_reply>(&item)) {
        d->refused(why);
      }
    }
    list->clear();
  }
  static_cast<void>(table_.stop_purges());
  refuse_purges(why, {});
}

void queue::store_broken(const error& why) {
  broken_ = why;
  ctx_.outside.log.error("store_failed", {{"code", why.code}, {"text", why.text}});
  for (auto* list : {&in_flight_, &gathering_}) {
    for (auto& item : *list) {
      if (auto* d = std::get_if<deferred_reply>(&item)) {
        d->refused(error{errc::unavailable, "the store has failed; ask again after the restart"});
      }
    }
    list->clear();
  }
  static_cast<void>(table_.stop_purges());
  refuse_purges(error{errc::unavailable, "the store has failed; ask again after the restart"}, {});
  if (directory_.supervisor) {
    send(directory_.supervisor, store_failed{why});
  }
}

void queue::release(std::vector<std::variant<effects, deferred_reply>> items) {
  for (auto& item : items) {
    if (auto* e = std::get_if<effects>(&item)) {
      carry_out(*e);
    } else {
      std::get<deferred_reply>(item).done();
    }
  }
  hand_over_remote();
}

void queue::fetch(std::uint64_t order, job_store::column column, text_handler then,
                  byte_budget::place place) {
  const auto ticket = ++fetch_ticket_;
  const text_key what{order, column};
  text_fetch& asked = fetches_[ticket];
  asked.what = what;
  asked.handlers.push_back(std::move(then));
  asked.place = std::move(place);
  fetch_of_[what] = ticket;
  ctx_.outside.store.fetch(
      order, column, [ticket, me = caf::actor_cast<queue_actor>(this)](result<shared_text> text) {
        caf::anon_send(me, store_replied{store_replied::fetched{ticket, std::move(text)}});
      });
}

bool queue::fetch_output(const job_view& view, std::size_t headroom, text_handler then) {
  const auto order = view.stored_output;
  if (const auto known = outputs_.find(order); known != outputs_.end()) {
    if (auto text = known->second.lock(); !text.empty()) {
      then(std::move(text));
      return true;
    }
  }
  const auto asked = fetch_of_.find({order, job_store::column::output});
  if (asked != fetch_of_.end()) {
    fetches_.at(asked->second).handlers.push_back(std::move(then));
    return true;
  }
  auto place = place_for_text(ctx_.outside.answers, view.output_bytes, headroom);
  if (place == nullptr) {
    return false;
  }
  fetch(order, job_store::column::output, std::move(then), std::move(place));
  return true;
}

void queue::on(const store_replied::fetched& m) {
  auto node = fetches_.extract(m.ticket);
  if (!m.text) {
    ctx_.outside.log.error("text_unreadable",
                           {{"code", m.text.error().code}, {"text", m.text.error().text}});
  }
  if (node.empty()) {
    return; // of an earlier queue
  }
  const text_fetch& asked = node.mapped();
  if (const auto known = fetch_of_.find(asked.what);
      known != fetch_of_.end() && known->second == m.ticket) {
    fetch_of_.erase(known);
  }
  auto text = m.text;
  if (text && asked.place) {
    *text = text->holding(asked.place);
    if (outputs_.size() >= 2 * outputs_swept_ + 64) {
      std::erase_if(outputs_, [](const auto& each) { return each.second.expired(); });
      outputs_swept_ = outputs_.size();
    }
    outputs_[asked.what.first] = weak_text{*text};
  }
  for (const auto& take : asked.handlers) {
    take(text);
  }
}

void queue::on(const webhook_answered& m) {
  const bool delivered = m.how == hook_answer::delivered;
  ctx_.outside.meters.add(delivered ? meter::webhooks_delivered : meter::webhooks_failed);
  ctx_.outside.log.info("webhook", {{"job", m.id}, {"delivered", delivered}, {"text", m.text}});
  enqueue_effects(table_.notified(now(), m.id, m.call, m.how));
  after();
}

} // namespace tayfa
