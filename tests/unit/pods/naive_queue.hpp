// A queue as the registry of pods sees it, as simple as it can be: jobs with a number, a holder and
// an end, commits that are made some time after the decision, and reconcile() where a pod has said
// hello. What it committed survives a restart of the head; all else is gone then.
#pragma once

#include "runtime/pods/pod_registry.hpp"

#include <deque>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace tayfa::pods::testing {

struct naive_job {
  enum class state { queued, held, unclaimed, ended } at = state::queued;
  std::uint32_t number = 0;
  worker_ref holder;
  std::string key; ///< of the pod that had it last
  bool cancelled = false;
  std::string result; ///< "COMPLETED …", "FAILED …", "CANCELLED"
  std::uint32_t ends = 0;
  std::uint32_t charged = 0; ///< attempts that it paid for
  std::uint32_t chunks = 0;  ///< of its stream that have come; they end with the head
  bool streamed = false;     ///< the attempt has made some
  bool chunks_lost = false;  ///< its pod was started anew: the result is all that it has
};

class naive_queue {
 public:
  struct commit {
    std::map<std::string, naive_job> rows;
    /// Attempts leave when their number is durable: none is ever used twice.
    std::map<worker_ref, std::vector<attempt_order>> orders;
    std::vector<std::pair<worker_ref, attempt_ref>> revokes;
    std::vector<std::pair<worker_ref, attempt_ref>> settles; ///< to be said afterwards
    std::vector<std::pair<reconcile_pod, std::vector<claim_decision>>> answers;
  };

  std::map<std::string, naive_job> jobs;
  std::map<std::string, naive_job> durable;
  std::deque<commit> commits; ///< decided, not durable yet
  std::map<worker_ref, std::uint32_t> workers;
  std::map<node_id, std::string> keys; ///< of the pods
  std::uint64_t fenced = 0;
  std::set<attempt_ref> holes; ///< attempts that were dropped because chunks of them were gone

  void add(const std::string& id) {
    jobs[id];
    decided({id});
  }

  void cancel(const std::string& id) {
    auto& j = jobs.at(id);
    if (j.at == naive_job::state::ended) {
      return;
    }
    const bool held = j.at == naive_job::state::held;
    j.cancelled = true;
    end(id, "CANCELLED");
    if (held) {
      commits.back().revokes.emplace_back(j.holder, attempt_ref{job_id{id}, j.number});
    }
  }

  /// An attempt for each free place.
  void assign(bool batches) {
    std::map<worker_ref, std::uint32_t> held;
    for (const auto& [id, j] : jobs) {
      held[j.holder] += j.at == naive_job::state::held ? 1 : 0;
    }
    for (const auto& ref : ending_) {
      ++held[ref.first]; // a cancelled attempt has its place until it has ended
    }
    std::map<worker_ref, std::vector<attempt_order>> out;
    std::vector<std::string> changed;
    auto next = jobs.begin();
    for (const auto& [ref, capacity] : workers) {
      for (auto places = capacity - std::min(capacity, held[ref]); places > 0; --places) {
        while (next != jobs.end() && next->second.at != naive_job::state::queued) {
          ++next;
        }
        if (next == jobs.end()) {
          break;
        }
        auto& [id, j] = *next;
        j.at = naive_job::state::held;
        ++j.number;
        j.chunks = 0;
        j.streamed = j.chunks_lost = false;
        j.holder = ref;
        j.key = keys.at(ref.node);
        protocol::assign body;
        body.attempt = {job_id{id}, j.number};
        body.input = shared_text{"\"" + id + "\""};
        out[ref].push_back({body});
        changed.push_back(id);
      }
      if (batches && out.contains(ref) && out[ref].size() > 1) {
        ++batches_;
        for (auto& order : out[ref]) {
          order.body.batch = batches_;
          order.body.batch_size = static_cast<std::uint32_t>(out[ref].size());
        }
      }
    }
    if (!changed.empty()) {
      decided(changed);
      commits.back().orders = std::move(out);
    }
  }

  void on(const worker_ready& m) { workers[m.worker] = m.facts.capacity; }

