// Any bytes as commands to a job table whose process may end at any time: its audit must stay
// clean, what ended must stay as it is (until a client asks for a retry), an attempt is given once,
// and what was committed is there after a restart.
#include "runtime/core/job_table.hpp"

#include "tests/fuzz/fuzz.hpp"

#include <map>
#include <memory>
#include <set>

using namespace tayfa;

namespace {

class session {
 public:
  explicit session(fuzz::choices& in)
      : in_(in), limits_(limits(in)), table_(std::make_unique<job_table>(limits_)) {}

  void step() {
    switch (in_.below(17)) {
    case 0: {
      job_request r;
      r.input = shared_text{"1"};
      r.sync = in_.below(2) == 0;
      r.policy.priority = static_cast<std::uint8_t>(in_.below(10));
      r.policy.tenant = in_.below(3) == 0 ? "t" : "";
      r.policy.delay = milliseconds{in_.below(3) == 0 ? in_.byte() * 50 : 0};
      r.policy.idempotency_key =
          in_.below(4) == 0 ? std::string(1, static_cast<char>('a' + in_.below(3))) : "";
      r.webhook = in_.below(5) == 0 ? "https://a.example/" : "";
      if (auto done = table_->submit(now_, job_id{"j" + std::to_string(++ids_)}, r, false)) {
        obey(done->then);
      }
      break;
    }
    case 1:
      if (auto done = table_->cancel(now_, job())) {
        obey(done->second);
      }
      break;
    case 2: join(); break;
    case 3: {
      const slot_id slot{static_cast<std::uint32_t>(in_.below(3))};
      std::erase_if(given_, [&](const auto& g) { return g.first.slot == slot; });
      obey(table_->worker_lost(now_, slot, error{errc::engine_crash, {}}));
      break;
    }
    case 4: obey(table_->worker_draining(now_, worker())); break;
    case 5: table_->started(now_, worker(), {attempt()}); break;
    case 6:
      table_->progressed(now_, worker(), {attempt(), in_.byte(), shared_text{"2"}});
      table_->streamed(now_, worker(), {attempt(), in_.byte(), shared_text{"3"}});
      break;
    case 7:
    case 8: finish(); break;
    case 9: now_ += milliseconds{in_.byte() * 200}; break;
    case 10: obey(table_->expire(now_)); break;
    case 11:
      if (in_.byte() == 255) {
        obey(table_->hand_back(now_));
      }
      break;
    case 12:
      if (auto done = table_->retry(now_, job())) {
        ended_.erase(done->first.id.str());
        obey(done->second);
      }
      break;
    case 13: {
      const auto id = job();
      if (table_->drop(now_, id)) {
        ended_.erase(id.str());
      }
      break;
    }
    case 14:
      if (in_.below(8) == 0) {
        obey(table_->purge(now_).second);
      }
      break;
    case 15: obey(table_->notified(now_, job(), in_.below(2) == 0)); break;
    case 16: in_.below(6) == 0 ? restart() : commit(); break;
    }
    check();
  }

 private:
  static job_limits limits(fuzz::choices& in) {
    job_limits out;
    out.queue_max = 1 + in.below(8);
    out.max_attempts = static_cast<std::uint32_t>(in.below(4));
    out.execution_timeout = milliseconds{1 + in.byte() * 100};
    out.ttl = milliseconds{1 + in.byte() * 200};
    out.keep_async = milliseconds{in.byte() * 100};
    out.keep_sync = milliseconds{in.byte() * 10};
    out.chunks_max = in.below(4);
    out.tenant_max = in.below(4);
    out.batch_delay = milliseconds{in.below(3) * 100};
    out.lease = milliseconds{1 + in.byte() * 50};
    out.durable = true;
    return out;
  }

  job_id job() { return job_id{"j" + std::to_string(ids_ - std::min(ids_, in_.below(6)))}; }
  worker_ref worker() { return {slot_id{static_cast<std::uint32_t>(in_.below(3))}, in_.below(4)}; }
  attempt_ref attempt() { return {job(), static_cast<std::uint32_t>(in_.below(4))}; }

