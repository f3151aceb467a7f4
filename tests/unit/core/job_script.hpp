// Drives a job_table by hand and says in words what it ordered, so that a test reads like a script.
//
// Time stands still until pass() is called. After every command the table's audit must be clean.
#pragma once

#include "runtime/core/job_table.hpp"
#include "tests/job_model/effect_text.hpp"

#include <gtest/gtest.h>
#include <string>

namespace tayfa::testing {

struct job_script {
  explicit job_script(job_limits limits = {}) : table(limits) {}

  job_table table;
  std::uint64_t last_looked = 0; ///< number of the last chunk that look() found
  moment now{std::chrono::hours{1}};

  void pass(milliseconds d) { now += d; }

  static job_request request(std::string input = "{}") {
    job_request r;
    r.endpoint = "tayfa";
    r.input = shared_text{std::move(input)};
    return r;
  }
  /// A job that was taken from a platform, which knows it as "p-<id>".
  static job_request taken(const char* id, std::string input = "{}") {
    auto r = request(std::move(input));
    r.origin = std::string{"p-"} + id;
    return r;
  }
  static worker_ref worker(std::uint32_t slot, std::uint64_t incarnation = 1) {
    return {slot_id{slot}, incarnation};
  }
  static worker_ref remote(std::uint32_t number, std::uint64_t incarnation = 1) {
    return {slot_id{number}, incarnation, pull_node};
  }
  static attempt_ref attempt(const char* job, std::uint32_t number) {
    return {job_id{job}, number};
  }

  // ---- clients: each answers with the orders, or with the error's name
  std::string submit(const char* id, job_request r = request(), bool watch = false) {
    return checked(table.submit(now, job_id{id}, std::move(r), watch));
  }
  std::string submit_low(const char* id) {
    auto r = request();
    r.policy.priority = job_policy::priority_low;
    return submit(id, std::move(r));
  }
  static job_request of_tenant(const char* tenant) {
    auto r = request();
    r.policy.tenant = tenant;
    return r;
  }
  static job_request keyed(const char* key, std::string input = "{}") {
    auto r = request(std::move(input));
    r.policy.idempotency_key = key;
    return r;
  }
  std::string take(const char* id, bool watch = false) { return submit(id, taken(id), watch); }
  std::string stop(const char* id) { return cancel(id, true); } ///< by its platform
  std::string cancel(const char* id, bool by_origin = false) {
    auto done = table.cancel(now, job_id{id}, by_origin);
    audited();
    return done ? text_of(done->second) : std::string{to_string(done.error().code)};
  }
  std::string retry(const char* id) {
    auto done = table.retry(now, job_id{id});
    audited();
    return done ? text_of(done->second) : std::string{to_string(done.error().code)};
  }
  std::string drop(const char* id) {
    auto done = table.drop(now, job_id{id});
    audited();
    return done ? "" : std::string{to_string(done.error().code)};
  }
  std::string purge(job_access covered = {}) {
    return audited(table.purge(now, std::move(covered)).second);
  }
  std::string models(std::vector<model_facts> known) {
    return audited(table.models_known(now, std::move(known)));
  }
  std::string refuse(const char* model, const error& why) {
    return audited(table.model_refused(now, model, why));
  }
  job_detail detail(const char* id) const {
    auto found = table.inspect(now, job_id{id});
    EXPECT_TRUE(found) << id << " is not there";
    return found.value_or(job_detail{});
  }
  /// The wait reason; "none" when the job does not wait.
  std::string why(const char* id) const { return std::string{to_string(view(id).why)}; }
  std::string notified(const char* id, bool delivered) {
    return audited(table.notified(now, job_id{id}, table.hook_call(job_id{id}),
                                  delivered ? hook_answer::delivered : hook_answer::failed));
  }
  std::string posted(const char* id, bool settled, milliseconds pause = milliseconds{0}) {
    return audited(table.posted(now, job_id{id}, settled, pause));
  }
  job_view view(const char* id) const {
    auto found = table.find(now, job_id{id});
    EXPECT_TRUE(found) << id << " is not there";
    return found.value_or(job_view{});
  }
  std::string state(const char* id) const {
    auto found = table.find(now, job_id{id});
    return std::string{found ? to_string(found->state) : to_string(found.error().code)};
  }
  /// The unread chunks, one after the other, as a reader sees them that does not receive them.
  std::string look(const char* id) {
    last_looked = 0;
    auto read = table.read_stream(now, job_id{id});
    std::string out;
    if (!read) {
      return std::string{to_string(read.error().code)};
    }
    for (const auto& c : read->chunks) {
      out += c.view();
    }
    last_looked = read->last;
    return out;
  }
  /// Like look(), and received.
  std::string stream(const char* id) {
    auto out = look(id);
    table.chunks_received(job_id{id}, last_looked);
    audited();
    return out;
  }