  void on(const worker_gone& m) {
    workers.erase(m.worker);
    std::erase_if(ending_, [&](const auto& each) { return each.first == m.worker; });
    std::vector<std::string> changed;
    for (auto& [id, j] : jobs) {
      if (j.at == naive_job::state::held && j.holder == m.worker) {
        requeue(j, m.why.code == errc::unavailable);
        changed.push_back(id);
      }
    }
    decided(changed);
  }

  void on(const attempt_reported& m) {
    if (const auto* chunk = std::get_if<protocol::partial>(&m.body)) {
      add_chunk(m.worker, *chunk);
    }
    const auto* last = std::get_if<protocol::finished>(&m.body);
    if (last == nullptr) {
      return;
    }
    const auto id = last->attempt.job.str();
    auto& j = jobs.at(id);
    ending_.erase({m.worker, last->attempt});
    const bool current =
        j.at == naive_job::state::held && j.number == last->attempt.number && j.holder == m.worker;
    if (!current) {
      ++fenced;
      decided({}, {{m.worker, last->attempt}});
      return;
    }
    if (last->how == protocol::outcome::completed) {
      end(id, "COMPLETED " + std::string{last->output.view()}, {{m.worker, last->attempt}});
    } else if (last->code == static_cast<std::uint16_t>(errc::unavailable) ||
               last->how == protocol::outcome::cancelled) {
      requeue(j, true);
      decided({id}, {{m.worker, last->attempt}});
    } else {
      end(id, "FAILED " + last->text, {{m.worker, last->attempt}});
    }
  }

  /// The whole of a pod, in one step. The answer is given when the step is durable.
  void on(const reconcile_pod& m) {
    keys[m.node] = m.key;
    for (const auto& ready : m.workers) {
      on(ready);
    }
    std::vector<claim_decision> answer;
    std::vector<std::string> changed;
    for (const auto& each : m.claims) {
      const auto entry = jobs.find(each.attempt.job.str());
      auto view = view_of(entry, each.attempt, m.key);
      const bool runs = view == head_view::held_accepted || view == head_view::unclaimed;
      if ((runs || view == head_view::queued) && !has_chunks_before(entry->second, each)) {
        if (runs) {
          requeue(entry->second, true);
          changed.push_back(entry->first);
        }
        holes.insert(each.attempt);
        view = head_view::elsewhere;
      }
      const auto step = reconcile(view, each.at);
      carry_out(step.head, entry, each.attempt, each.worker, changed);
      if (step.head == head_step::hold && each.chunks_from == 0) {
        entry->second.chunks_lost = true;
      }
      answer.push_back({step.pod.value(), view == head_view::unknown});
    }
    for (const auto& each : m.absent) {
      const auto entry = jobs.find(each.attempt.job.str());
      auto view = view_of(entry, each.attempt, m.key);
      if (view == head_view::held_accepted) {
        view = each.view; // the registry knows how far it was
      }
      carry_out(reconcile(view, pod_view::absent).head, entry, each.attempt, each.worker, changed);
      ending_.erase({each.worker, each.attempt});
    }
    for (const auto& ref : m.gone) {
      on(worker_gone{ref, {errc::lease_expired, "gone"}});
    }
    decided(changed);
    commits.back().answers.emplace_back(m, std::move(answer));
  }

  /// The claim window is over.
  void close_window() {
    std::vector<std::string> changed;
    for (auto& [id, j] : jobs) {
      if (j.at == naive_job::state::unclaimed) {
        requeue(j, false);
        changed.push_back(id);
      }
    }
    decided(changed);
  }

  void make_durable(const commit& c) {
    for (const auto& [id, row] : c.rows) {
      durable[id] = row;
    }
  }

  /// Everything that was not durable has never been.
  void restart() {
    jobs = durable;
    commits.clear();
    workers.clear();
    keys.clear();
    ending_.clear();
    for (auto& [id, j] : jobs) {
      if (j.at != naive_job::state::ended) {
        j.chunks = 0;
      }
      if (j.at == naive_job::state::held) {
        j.at = naive_job::state::unclaimed;
      }
    }
  }