  void join() {
    const auto w = worker();
    worker_facts facts;
    facts.capacity = static_cast<std::uint32_t>(in_.below(4));
    facts.batch_max = static_cast<std::uint32_t>(in_.below(4));
    facts.steps = in_.below(2) == 0;
    auto& latest = latest_[w.slot.value];
    if (w.incarnation > latest.ref.incarnation) {
      std::erase_if(given_, [&](const auto& g) { return g.first.slot == w.slot; });
    }
    obey(table_->worker_joined(now_, w, facts));
    if (w.incarnation >= latest.ref.incarnation) {
      latest.ref = w;
    }
  }

  /// A perfect store.
  void commit() {
    for (auto& change : table_->take_changes()) {
      if (auto* put = std::get_if<store::put>(&change)) {
        auto& row = rows_[put->row.order];
        const auto old = row;
        row = put->row;
        if ((put->which & store::part_request) == 0) {
          row.request = old.request;
          row.fingerprint = old.fingerprint;
        }
        if ((put->which & store::part_input_released) != 0) {
          row.request.input = {};
        }
        if ((put->which & store::part_output) == 0) {
          row.output = old.output;
        }
        if ((put->which & store::part_chunks) == 0) {
          row.chunks = old.chunks;
        }
      } else {
        rows_.erase(std::get<store::erase>(change).order);
      }
    }
    table_->committed();
  }

  /// The process ends, and the next one begins with what was committed; what the clients of the
  /// first one heard of was.
  void restart() {
    commit();
    std::vector<store::job_row> rows;
    for (const auto& [order, row] : rows_) {
      rows.push_back(row);
    }
    table_ = std::make_unique<job_table>(limits_);
    given_.clear();
    for (auto& latest : latest_) {
      latest = {};
    }
    obey(table_->restore(now_, std::move(rows), 0));
  }

  void finish() {
    protocol::finished f;
    auto w = worker();
    f.attempt = attempt();
    if (!given_.empty() && in_.below(4) != 0) { // mostly one that is really out there
      auto at = given_.begin();
      std::advance(at, static_cast<std::ptrdiff_t>(in_.below(given_.size())));
      w = at->first;
      f.attempt = at->second;
    }
    f.how = static_cast<protocol::outcome>(in_.below(3));
    f.code = in_.byte();
    f.output = shared_text{"4"};
    given_.erase({w, f.attempt});
    obey(table_->finished(now_, w, f).consequences);
  }

  void obey(const effects& consequences) {
    for (const auto& e : consequences) {
      if (const auto* g = std::get_if<give>(&e)) {
        fuzz::require(given_.insert({g->worker, g->message.attempt}).second,
                      "an attempt is given once");
        fuzz::require(ever_.insert(g->message.attempt).second, "an attempt's number only grows");
        fuzz::require(!ended_.contains(g->message.attempt.job.str()),
                      "no attempt starts after the end");
      } else if (const auto* m = std::get_if<moved>(&e); m != nullptr && is_final(m->view.state)) {
        fuzz::require(ended_.insert({m->view.id.str(), m->view}).second, "a job ends once");
      }
    }
  }

  void check() {
    const auto broken = table_->audit();
    for (const auto& words : broken) {
      std::fprintf(stderr, "%s\n", words.c_str());
    }
    fuzz::require(broken.empty(), "the audit is clean");
    for (const auto& [id, view] : ended_) {
      const auto now = table_->find(now_, job_id{id});
      fuzz::require(!now || (now->state == view.state && now->output == view.output &&
                             now->attempts == view.attempts),
                    "what ended stays as it is");
    }
  }

  struct known {
    worker_ref ref;
  };
  fuzz::choices& in_;
  job_limits limits_;
  std::unique_ptr<job_table> table_;
  std::map<std::uint64_t, store::job_row> rows_;
  moment now_{std::chrono::hours{1}};
  std::size_t ids_ = 0;
  known latest_[3] = {};
  std::set<std::pair<worker_ref, attempt_ref>> given_;
  std::set<attempt_ref> ever_;
  std::map<std::string, job_view> ended_;
};

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  fuzz::choices in{bytes, std::min<std::size_t>(size, 2048)};
  session s{in};
  while (in.more()) {
    s.step();
  }
  return 0;
}