  // ---- workers
  static worker_facts facts(std::uint32_t capacity = 1, bool steps = false) {
    worker_facts f;
    f.capacity = capacity;
    f.steps = steps;
    return f;
  }
  static worker_facts batching(std::uint32_t members) {
    auto f = facts(members);
    f.batch_max = members;
    return f;
  }
  /// A remote worker has received everything handed over to it.
  std::string join(worker_ref w, worker_facts f) {
    f.hand_overs = table.hand_overs(w.place());
    return audited(table.worker_joined(now, w, f));
  }
  /// A remote worker says what it is ready for.
  static worker_facts asking(std::uint32_t capacity, const char* endpoint = "tayfa") {
    auto f = pulling(facts(capacity));
    f.endpoint = endpoint;
    f.name = "their worker";
    return f;
  }
  std::string join(worker_ref w, std::uint32_t capacity = 1) { return join(w, facts(capacity)); }
  std::string join(std::uint32_t slot) { return join(worker(slot)); }
  std::string lose(std::uint32_t slot, error why = {errc::engine_crash, "signal 11"}) {
    return lose(worker_place{slot_id{slot}}, std::move(why));
  }
  std::string lose(worker_place at, error why) { return audited(table.worker_lost(now, at, why)); }
  std::string killed_from_outside(std::uint32_t slot) {
    return audited(table.worker_lost(now, slot_id{slot}, {errc::engine_crash, "signal 9"}, true));
  }
  std::string drain(std::uint32_t slot) {
    return audited(table.worker_draining(now, worker(slot)));
  }

  // ---- reports: "stale" or the orders
  std::string started(worker_ref w, attempt_ref a) {
    return reported(table.started(now, w, protocol::started{std::move(a)}));
  }
  std::string progress(worker_ref w, attempt_ref a, std::uint32_t sequence, const char* text) {
    return reported(table.progressed(
        now, w, protocol::progress{std::move(a), sequence, shared_text{std::string{text}}}));
  }
  std::string partial(worker_ref w, attempt_ref a, std::uint32_t sequence, const char* text) {
    return reported(table.streamed(
        now, w, protocol::partial{std::move(a), sequence, shared_text{std::string{text}}}));
  }
  std::string complete(worker_ref w, attempt_ref a, const char* output = "1") {
    protocol::finished f;
    f.attempt = std::move(a);
    f.output = shared_text{std::string{output}};
    return reported(table.finished(now, w, f));
  }
  std::string failed(worker_ref w, attempt_ref a, errc code, const char* text = "") {
    return failed(w, std::move(a), static_cast<std::uint16_t>(code), text);
  }
  std::string failed(worker_ref w, attempt_ref a, std::uint16_t code, const char* text) {
    protocol::finished f;
    f.attempt = std::move(a);
    f.how = protocol::outcome::failed;
    f.code = code;
    f.text = text;
    return reported(table.finished(now, w, f));
  }
  std::string renewed(worker_ref w, const attempt_ref& a) {
    return reported(table.renewed(now, w, a));
  }
  std::string stopped(worker_ref w, attempt_ref a) {
    protocol::finished f;
    f.attempt = std::move(a);
    f.how = protocol::outcome::cancelled;
    return reported(table.finished(now, w, f));
  }

  // ---- the pod
  std::string expire() { return audited(table.expire(now)); }
  std::string hand_back() { return audited(table.hand_back(now)); }
  milliseconds next() const {
    const auto at = table.next_deadline();
    EXPECT_TRUE(at);
    return std::chrono::duration_cast<milliseconds>(at.value_or(now) - now);
  }

 private:
  void audited() { expect_clean(table.audit()); }
  static void expect_clean(const std::vector<std::string>& broken) {
    for (const auto& rule : broken) {
      ADD_FAILURE() << rule;
    }
  }
  std::string audited(const effects& consequences) {
    audited();
    return text_of(consequences);
  }
  /// A job that was there already: "again", its id, and what follows from it.
  std::string checked(const result<job_table::submitted>& done) {
    audited();
    if (!done) {
      return std::string{to_string(done.error().code)};
    }
    const auto orders = text_of(done->then);
    return done->fresh ? orders
                       : "again " + done->view.id.str() + (orders.empty() ? "" : "; " + orders);
  }
  std::string reported(const job_table::report_result& r) {
    audited();
    return r.current ? text_of(r.consequences)
                     : "stale" + (r.consequences.empty() ? "" : "; " + text_of(r.consequences));
  }
};

} // namespace tayfa::testing