  /// A new queue of the same process: the table lives on, and every attempt counts as lost.
  void actor_restart() {
    workers.clear();
    ending_.clear();
    std::vector<std::string> changed;
    for (auto& [id, j] : jobs) {
      if (j.at == naive_job::state::held) {
        requeue(j, true);
        changed.push_back(id);
      }
    }
    decided(changed);
  }

  bool all_ended() const {
    return std::all_of(durable.begin(), durable.end(),
                       [](const auto& each) { return each.second.at == naive_job::state::ended; });
  }

 private:
  using job_entry = std::map<std::string, naive_job>::iterator;

  head_view view_of(job_entry e, const attempt_ref& attempt, const std::string& key) const {
    if (e == jobs.end()) {
      return head_view::unknown;
    }
    const auto& j = e->second;
    if (j.key != key || j.number != attempt.number) {
      return j.at == naive_job::state::ended ? head_view::ended : head_view::elsewhere;
    }
    switch (j.at) {
    case naive_job::state::ended: return j.cancelled ? head_view::cancelling : head_view::ended;
    case naive_job::state::queued: return head_view::queued;
    case naive_job::state::unclaimed: return head_view::unclaimed;
    case naive_job::state::held: break;
    }
    return head_view::held_accepted;
  }

  void carry_out(head_step step, job_entry e, const attempt_ref& attempt, worker_ref worker,
                 std::vector<std::string>& changed) {
    switch (step) {
    case head_step::nothing:
    case head_step::wait:
    case head_step::end_cancelled: return;
    case head_step::count_fenced: ++fenced; return;
    case head_step::hold:
      if (e->second.at == naive_job::state::ended) { // cancelled: it is to end there
        std::erase_if(ending_, [&](const auto& each) { return each.second == attempt; });
        ending_.insert({worker, attempt});
        return;
      }
      e->second.at = naive_job::state::held;
      e->second.holder = worker;
      break;
    case head_step::lose: requeue(e->second, false); break;
    case head_step::give_back: requeue(e->second, true); break;
    }
    changed.push_back(e->first);
  }

  void add_chunk(worker_ref from, const protocol::partial& m) {
    const auto id = m.attempt.job.str();
    auto& j = jobs.at(id);
    const bool current =
        j.at == naive_job::state::held && j.number == m.attempt.number && j.holder == from;
    if (!current || m.sequence <= j.chunks) {
      return;
    }
    EXPECT_EQ(m.sequence, j.chunks + 1) << id << ": a chunk is missing";
    j.chunks = m.sequence;
    j.streamed = true;
    decided({id});
  }

  static bool has_chunks_before(const naive_job& j, const claim& c) {
    return c.chunks_from == 0 ? !j.streamed : c.chunks_from <= j.chunks + 1;
  }

  static void requeue(naive_job& j, bool free) {
    j.at = naive_job::state::queued;
    j.chunks = 0;
    j.charged += free ? 0 : 1;
  }

  void end(const std::string& id, std::string result,
           std::vector<std::pair<worker_ref, attempt_ref>> settles = {}) {
    auto& j = jobs.at(id);
    if (j.at == naive_job::state::held && j.cancelled) {
      ending_.insert({j.holder, attempt_ref{job_id{id}, j.number}});
    }
    j.at = naive_job::state::ended;
    j.result = std::move(result);
    ++j.ends;
    EXPECT_EQ(j.ends, 1U) << id << " ended twice";
    decided({id}, std::move(settles));
  }

  void decided(const std::vector<std::string>& changed,
               std::vector<std::pair<worker_ref, attempt_ref>> settles = {}) {
    commit c;
    for (const auto& id : changed) {
      c.rows[id] = jobs.at(id);
    }
    c.settles = std::move(settles);
    commits.push_back(std::move(c));
  }

  std::set<std::pair<worker_ref, attempt_ref>> ending_; ///< cancelled, and not said to have ended
  std::uint64_t batches_ = 0;
};

} // namespace tayfa::pods::testing
